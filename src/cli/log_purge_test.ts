/** log-purge-all on a tree without a daemon. */
import { assertEquals } from "@std/assert";
import { OLD_S, version } from "../../tests/support/log_world.ts";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";

/**
 * A split brain that has been resolved: both had log 3 of beta; alpha went on
 * in 4 and 5 of its own, and has now joined beta, which is in its log 5.
 */
function resolved(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/primary": "beta",
    "resource-r/actual-alpha/is-primary": "0",
    "resource-r/actual-beta/is-primary": "1",
    "resource-r/replay-alpha": "log-000000005-beta,0,0",
    "resource-r/replay-beta": "log-000000005-beta,50,0",
    "resource-r/version-000000003-alpha": version([3, "beta"]),
    "resource-r/version-000000004-alpha": version([4, "alpha"], [3, "beta"]),
    "resource-r/version-000000004-beta": version([4, "beta"], [3, "beta"]),
    "resource-r/version-000000005-beta": version([5, "beta"], [4, "beta"]),
  }, OLD_S);
  for (const [sequence, host] of ALL) world.log(sequence, host, 10, OLD_S);
  return world;
}

const ALL = [
  [3, "beta"],
  [4, "alpha"],
  [4, "beta"],
  [5, "alpha"],
  [5, "beta"],
] as const;
const NAMES = ALL.map(([sequence, host]) => `log-00000000${sequence}-${host}`);
const OWN = NAMES.filter((name) => name.endsWith("alpha"));
const OTHERS = NAMES.filter((name) => name.endsWith("beta"));

Deno.test("log-purge-all removes the lost side of a split brain", async () => {
  using world = resolved();
  const { printed } = await world.run("log-purge-all", "r");
  assertEquals(world.files(), OTHERS);
  assertEquals(printed, ['"r": purged 2 logs, 20 B']);
  assertEquals(world.value("resource-r/version-000000004-alpha"), ".deleted");
  assertEquals(
    world.value("resource-r/version-000000003-alpha"),
    version([3, "beta"]),
  );
});

Deno.test("log-purge-all keeps both sides while anybody is on them", async () => {
  using world = resolved();
  world.link({ "resource-r/replay-gamma": "log-000000004-alpha,3,0" });
  await world.run("log-purge-all", "r", "--force");
  assertEquals(world.files(), NAMES.filter((name) => name !== OWN[1]));
});

Deno.test("log-purge-all keeps both sides while anybody may choose", async () => {
  using world = resolved();
  world.link({ "resource-r/replay-gamma": "log-000000003-beta,3,0" });
  await world.run("log-purge-all", "r");
  assertEquals(world.files().includes("log-000000004-alpha"), true);
});

Deno.test("log-purge-all keeps what a primary has just begun", async () => {
  using world = resolved();
  world.log(6, "beta", 0, OLD_S);
  world.link({ "resource-r/primary": "alpha" });
  world.link({ "resource-r/replay-alpha": "log-000000004-alpha,3,0" });
  await world.run("log-purge-all", "r", "--force");
  assertEquals(world.files(), [...NAMES, "log-000000006-beta"]);
});

Deno.test("log-purge-all keeps young logs, unless forced", async () => {
  using world = resolved();
  world.log(5, "alpha", 10, 0);
  await world.run("log-purge-all", "r");
  assertEquals(world.files(), NAMES.filter((name) => name !== OWN[0]));
  await world.run("log-purge-all", "r", "--force");
  assertEquals(world.files(), OTHERS);
});

Deno.test("log-purge-all leaves logs of others alone, unless forced", async () => {
  using world = resolved();
  world.log(4, "gamma", 10, OLD_S);
  await world.run("log-purge-all", "r");
  assertEquals(world.files().includes("log-000000004-gamma"), true);
  await world.run("log-purge-all", "r", "--force");
  assertEquals(world.files(), OTHERS);
});

Deno.test("log-purge-all purges nothing while a position is unknown", async () => {
  using world = resolved();
  world.link({ "resource-r/replay-beta": "garbage" });
  await world.run("log-purge-all", "r", "--force");
  assertEquals(world.files(), NAMES);
});

Deno.test("log-purge-all purges everything where nobody is a member", async () => {
  using world = resolved();
  for (const host of ["alpha", "beta"]) {
    world.link({
      [`resource-r/data-${host}`]: ".deleted",
      [`resource-r/replay-${host}`]: ".deleted",
    });
  }
  await world.run("log-purge-all", "r");
  assertEquals(world.files(), OTHERS);
});
