/** cron as a whole, on a tree without a daemon. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  failsToFlush,
  fourLogs,
  LOGS,
  OLD_S,
} from "../../tests/support/log_world.ts";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import type { Shim } from "../../ffi/shim.ts";

const SILENCE = { printed: [], warned: [] };

Deno.test("cron rotates, deletes and says nothing", async () => {
  using world = fourLogs(4);
  const { printed, warned } = await world.run("cron");
  assertEquals([printed, warned], [[], []]);
  assertEquals(world.files(), [LOGS[3], "log-000000005-alpha"]);
});

Deno.test("cron says nothing where there is no resource", async () => {
  using world = new TreeWorld();
  world.link({ uuid: "alpha_1.000000000", "ips/ip-alpha": "127.0.0.1" });
  assertEquals(await world.run("cron"), SILENCE);
  assertEquals(world.value("actual-alpha/marsadm-version"), "2.9");
});

Deno.test("cron may run twice at once", async () => {
  using world = fourLogs(4);
  const both = await Promise.all([world.run("cron"), world.run("cron")]);
  assertEquals(both, [SILENCE, SILENCE]);
  assertEquals(world.files(), ["log-000000004-alpha", "log-000000005-alpha"]);
});

Deno.test("cron deletes old logs although there is no room for a new one", async () => {
  using world = fourLogs(4);
  // A file is in the way of the new log's name: creation fails.
  Deno.mkdirSync(`${world.marsDir}/resource-r/log-000000005-alpha`);
  await world.run("cron");
  assertEquals(world.files(), LOGS.slice(3));
});

Deno.test("cron goes on with the next resource after a failure", async () => {
  using world = fourLogs(4);
  const EIO = 5;
  for (const [path, value] of Object.entries(clusterLinks())) {
    if (!path.startsWith("resource-r/")) continue;
    world.link({ [path.replace("resource-r/", "resource-a/")]: value }, OLD_S);
  }
  // Fails for "a", which has old logs, too, and comes first.
  Deno.removeSync(`${world.marsDir}/resource-a/actual-alpha/is-primary`);
  world.link({
    "resource-a/actual-alpha/is-primary": "0",
    "resource-a/replay-alpha": "log-000000002-alpha,0,0",
    "resource-a/replay-beta": "log-000000002-alpha,0,0",
  }, OLD_S);
  for (const at of [1, 2]) {
    const name = `log-00000000${at}-alpha`;
    const path = `${world.marsDir}/resource-a/${name}`;
    Deno.copyFileSync(`${world.marsDir}/resource-r/${name}`, path);
    Deno.utimeSync(path, 1, 1);
  }
  let flushes = 0;
  const error = await assertRejects(
    () =>
      world.runWith((shim) => ({
        ...shim,
        mars_filesystem_flush: (fd) =>
          flushes++ === 0 ? -EIO : shim.mars_filesystem_flush(fd),
      }), ["cron", "--verbose"]),
    Error,
    "1 of 2",
  );
  assertEquals(error.message, "Failed for 1 of 2 resources");
  assertEquals(world.files(), ["log-000000004-alpha", "log-000000005-alpha"]);
  const kept = `${world.marsDir}/resource-a/log-000000001-alpha`;
  assertEquals(Deno.lstatSync(kept).isFile, true);
});

Deno.test("cron cleans the tree although a resource fails", async () => {
  using world = fourLogs(4);
  world.link({ "userspace/x": ".deleted" }, 200 * 3_600);
  await failsToFlush(world, "cron");
  assertEquals(world.value("userspace/x"), undefined);
  assertEquals(world.files(), [...LOGS, "log-000000005-alpha"]);
});

Deno.test("cron works where this host is only a guest", async () => {
  using world = fourLogs(4);
  world.link({ "resource-r/data-alpha": ".deleted" });
  assertEquals(await world.run("cron"), SILENCE);
});

Deno.test("err-purge-all forgets errors of this host", async () => {
  using world = fourLogs(4);
  const text = "1.000000000 1.000000000 bad";
  world.link({
    "resource-r/actual-alpha/msg-err-a": text,
    "resource-r/actual-alpha/msg-wrn-b": text,
    "resource-r/actual-beta/msg-err-c": text,
  });
  await world.run("err-purge-all", "r");
  const values = ["alpha/msg-err-a", "alpha/msg-wrn-b", "beta/msg-err-c"]
    .map((name) => world.value(`resource-r/actual-${name}`));
  assertEquals(values, [".deleted", text, text]);
});

/** Ends a command at its `count`th change of the tree. */
function killedAt(count: number): (shim: Shim) => Shim {
  let left = count;
  const tick = (): void => {
    if (--left < 0) throw new Error("killed");
  };
  return (shim) => ({
    ...shim,
    mars_link_create: (...args) => {
      tick();
      return shim.mars_link_create(...args);
    },
    mars_link_stamp_write: (...args) => {
      tick();
      return shim.mars_link_stamp_write(...args);
    },
    mars_filesystem_flush: (...args) => {
      tick();
      return shim.mars_filesystem_flush(...args);
    },
  });
}

Deno.test("cron may be killed anywhere; the next run does the rest", async () => {
  const buried = (world: TreeWorld): number =>
    [...Deno.readDirSync(`${world.marsDir}/resource-r`)]
      .filter(({ name, isSymlink }) =>
        isSymlink && /^(?:log|version)-/.test(name) &&
        world.value(`resource-r/${name}`) === ".deleted"
      ).length;
  using undisturbed = fourLogs(3);
  await undisturbed.run("cron");
  let killed = 0;
  for (;; killed++) {
    using world = fourLogs(3);
    try {
      await world.runWith(killedAt(killed), ["cron"]);
      break;
    } catch (error) {
      assertEquals(error instanceof Error && error.message, "killed");
    }
    const needed = LOGS.slice(2);
    assertEquals(world.files().filter((log) => needed.includes(log)), needed);
    assertEquals(await world.run("cron"), SILENCE);
    assertEquals(world.files(), undisturbed.files());
    assertEquals(world.value("resource-r/maxnr"), "5");
    assertEquals(buried(world), buried(undisturbed));
  }
  assertEquals(killed > 8, true);
});
