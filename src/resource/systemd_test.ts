import { assertEquals } from "@std/assert";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { triggerFiles, unitWish } from "./systemd.ts";

const LINKS = {
  "device-alpha": "r",
  "systemd-start-unit": "a.mount",
  "systemd-stop-unit": "b.mount",
  "systemd-want": "alpha",
  "actual-alpha/if-on": "1",
};

const actionOf = (links: Readonly<Record<string, string>>): string =>
  unitWish(snapshotOfR({ ...LINKS, ...links }), "r", "alpha")?.action ?? "";

Deno.test("unitWish() starts where it is wanted and the device is there", () => {
  assertEquals(actionOf({}), "start");
  assertEquals(actionOf({ "actual-alpha/if-on": "0" }), "none");
  assertEquals(actionOf({ "actual-alpha/if-on": "garbage" }), "none");
});

Deno.test("unitWish() stops everywhere else", () => {
  assertEquals(actionOf({ "systemd-want": "beta" }), "stop");
  assertEquals(actionOf({ "systemd-want": "(none)" }), "stop");
});

Deno.test("unitWish() does nothing when nobody said what is wanted", () => {
  assertEquals(actionOf({ "systemd-want": ".deleted" }), "none");
});

Deno.test("unitWish() is none without units, or where the host is out", () => {
  const none = {
    "systemd-start-unit": ".deleted",
    "systemd-stop-unit": ".deleted",
  };
  assertEquals(actionOf(none), "");
  assertEquals(actionOf({ "device-alpha": ".deleted" }), "");
});

Deno.test("unitWish() takes one unit for both", () => {
  const wish = unitWish(
    snapshotOfR({ ...LINKS, "systemd-stop-unit": ".deleted" }),
    "r",
    "alpha",
  );
  assertEquals([wish?.startUnit, wish?.stopUnit], ["a.mount", "a.mount"]);
});

const BOTH = ["resource-r/systemd-trigger", "userspace/systemd-trigger"];

Deno.test("triggerFiles() tells of roles, units and the own device", () => {
  const snapshot = snapshotOfR(LINKS);
  const names = [
    "primary",
    "systemd-want",
    "systemd-stop-unit",
    "actual-alpha/if-on",
  ];
  for (const name of names) {
    assertEquals(triggerFiles([`resource-r/${name}`], snapshot, "alpha"), BOTH);
  }
  assertEquals(
    triggerFiles(["todo-global/systemd-global-trigger"], snapshot, "alpha"),
    [
      "userspace/systemd-trigger",
    ],
  );
});

Deno.test("triggerFiles() tells of nothing else", () => {
  const snapshot = snapshotOfR(LINKS);
  const paths = [
    "resource-r/size",
    "resource-r/actual-beta/if-on",
    "resource-r/userspace/systemd-status-stop-alpha",
    "resource-r/todo-alpha/attach",
    "userspace/note",
  ];
  assertEquals(triggerFiles(paths, snapshot, "alpha"), []);
});

Deno.test("triggerFiles() tells of roles only where there are units", () => {
  const snapshot = snapshotOfR({ "device-alpha": "r" });
  assertEquals(triggerFiles(["resource-r/primary"], snapshot, "alpha"), []);
  assertEquals(
    triggerFiles(["resource-r/systemd-start-unit"], snapshot, "alpha"),
    BOTH,
    "they may have been taken back",
  );
});
