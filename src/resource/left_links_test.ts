/** What a host that was made to leave takes back, and what it does not. */
import { assertEquals } from "@std/assert";
import { type Link, Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { leftLinks } from "./left_links.ts";

const DIGEST = "0".repeat(32);
const step = (log: string): string => `${DIGEST},${log},0`;

/** Only gamma writes them. */
const OWN = {
  "actsize-gamma": "4096",
  "actual-gamma/is-primary": "0",
  "actual-gamma/msg-err-space": "1,text",
  "actual-gamma/some-later-state": "1",
  "local-gamma/rewind-1": "text",
  "replay-gamma": "log-000000001-alpha,0,0",
  "syncfrom-gamma": "alpha",
  "syncpos-gamma": "log-000000001-alpha,0,0",
  "syncstatus-gamma": "4096",
  "verifystatus-gamma": "?",
  "version-000000001-gamma": `${step("log-000000001-alpha")}:`,
  "version-000000002-gamma": "garbage",
};

const OTHERS = {
  "size": "4096",
  "primary": "alpha",
  "device-alpha": "r",
  "data-alpha": "/dev/null",
  "replay-alpha": "log-000000007-alpha,0,0",
  "version-000000007-alpha": `${step("log-000000007-alpha")}:${
    step("log-000000006-gamma")
  }`,
  "actual-alpha/is-primary": "1",
  "replay-gamma-2": "log-000000001-alpha,0,0",
  "actual-gamma-2/is-primary": "0",
  "todo-gamma/attach": "1",
  "connect-gamma": "alpha",
  "userspace/used-log-gamma": "6",
};

function left(changes: Readonly<Record<string, string>>): string[] {
  const links: Link[] = Object.entries({
    ...OTHERS,
    "device-gamma": TOMBSTONE,
    "data-gamma": TOMBSTONE,
    ...changes,
  }).map(([path, value]) => ({
    path: `resource-r/${path}`,
    value,
    stampNs: 1n,
  }));
  return leftLinks(new Snapshot(links), "r", "gamma").map(({ path, value }) => {
    assertEquals(value, TOMBSTONE);
    return path.slice("resource-r/".length);
  }).sort();
}

Deno.test("leftLinks() are all links that only the host itself writes", () => {
  assertEquals(left(OWN), Object.keys(OWN).sort());
  assertEquals(left({ "replay-gamma": TOMBSTONE }), []);
});

Deno.test("leftLinks() leave whoever takes part, or is about to, alone", () => {
  assertEquals(left({ ...OWN, "device-gamma": "r" }), []);
  // Its command has not ended.
  assertEquals(left({ ...OWN, "data-gamma": "/dev/null" }), []);
});

Deno.test("leftLinks() need a device that was deleted, not one that is missing", () => {
  const links = Object.entries({ ...OTHERS, ...OWN })
    .map(([path, value]) => ({
      path: `resource-r/${path}`,
      value,
      stampNs: 1n,
    }));
  assertEquals(leftLinks(new Snapshot(links), "r", "gamma"), []);
});

Deno.test("leftLinks() leave versions of own logs that members may reach", () => {
  const reached = {
    "version-000000006-gamma": `${step("log-000000006-gamma")}:`,
  };
  assertEquals(left(reached), []);
  // Nobody is as far back as this one.
  const old = { "version-000000003-gamma": `${step("log-000000003-gamma")}:` };
  assertEquals(left({ ...reached, ...old }), Object.keys(old));
  const gone = { "data-alpha": TOMBSTONE };
  assertEquals(left({ ...reached, ...gone }), Object.keys(reached));
});
