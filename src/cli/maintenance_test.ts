/** Housekeeping on a tree without a daemon. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { SyscallError } from "../base/errors.ts";
import { versionText } from "../resource/history.ts";

const OLD_S = 600;
const LOGS = [1, 2, 3, 4].map((at) => `log-00000000${at}-alpha`);

/** Four logs; alpha is at log 4 and beta at `betaAt`; all is old. */
function fourLogs(betaAt: number): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/maxnr": "4",
    "resource-r/replay-alpha": "log-000000004-alpha,100,0",
    "resource-r/replay-beta": `log-00000000${betaAt}-alpha,100,0`,
  }, OLD_S);
  for (const sequence of [1, 2, 3, 4]) {
    world.log(sequence, "alpha", 100, OLD_S);
    for (const host of ["alpha", "beta", "gone"]) {
      const end = { log: { sequence, host: "alpha" }, bytes: 100 };
      world.link({
        [`resource-r/version-00000000${sequence}-${host}`]: versionText(
          end,
          undefined,
        ),
      }, OLD_S);
    }
  }
  return world;
}

Deno.test("log-delete-all deletes what every member has replayed", async () => {
  using world = fourLogs(3);
  const { printed } = await world.run("log-delete-all");
  assertEquals(world.files(), LOGS.slice(2));
  assertEquals(world.value("resource-r/log-000000002-alpha"), ".deleted");
  assertEquals(printed, ['"r": deleted 2 logs, 200 B']);
});

Deno.test("log-delete-all keeps one version link more, and those of others", async () => {
  using world = fourLogs(3);
  await world.run("log-delete-all");
  const isDeleted = (name: string): boolean =>
    world.value(`resource-r/version-${name}`) === ".deleted";
  assertEquals(isDeleted("000000001-alpha"), true);
  assertEquals(isDeleted("000000001-gone"), true, "no member any more");
  assertEquals(isDeleted("000000001-beta"), false, "states what beta has");
  assertEquals(isDeleted("000000002-alpha"), false);
});

Deno.test("log-delete-all deletes nothing while a position is unknown", async () => {
  using world = fourLogs(3);
  world.link({ "resource-r/replay-beta": ".deleted" });
  const { printed } = await world.run("log-delete-all", "--force");
  assertEquals(world.files(), LOGS);
  assertEquals(printed, ['"r": no log to delete']);
});

Deno.test("log-delete-all stops at the first recent log", async () => {
  using world = fourLogs(4);
  world.log(2, "alpha", 100, 0);
  await world.run("log-delete-all");
  assertEquals(world.files(), LOGS.slice(1));
  assertEquals(
    world.value("resource-r/version-000000002-alpha") === ".deleted",
    false,
    "the version before the first log that stays",
  );
  await world.run("log-delete-all", "--force");
  assertEquals(world.files(), LOGS.slice(3));
});

Deno.test("log-delete-all makes positions durable before it deletes", async () => {
  using world = fourLogs(4);
  const filesAtFlush: number[] = [];
  await world.runWith((shim) => ({
    ...shim,
    mars_filesystem_flush: (fd) => {
      filesAtFlush.push(world.files().length);
      return shim.mars_filesystem_flush(fd);
    },
  }), ["log-delete-all"]);
  assertEquals(filesAtFlush, [4]);
  assertEquals(world.files(), LOGS.slice(3));
});

Deno.test("log-delete-all deletes nothing when it cannot flush", async () => {
  using world = fourLogs(4);
  const EIO = 5;
  await assertRejects(
    () =>
      world.runWith((shim) => ({
        ...shim,
        mars_filesystem_flush: () => -EIO,
      }), ["log-delete-all"]),
    SyscallError,
    "Cannot flush",
  );
  assertEquals(world.files(), LOGS);
});

Deno.test("log-delete-all may run twice at once", async () => {
  using world = fourLogs(4);
  await Promise.all([world.run("log-delete-all"), world.run("cron")]);
  assertEquals(world.files().slice(0, 1), LOGS.slice(3));
  const { printed } = await world.run("log-delete");
  assertEquals(printed, ['"r": no log to delete']);
});

Deno.test("log-delete-all --dry-run changes nothing", async () => {
  using world = fourLogs(4);
  const { printed } = await world.run("log-delete-all", "--dry-run");
  assertEquals(world.files(), LOGS);
  assertStringIncludes(
    printed.join(),
    "resource-r/log-000000001-alpha -> .deleted",
  );
});

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
  const { warned } = await world.run("log-rotate", "all");
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
  assertEquals(world.value("resource-r/maxnr"), "4");
});

Deno.test("cron rotates, deletes and says nothing", async () => {
  using world = fourLogs(4);
  const { printed, warned } = await world.run("cron");
  assertEquals([printed, warned], [[], []]);
  assertEquals(world.files(), [LOGS[3], "log-000000005-alpha"]);
});
