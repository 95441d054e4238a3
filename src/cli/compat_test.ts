/** Names that scripts of other tools call. */
import { assertEquals, assertRejects } from "@std/assert";
import { TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError } from "../base/errors.ts";

const HARMLESS = [
  "syncer check-resize get-gi show-gi outdate adjust",
  "create-md dump-md dump new-current-uuid",
].join(" ").split(" ");

Deno.test("Names without a meaning say why, and do nothing", async () => {
  using world = new TreeWorld();
  for (const name of HARMLESS) {
    const { printed, warned } = await world.run(name, "r", "--force");
    assertEquals(warned, []);
    assertEquals(printed.length, 1);
    assertEquals(
      /^[a-z-]+: (Ignored|Makes no sense): ./.test(`${printed}`),
      true,
    );
  }
});

Deno.test("Harmful names are refused and say what to type", async () => {
  using world = new TreeWorld();
  await assertRejects(
    () => world.run("invalidate-remote", "r"),
    RefusedError,
    "type invalidate there",
  );
});

Deno.test("hidden-commands prints the names that help leaves out", async () => {
  using world = new TreeWorld();
  const { printed } = await world.run("hidden-commands");
  const names = printed.map((line) => line.split(" ")[0]);
  for (const name of [...HARMLESS, "set-sync-limit-value"]) {
    assertEquals(names.includes(name), true, name);
  }
});
