/** Waiting on a tree without a daemon. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  clusterLinks,
  type Output,
  TreeWorld,
} from "../../tests/support/tree_world.ts";
import { RefusedError, TimeoutError, UsageError } from "../base/errors.ts";
import { sleep } from "../base/time.ts";
import { parseGoal } from "./wait.ts";

/** How often a peer says that it lives. */
const BEAT_MS = 20;

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  return world;
}

Deno.test("parseGoal() takes each way to say a condition", () => {
  const cases: [string, string][] = [
    ["is-attach", "is-attach-on"],
    ["is-attached-off", "is-attach-off"],
    ["attach-on", "todo-attach-on"],
    ["todo-copy", "todo-fetch-on"],
    ["allow-replay-off", "todo-replay-off"],
    ["secondary", "todo-secondary-on"],
    ["is-device-off", "is-device-off"],
  ];
  for (const [text, goal] of cases) assertEquals(parseGoal(text).text, goal);
});

Deno.test("parseGoal() refuses what is no condition", () => {
  for (const text of ["", "is-", "on", "todo-device", "is-attach-maybe"]) {
    assertThrows(
      () => parseGoal(text),
      UsageError,
      `Cannot wait for "${text}"`,
    );
  }
});

Deno.test("wait-resource ends at once when the condition holds", async () => {
  using world = cluster();
  const conditions = ["is-attach", "is-primary-on", "is-secondary-off"];
  conditions.push("todo-sync", "primary", "secondary-off", "is-device-off");
  for (const condition of conditions) {
    await world.run("wait-resource", "r", condition, "--timeout=0");
  }
});

Deno.test("wait-resource gives up and names the condition", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("wait-resource", "r", "is-replay-on", "--timeout=0"),
    TimeoutError,
    'waiting for is-replay-on of "r": it does not hold',
  );
});

Deno.test("wait-resource sees what happens meanwhile", async () => {
  using world = cluster();
  const waiting = world.run("wait-resource", "r", "is-sync", "--timeout=60");
  world.link({ "resource-r/actual-alpha/is-syncing": "1" });
  await waiting;
});

Deno.test("wait-resource refuses where this host is no member", async () => {
  using world = cluster();
  world.link({ "resource-r/data-alpha": ".deleted" });
  await assertRejects(
    () => world.run("wait-resource", "r", "is-attach"),
    RefusedError,
    "this host is no member",
  );
});

/** Runs a wait while beta says again and again that it lives. */
async function whileBetaLives(
  world: TreeWorld,
  ...words: string[]
): Promise<Output> {
  const waiting = world.run(...words);
  let isDone = false;
  void waiting.finally(() => isDone = true);
  while (!isDone) {
    world.link({ "actual-beta/time": "2.000000000" });
    await sleep(BEAT_MS);
  }
  return await waiting;
}

for (const command of ["wait-cluster", "wait-connect", "update-cluster"]) {
  Deno.test(`${command} counts who was heard of and who is dead`, async () => {
    using world = cluster();
    world.link({ "ips/ip-gamma": "127.0.0.1" });
    world.link({ "actual-gamma/time": "1.000000000" }, 600);
    const output = await whileBetaLives(world, command, "--window=1");
    assertEquals(output.printed, ["1/2 peer(s) seem to be alive"]);
    assertEquals(output.warned, [
      "WARNING: no daemon runs here that could hear of peers; start it",
      'WARNING: "gamma" seems to be dead',
    ]);
  });
}

Deno.test("wait-cluster RES waits for members and guests only", async () => {
  using world = cluster();
  world.link({ "ips/ip-gamma": "127.0.0.1" });
  const output = await whileBetaLives(world, "wait-cluster", "r");
  assertEquals(output.printed, ["1/1 peer(s) seem to be alive"]);
});

Deno.test("wait-cluster --force waits for the living only, and succeeds", async () => {
  using world = cluster();
  world.link({ "ips/ip-gamma": "127.0.0.1" });
  world.link({ "actual-gamma/time": "1.000000000" }, 600);
  const output = await whileBetaLives(world, "wait-cluster", "--force");
  assertEquals(output.printed, ["1/2 peer(s) seem to be alive"]);
  // Also where the living give no sign.
  const late = await world.run("wait-cluster", "--force", "--timeout=0");
  assertEquals(late.printed, ["0/2 peer(s) seem to be alive"]);
});

Deno.test("wait-cluster gives up and names who is unknown", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("wait-cluster", "--timeout=0"),
    TimeoutError,
    '"beta" was not heard of',
  );
});

Deno.test("wait-cluster leaves out hosts that left, unless told not to", async () => {
  using world = cluster();
  world.link({ "ips/ip-beta": ".deleted" });
  const few = await world.run("wait-cluster", "r", "--window=1");
  assertEquals(few.printed, ["0/0 peer(s) seem to be alive"]);
  const all = await world.run(
    "wait-cluster",
    "r",
    "--window=1",
    "--ignore-deleted-peers=0",
  );
  assertEquals(all.printed, ["0/1 peer(s) seem to be alive"]);
});

Deno.test("wait-umount ends when nobody has the device open", async () => {
  using world = cluster();
  const count = "resource-r/actual-beta/open-count";
  world.link({ [count]: "2" });
  await assertRejects(
    () => world.run("wait-umount", "r", "--timeout=0"),
    TimeoutError,
    'open 2 times on "beta"',
  );
  world.link({ [count]: "0" });
  await world.run("wait-umount", "r", "--timeout=0");
});

Deno.test("wait-umount does not wait for a dead host", async () => {
  using world = cluster();
  world.link({ "resource-r/actual-beta/open-count": "2" });
  world.link({ "actual-beta/time": "1.000000000" });
  await sleep(BEAT_MS);
  await world.run("wait-umount", "r", "--timeout=0", "--window=0");
});
