/** Guests of a resource, on a tree without a daemon. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";

/** Resource `g` of beta, beside `r`. */
function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-g/size": "1048576",
    "resource-g/data-beta": "/dev/null",
    "resource-g/device-beta": "g",
  });
  return world;
}

Deno.test("activate-guest takes part without a disk", async () => {
  using world = cluster();
  await world.run("activate-guest", "g");
  assertEquals(world.value("resource-g/device-alpha"), "g");
  assertEquals(world.value("resource-g/actual-alpha/if-on"), "0");
  assertEquals(world.value("resource-g/data-alpha"), undefined);
  const again = await world.run("activate-guest", "g");
  assertEquals(again.printed, ['"alpha" takes part in "g" already']);
});

Deno.test("activate-guest leaves a member what it is", async () => {
  using world = cluster();
  world.link({ "resource-r/device-alpha": "other" });
  await world.run("activate-guest", "r");
  assertEquals(world.value("resource-r/device-alpha"), "other");
});

Deno.test("activate-guest wants a resource that somebody knows", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("activate-guest", "nowhere"),
    MarsError,
    "it is not known here",
  );
  await assertRejects(() => world.run("activate-guest", "a/b"), UsageError);
  assertEquals(world.value("resource-nowhere/device-alpha"), undefined);
});

Deno.test("deactivate-guest leaves tombstones", async () => {
  using world = cluster();
  await world.run("activate-guest", "g");
  await world.run("deactivate-guest", "g");
  assertEquals(world.value("resource-g/device-alpha"), ".deleted");
  assertEquals(world.value("resource-g/actual-alpha/if-on"), ".deleted");
  const again = await world.run("deactivate-guest", "g");
  assertEquals(again.printed, ['"alpha" takes no part in "g"']);
});

Deno.test("deactivate-guest refuses a member", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("deactivate-guest", "r"),
    RefusedError,
    "leave-resource",
  );
  assertEquals(world.value("resource-r/device-alpha"), "r");
});
