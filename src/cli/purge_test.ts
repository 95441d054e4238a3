/** Tombstones and temporary links on a tree without a daemon. */
import { assertEquals, assertThrows } from "@std/assert";
import { command } from "../../tests/support/programs.ts";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";

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
  world.link({ ...clusterLinks(), "actual-alpha/marsadm-version": "2.9" });
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
  assertEquals(printed.toSorted(), [
    '"r": no log to delete',
    '"r": there is no own log',
    ...PATHS.map((path) => `unlink ${path}`).toSorted(),
  ]);
  assertEquals(left(world), PATHS);
});

/** Temporary links, like those of a tool and a daemon that were killed. */
const TEMPORARIES = [
  "resource-r/actual-alpha/.tmp.1.if-on",
  "ips/.tmp-ip-beta",
  ".tmp.1.uuid",
];

Deno.test("cron removes temporary links and files that are an hour old", async () => {
  using world = tombstones(0);
  for (const path of TEMPORARIES) {
    Deno.symlinkSync("1", `${world.marsDir}/${path}`);
  }
  Deno.mkdirSync(`${world.directory}/units`);
  const unit = `${world.directory}/units/.tmp.1.x.service`;
  Deno.writeTextFileSync(unit, "");
  world.aheadS = HOUR_S - 60;
  await world.run("cron");
  assertEquals(TEMPORARIES.map((path) => world.value(path)), ["1", "1", "1"]);
  world.aheadS = HOUR_S + 1;
  await world.run("cron");
  const none = [undefined, undefined, undefined];
  assertEquals(TEMPORARIES.map((path) => world.value(path)), none);
  assertThrows(() => Deno.lstatSync(unit), Deno.errors.NotFound);
});

Deno.test("cron keeps temporary links that may be in use, however old their stamp", async () => {
  using world = tombstones(0);
  const [path = ""] = TEMPORARIES.map((each) => `${world.marsDir}/${each}`);
  Deno.symlinkSync("1", path);
  command("touch", "-h", "-d", "@1", path);
  assertEquals(Deno.lstatSync(path).mtime, new Date(1_000));
  await world.run("cron");
  assertEquals(Deno.readLinkSync(path), "1");
});

const there = (world: TreeWorld, paths: readonly string[]): string[] =>
  paths.filter((path) => {
    try {
      return Deno.lstatSync(`${world.marsDir}/${path}`).isDirectory;
    } catch {
      return false;
    }
  });

Deno.test("cron removes backups when they are too old, and probes", async () => {
  using world = tombstones(0);
  const nowS = Math.floor(Date.now() / 1_000);
  const paths = [
    `backups-${nowS - 8 * 24 * HOUR_S}`,
    `backups-${nowS - 6 * 24 * HOUR_S}`,
    "probe-alpha",
    "backups-mine",
  ];
  for (const path of paths) {
    Deno.mkdirSync(`${world.marsDir}/${path}/ips`, { recursive: true });
  }
  await world.run("cron");
  assertEquals(there(world, paths), paths.slice(1));
  world.aheadS = 2 * HOUR_S;
  await world.run("cron", "--keep-backups=0");
  assertEquals(there(world, paths), ["backups-mine"]);
});

Deno.test("cron keeps a backup for an hour, whatever it is told", async () => {
  using world = tombstones(0);
  const path = `backups-${Math.floor(Date.now() / 1_000) - 60}`;
  Deno.mkdirSync(`${world.marsDir}/${path}`);
  await world.run("cron", "--keep-backup-hours=0");
  assertEquals(there(world, [path]), [path]);
});

Deno.test("cron deletes old links of hosts at the top only where it is told to", async () => {
  using world = tombstones(0);
  world.link({ "alive-beta": "1", "tree-beta": "0.1", "treetop": "mine" });
  await world.run("cron");
  assertEquals(world.value("alive-beta"), "1");
  world.link({ "actual-alpha/compat-alivelinks": "0" });
  await world.run("cron");
  assertEquals(world.value("alive-beta"), ".deleted");
  assertEquals(world.value("tree-beta"), ".deleted");
  assertEquals(world.value("treetop"), "mine");
});

Deno.test("cron removes work items of hosts that nobody knows", async () => {
  using world = tombstones(0);
  const old = {
    "todo-global/deleted-gone": "1",
    "resource-r/todo-gone/deleted-gone": "1",
    "todo-global/deleted-beta": "1",
  };
  world.link(old, HOUR_S + 60);
  await world.run("cron");
  assertEquals(
    Object.keys(old).map((path) => world.value(path)),
    [undefined, undefined, "1"],
  );
});

Deno.test("cron removes empty directories of hosts that left, and of dead resources", async () => {
  using world = tombstones(0);
  const paths = [
    "resource-r/todo-gone",
    "resource-r/todo-beta",
    "resource-r/userspace",
    "resource-x/actual-gone",
    "resource-x",
  ];
  for (const path of paths) {
    Deno.mkdirSync(`${world.marsDir}/${path}`, { recursive: true });
  }
  await world.run("cron");
  assertEquals(there(world, paths), paths, "somebody may be filling them");
  world.aheadS = HOUR_S + 60;
  await world.run("cron");
  await world.run("cron");
  assertEquals(there(world, paths), [
    "resource-r/todo-beta",
    "resource-r/userspace",
  ]);
});

Deno.test("link-purge-all purges one resource", async () => {
  using world = tombstones(0);
  await world.run("link-purge-all", "r");
  assertEquals(left(world), PATHS.slice(0, 2));
});
