/** log-rotate on a tree without a daemon. */
import { assertEquals } from "@std/assert";
import { fourLogs, LOGS, OLD_S } from "../../tests/support/log_world.ts";

Deno.test("log-rotate makes the next log once", async () => {
  using world = fourLogs(4);
  const { printed } = await world.run("log-rotate", "r");
  assertEquals(printed, ['"r": going on in log-000000005-alpha']);
  assertEquals(world.files().at(-1), "log-000000005-alpha");
  assertEquals(world.value("resource-r/maxnr"), "5");
  const again = await world.run("log-rotate", "r");
  assertEquals(again.warned, ['SKIPPING: "r": log 5 is empty']);
  assertEquals(world.files().length, 5);
});

Deno.test("log-rotate never lowers maxnr", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/maxnr": "100007" });
  await world.run("log-rotate", "r");
  assertEquals(world.value("resource-r/maxnr"), "100007");
});

Deno.test("log-rotate does nothing on a secondary", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/actual-alpha/is-primary": "0" });
  const { warned } = await world.run("log-rotate", "r");
  assertEquals(warned, ['SKIPPING: "r": not primary here']);
  assertEquals(world.files(), LOGS);
});

Deno.test("log-rotate waits for the version link of the last log", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/version-000000004-alpha": ".deleted" });
  const { warned } = await world.run("log-rotate", "r");
  assertEquals(warned, ['SKIPPING: "r": log 4 has no version link yet']);
  assertEquals(world.files(), LOGS);
});

Deno.test("log-rotate does not use the number of a deleted log again", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/log-000000005-alpha": ".deleted" });
  const { warned } = await world.run("log-rotate", "r");
  assertEquals(warned, ['SKIPPING: "r": log 5: tombstone']);
  assertEquals(world.value("resource-r/maxnr"), "5");
});

Deno.test("log-rotate is silent for a timer where there is nothing to do", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/actual-alpha/is-primary": "0" });
  assertEquals(await world.run("log-rotate", "all"), {
    printed: [],
    warned: [],
  });
});

Deno.test("log-rotate leaves small logs when there are many", async () => {
  using world = fourLogs(4);
  const { warned } = await world.run("log-rotate", "r", "--thresh-logfiles=4");
  assertEquals(warned, [
    'SKIPPING: "r": there are 4 logs and the newest is small',
  ]);
  const args = ["--thresh-logfiles=4", "--thresh-logsize=0"];
  const { printed } = await world.run("log-rotate", "r", ...args);
  assertEquals(printed, ['"r": going on in log-000000005-alpha']);
});

Deno.test("log-rotate --force rotates where nobody is primary", async () => {
  using world = fourLogs(4);
  world.link({
    "resource-r/actual-alpha/is-primary": "0",
    "resource-r/version-000000004-alpha": ".deleted",
  });
  await world.run("log-rotate", "r", "--force");
  assertEquals(world.files().at(-1), "log-000000005-alpha");
});

Deno.test("log-rotate --force makes no second log of one number", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/actual-alpha/is-primary": "0" });
  world.log(5, "beta", 100, OLD_S);
  const { warned } = await world.run("log-rotate", "r", "--force");
  assertEquals(warned, ['SKIPPING: "r": "beta" went on in log 5']);
  assertEquals(world.files(), [...LOGS, "log-000000005-beta"]);
});
