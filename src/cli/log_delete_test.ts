/** log-delete on a tree without a daemon. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  failsToFlush,
  fourLogs,
  LOGS,
  OLD_S,
} from "../../tests/support/log_world.ts";
import type { TreeWorld } from "../../tests/support/tree_world.ts";

Deno.test("log-delete-all deletes what every member has replayed", async () => {
  using world = fourLogs(3);
  const { printed } = await world.run("log-delete-all", "r");
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
  const { printed } = await world.run(
    "log-delete-all",
    "r",
    "--force",
  );
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
  await failsToFlush(world, "log-delete-all");
  assertEquals(world.files(), LOGS);
});

Deno.test("log-delete-all may run twice at once", async () => {
  using world = fourLogs(4);
  await Promise.all([world.run("log-delete-all"), world.run("cron")]);
  assertEquals(world.files().slice(0, 1), LOGS.slice(3));
  const { printed } = await world.run("log-delete", "r");
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

/** Whether all four logs are there, or which went. */
function gone(world: TreeWorld): string[] {
  const left = world.files();
  return LOGS.filter((log) => !left.includes(log));
}

Deno.test("log-delete-all all says nothing, as its timer wants it", async () => {
  for (const betaAt of [1, 3]) {
    using world = fourLogs(betaAt);
    assertEquals(await world.run("log-delete-all", "all"), {
      printed: [],
      warned: [],
    });
    assertEquals(gone(world).length, betaAt - 1);
  }
});

Deno.test("log-delete-all all --verbose says what it deleted", async () => {
  using world = fourLogs(2);
  const { printed } = await world.run("log-delete-all", "all", "-v");
  assertEquals(printed.at(-1), '"r": deleted 1 log, 100 B');
});

Deno.test("log-delete-one deletes the first", async () => {
  using world = fourLogs(4);
  await world.run("log-delete-one", "r");
  assertEquals(gone(world), LOGS.slice(0, 1));
  await world.run("log-delete-one", "r");
  assertEquals(gone(world), LOGS.slice(0, 2));
});

Deno.test("log-delete says whose position keeps everything", async () => {
  using world = fourLogs(4);
  // Older links are not overwritten by younger ones.
  Deno.removeSync(`${world.marsDir}/resource-r/replay-beta`);
  world.link({ "resource-r/replay-beta": "garbage" }, OLD_S);
  const { warned } = await world.run("cron");
  assertEquals(gone(world), []);
  assertEquals(warned, [
    'WARNING: "r": no log can be deleted, because the position of "beta" is missing or garbage; let it join again or leave',
  ]);
});

Deno.test("log-delete does not complain of a position that is just being written", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/replay-beta": ".deleted" });
  assertEquals(await world.run("cron"), { printed: [], warned: [] });
  assertEquals(gone(world), []);
});

Deno.test("log-delete keeps logs for a host whose membership is not known yet", async () => {
  using world = fourLogs(4);
  world.link({
    "ips/ip-gamma": "127.0.0.3",
    "resource-r/replay-gamma": "log-000000002-alpha,0,0",
  }, OLD_S);
  await world.run("log-delete", "r");
  assertEquals(gone(world), LOGS.slice(0, 1));
});

/** beta is a member, or only left a position, and has left the cluster. */
async function deletedPeer(
  isMember: boolean,
  level: string,
): Promise<string[]> {
  using world = fourLogs(2);
  world.link({ "ips/ip-beta": ".deleted" });
  if (!isMember) world.link({ "resource-r/data-beta": ".deleted" });
  await world.run("log-delete", "r", `--ignore-deleted-peers=${level}`);
  return gone(world);
}

Deno.test("log-delete --ignore-deleted-peers says whether hosts count that left the cluster", async () => {
  const [first, all] = [LOGS.slice(0, 1), LOGS.slice(0, 3)];
  assertEquals(await deletedPeer(true, "0"), first);
  assertEquals(await deletedPeer(true, "1"), first);
  assertEquals(await deletedPeer(true, "2"), all);
  assertEquals(await deletedPeer(false, "0"), first);
  assertEquals(await deletedPeer(false, "1"), all);
  assertEquals(await deletedPeer(false, "2"), all);
});

Deno.test("log-delete never forgets a host that was heard of lately", async () => {
  using world = fourLogs(2);
  world.link({ "ips/ip-beta": ".deleted", "actual-beta/time": "2.000000000" });
  await world.run("log-delete", "r", "--ignore-deleted-peers=2");
  assertEquals(gone(world), LOGS.slice(0, 1));
});

Deno.test("log-delete leaves out a resource that another command works on", async () => {
  using world = fourLogs(4);
  using _lock = world.desk().effects.lock("r", "primary r");
  assertEquals(await world.run("log-delete-all", "all"), {
    printed: [],
    warned: [],
  });
  const { warned } = await world.run("log-delete", "r");
  assertEquals(gone(world), []);
  assertEquals(warned.length, 1);
  assertStringIncludes(
    warned.join(),
    'SKIPPING: Cannot work on "r": another command does: primary r, process',
  );
});
