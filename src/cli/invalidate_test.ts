/** invalidate on a tree without a daemon; alpha is the host that gives up. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError } from "../base/errors.ts";
import { versionText } from "../resource/history.ts";

const log = (sequence: number, host: string) => ({ sequence, host });
const V1 = versionText({ log: log(1, "alpha"), bytes: 100 }, undefined);
/** Both know log 2 of alpha, but beta went on before its end. */
const V2_ALPHA = versionText({ log: log(2, "alpha"), bytes: 90 }, V1);
const V2_BETA = versionText({ log: log(2, "alpha"), bytes: 70 }, V1);
const V3_BETA = versionText({ log: log(3, "beta"), bytes: 50 }, V2_BETA);

function splitBrain(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/primary": "beta",
    "resource-r/actual-alpha/is-primary": "0",
    "resource-r/actual-beta/is-primary": "1",
    "resource-r/syncpos-alpha": "log-000000001-alpha,5,0",
    "resource-r/replay-alpha": "log-000000002-alpha,90,0",
    "resource-r/replay-beta": "log-000000003-beta,40,10",
    "resource-r/version-000000001-alpha": V1,
    "resource-r/version-000000001-beta": V1,
    "resource-r/version-000000002-alpha": V2_ALPHA,
    "resource-r/version-000000002-beta": V2_BETA,
    "resource-r/version-000000003-beta": V3_BETA,
  });
  world.log(1, "alpha", 100, 0);
  world.log(2, "alpha", 90, 0);
  return world;
}

Deno.test("invalidate begins again where the primary is", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  assertEquals(
    world.value("resource-r/replay-alpha"),
    "log-000000003-beta,0,0",
  );
  assertEquals(world.value("resource-r/syncstatus-alpha"), "0");
  assertEquals(world.value("resource-r/syncpos-alpha"), ".deleted");
  assertEquals(world.value("resource-r/todo-alpha/attach"), "1");
});

Deno.test("invalidate takes the history of the primary for its own", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  const version = (sequence: number): string | undefined =>
    world.value(`resource-r/version-00000000${sequence}-alpha`);
  assertEquals([version(1), version(2), version(3)], [V1, V2_BETA, V3_BETA]);
});

Deno.test("invalidate deletes logs that the primary has otherwise", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  assertEquals(world.files(), ["log-000000001-alpha"]);
});

Deno.test("invalidate forgets a version behind that of the primary", async () => {
  using world = splitBrain();
  const behind = { log: log(4, "alpha"), bytes: 1 };
  world.link({ "resource-r/version-000000004-alpha": versionText(behind, "") });
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/version-000000004-alpha"), ".deleted");
});

Deno.test("invalidate says durably that the copy is bad before logs go", async () => {
  using world = splitBrain();
  const seen: (string | undefined)[] = [];
  await world.runWith((shim) => ({
    ...shim,
    mars_filesystem_flush: (fd) => {
      seen.push(
        world.value("resource-r/syncstatus-alpha"),
        world.files().join(" "),
      );
      return shim.mars_filesystem_flush(fd);
    },
  }), ["invalidate", "r"]);
  assertEquals(seen, ["0", "log-000000001-alpha log-000000002-alpha"]);
});

Deno.test("invalidate may be typed again after it was stopped", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  const before = world.value("resource-r/version-000000003-alpha");
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/version-000000003-alpha"), before);
  assertEquals(world.files(), ["log-000000001-alpha"]);
});

for (
  const [what, links] of [
    ["a primary", { "resource-r/actual-alpha/is-primary": "1" }],
    ["a designated primary", { "resource-r/primary": "alpha" }],
    ["a host while nobody is primary", { "resource-r/primary": "(none)" }],
    ["a host that does not know where the primary is", {
      "resource-r/replay-beta": ".deleted",
    }],
  ] as const
) {
  Deno.test(`invalidate refuses ${what}, also with --force`, async () => {
    using world = splitBrain();
    world.link(links);
    await assertRejects(
      () => world.run("invalidate", "r", "--force"),
      RefusedError,
    );
    assertEquals(world.value("resource-r/syncstatus-alpha"), "1048576");
    assertEquals(world.value("resource-r/todo-alpha/attach"), "1");
    assertEquals(world.files().length, 2);
  });
}

Deno.test("invalidate --dry-run changes nothing", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r", "--dry-run");
  assertEquals(world.value("resource-r/syncstatus-alpha"), "1048576");
  assertEquals(world.files().length, 2);
});
