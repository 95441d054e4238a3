/** Tombstones and temporary links on a tree without a daemon. */
import { assertEquals } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { purgeTree } from "./purge.ts";

const HOUR_S = 3_600;
const PATHS = [
  "ips/ip-gone",
  "actual-alpha/msg-inf-x",
  "resource-r/version-000000001-alpha",
  "resource-r/actual-alpha/msg-inf-y",
];

/** Tombstones that are an hour old; beta was heard of `silentS` ago. */
function tombstones(silentS: number): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  const links = Object.fromEntries(PATHS.map((path) => [path, ".deleted"]));
  world.link(links, HOUR_S);
  // A newer link than the one of `clusterLinks` would not be overwritten.
  Deno.removeSync(`${world.marsDir}/actual-beta/time`);
  world.link({ "actual-beta/time": "1.000000000" }, silentS);
  return world;
}

const left = (world: TreeWorld): string[] =>
  PATHS.filter((path) => world.value(path) !== undefined);

Deno.test("cron removes tombstones that every host has lived through", async () => {
  using world = tombstones(0);
  await world.run("cron");
  assertEquals(left(world), []);
  assertEquals(world.value("resource-r/size"), "1048576");
});

Deno.test("cron keeps tombstones that a host may not have seen", async () => {
  using world = tombstones(2 * HOUR_S);
  await world.run("cron");
  assertEquals(left(world), PATHS);
});

Deno.test("cron keeps tombstones while a host was never heard of", async () => {
  using world = tombstones(0);
  Deno.removeSync(`${world.marsDir}/actual-beta/time`);
  await world.run("cron");
  assertEquals(left(world), PATHS);
});

Deno.test("cron does not wait for a host for ever", async () => {
  using world = tombstones(200 * HOUR_S);
  world.link({ "userspace/x": ".deleted" }, 169 * HOUR_S);
  await world.run("cron");
  assertEquals(world.value("userspace/x"), undefined);
  assertEquals(left(world), PATHS);
});

Deno.test("cron --force waits for nobody but keeps the youngest", async () => {
  using world = tombstones(200 * HOUR_S);
  world.link({ "userspace/x": ".deleted" });
  await world.run("cron", "--force");
  assertEquals(left(world), []);
  assertEquals(world.value("userspace/x"), ".deleted");
});

Deno.test("cron --dry-run names what it would remove", async () => {
  using world = tombstones(0);
  const { printed } = await world.run("cron", "--dry-run");
  assertEquals(
    printed.toSorted(),
    PATHS.map((path) => `unlink ${path}`).toSorted(),
  );
  assertEquals(left(world), PATHS);
});

/** A temporary link, like those of a command that was killed. */
const TEMPORARY = "resource-r/actual-alpha/.tmp.1.if-on";
const HOUR_MS = 3_600_000;

Deno.test("purgeTree() removes temporary links that are an hour old", () => {
  using world = tombstones(0);
  Deno.symlinkSync("1", `${world.marsDir}/${TEMPORARY}`);
  purgeTree(world.desk(), Date.now() + HOUR_MS + 1_000);
  assertEquals(world.value(TEMPORARY), undefined);
});

Deno.test("purgeTree() keeps temporary links that may be in use, however old their stamp", () => {
  using world = tombstones(0);
  const path = `${world.marsDir}/${TEMPORARY}`;
  Deno.symlinkSync("1", path);
  new Deno.Command("touch", { args: ["-h", "-d", "@1", path] }).outputSync();
  assertEquals(Deno.lstatSync(path).mtime, new Date(1_000));
  purgeTree(world.desk(), Date.now() + HOUR_MS - 60_000);
  assertEquals(world.value(TEMPORARY), "1");
});
