/** cron --autoclean on a tree without a daemon. */
import { assertEquals } from "@std/assert";
import { fourLogs, LOGS, version } from "../../tests/support/log_world.ts";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";

const DAY_S = 86_400;
const REMAINS = [
  "resource-r/todo-gone/attach",
  "resource-r/actual-gone/is-attached",
  "resource-r/syncstatus-gone",
  "resource-r/replay-gone",
];

/** What host "gone" left behind `ageS` ago. */
function remains(ageS: number): TreeWorld {
  const world = fourLogs(4);
  world.link({
    ...Object.fromEntries(REMAINS.map((path) => [path, "1"])),
    "resource-r/replay-gone": "log-000000001-alpha,0,0",
    "resource-r/version-000000005-gone": version([5, "alpha"]),
  }, ageS);
  return world;
}

const buried = (world: TreeWorld): string[] =>
  REMAINS.filter((path) => world.value(path) === ".deleted");

Deno.test("cron --autoclean=DAYS deletes what a host left behind that long ago", async () => {
  using world = remains(4 * DAY_S);
  await world.run("cron");
  assertEquals(buried(world), [], "only with the option");
  await world.run("cron", "--autoclean=5");
  assertEquals(buried(world), [], "too young");
  await world.run("cron", "--autoclean=3");
  assertEquals(buried(world), REMAINS);
  assertEquals(
    world.value("resource-r/version-000000005-gone"),
    version([5, "alpha"]),
    "may still be needed to follow the log",
  );
  await world.run("cron");
  assertEquals(
    world.files().filter((name) => LOGS.includes(name)),
    LOGS.slice(3),
    "its position keeps no logs any more",
  );
});

Deno.test("cron --autoclean deletes nothing of a host of which anything is young", async () => {
  using world = remains(40 * DAY_S);
  world.link({ "resource-r/actual-gone/is-copying": "0" }, DAY_S);
  await world.run("cron", "--autoclean");
  assertEquals(buried(world), []);
});

Deno.test("cron --autoclean deletes nothing of members and guests", async () => {
  for (const seat of ["data", "device"]) {
    using world = remains(40 * DAY_S);
    world.link({ [`resource-r/${seat}-gone`]: "/dev/x" });
    await world.run("cron", "--autoclean");
    assertEquals(buried(world), []);
  }
});

/** Resource x, which nobody takes part in, beside a living one. */
function abandoned(ageS: number): TreeWorld {
  const world = new TreeWorld();
  world.link({ ...clusterLinks(), "actual-alpha/marsadm-version": "2.9" });
  world.link({
    "resource-x/size": "4096",
    "resource-x/maxnr": "7",
    "resource-x/data-beta": ".deleted",
  }, ageS);
  Deno.writeTextFileSync(`${world.marsDir}/resource-x/log-000000007-beta`, "");
  Deno.utimeSync(`${world.marsDir}/resource-x/log-000000007-beta`, 1, 1);
  return world;
}

const logIsThere = (world: TreeWorld): boolean =>
  [...Deno.readDirSync(`${world.marsDir}/resource-x`)]
    .some(({ isFile }) => isFile);

Deno.test("cron --autoclean names resources that nobody takes part in", async () => {
  using world = abandoned(31 * DAY_S);
  const { warned } = await world.run("cron", "--autoclean=3");
  assertEquals(warned, [
    'WARNING: no host takes part in "x" any more; to remove it type: mars cron --autoclean=3 --force',
  ]);
  assertEquals(world.value("resource-x/size"), "4096");
  assertEquals(logIsThere(world), true);
});

Deno.test("cron --autoclean --force removes them", async () => {
  using world = abandoned(31 * DAY_S);
  const { warned } = await world.run("cron", "--autoclean", "--force");
  assertEquals(warned, []);
  assertEquals(world.value("resource-x/size"), ".deleted");
  assertEquals(world.value("resource-x/maxnr"), ".deleted");
  assertEquals(logIsThere(world), false);
  assertEquals(world.value("resource-r/size"), "1048576");
  const again = await world.run("cron", "--autoclean", "--force");
  assertEquals(again.warned, []);
});

Deno.test("cron --autoclean leaves resources that changed in the last 30 days", async () => {
  using world = abandoned(29 * DAY_S);
  const { warned } = await world.run("cron", "--autoclean=1", "--force");
  assertEquals(warned, []);
  assertEquals(world.value("resource-x/size"), "4096");
});

Deno.test("cron --autoclean leaves resources with a host of the cluster", async () => {
  for (const seat of ["data-beta", "device-alpha"]) {
    using world = abandoned(31 * DAY_S);
    Deno.removeSync(`${world.marsDir}/resource-x/data-beta`);
    world.link({ [`resource-x/${seat}`]: "/dev/x" }, 31 * DAY_S);
    await world.run("cron", "--autoclean", "--force");
    assertEquals(world.value("resource-x/size"), "4096");
  }
});
