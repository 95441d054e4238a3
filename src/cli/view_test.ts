/** The view of a tree on disk; the lines themselves: `view_text_test.ts`. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { UsageError } from "../base/errors.ts";
import { runCommand } from "./run.ts";

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/replay-alpha": "log-000000001-alpha,100,0",
    "resource-r/replay-beta": "log-000000001-alpha,100,0",
  });
  world.log(1, "alpha", 100, 0);
  return world;
}

const LINE = "  r [2/2] UpToDate ModuleNotLoaded dCASFR Primary alpha";

Deno.test("view puts a header before each resource of a list", async () => {
  using world = cluster();
  const header = "--------- resource r 1.000 MiB [2/2]";
  assertEquals((await world.run("view")).printed, [header, LINE]);
  assertEquals((await world.run("view", "all")).printed, [header, LINE]);
  assertEquals((await world.run("view", "r")).printed, [LINE]);
});

Deno.test("view warns where there is nothing to see", async () => {
  using world = cluster();
  world.link({ "resource-r/device-alpha": ".deleted" });
  const { printed, warned } = await world.run("view");
  assertEquals(printed, []);
  assertEquals(warned, ['WARNING: "alpha" takes part in no resource']);
  await assertRejects(() => world.run("view", "x"), UsageError, "there are: r");
});

Deno.test("view needs no shim", async () => {
  using world = cluster();
  const printed: string[] = [];
  await runCommand(world.commandLine(["view", "r"]), {
    print: (line) => printed.push(line),
    warn: (line) => printed.push(line),
    openShim: () => {
      throw new Error("not for view");
    },
    color: false,
  });
  assertEquals(printed, [LINE]);
});

Deno.test("view colours words only when told", async () => {
  using world = cluster();
  const printed: string[] = [];
  await runCommand(world.commandLine(["view", "r"]), {
    print: (line) => printed.push(line),
    warn: (line) => printed.push(line),
    openShim: () => {
      throw new Error("not for view");
    },
    color: true,
  });
  const red = Deno.noColor ? "" : "\u001b[31m";
  assertEquals(printed.join().includes(`${red}ModuleNotLoaded`), true);
});

Deno.test("view --json is one document with a schema number", async () => {
  using world = cluster();
  const stamps = "1800000000.000000000 1800000000.000000005";
  world.link({
    "resource-r/acknowledge": "durable",
    "resource-r/actual-beta/msg-err-replay-stop": `${stamps} damaged`,
  });
  const { printed } = await world.run("view", "--json");
  assertEquals(printed.length, 1);
  const document = JSON.parse(printed.join());
  assertEquals(
    [document.schema, document.host, document.cluster],
    [1, "alpha", "alpha_1.000000000"],
  );
  const [resource] = document.resources;
  assertEquals(
    [resource.resource, resource.disk, resource.role, resource.acknowledge],
    ["r", "UpToDate", "Primary", "durable"],
  );
  assertEquals(resource.amounts.work, {
    doneBytes: 100,
    sizeBytes: 100,
    restBytes: 0,
    sequence: 1,
  });
  assertEquals(resource.members[1].replay, {
    log: "log-000000001-alpha",
    bytes: 100,
    dirtyBytes: 0,
  });
  assertEquals(resource.obstacles, [{
    host: "beta",
    key: "err-replay-stop",
    severity: "error",
    text: "damaged",
    since: "1800000000.000000005",
  }]);
});
