/** What every command that changes something looks at first. */
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { parseCommandLine, settingsOf } from "./options.ts";

const REAL = Deno.env.get("MARS_HOST") ?? Deno.hostname().split(".")[0] ?? "";

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  return world;
}

Deno.test("Commands that change something want a cluster", async () => {
  using world = cluster();
  world.link({ uuid: ".deleted" });
  await assertRejects(
    () => world.run("detach", "r", "--timeout=0"),
    RefusedError,
    "type create-cluster or join-cluster",
  );
  // Those that only look do not.
  await world.run("view", "r");
});

Deno.test("Commands want a directory", async () => {
  using world = cluster();
  Deno.removeSync(world.marsDir, { recursive: true });
  Deno.writeTextFileSync(world.marsDir, "");
  await assertRejects(
    () => world.run("pause-fetch", "r"),
    MarsError,
    "is no directory",
  );
  Deno.removeSync(world.marsDir);
  await assertRejects(
    () => world.run("create-cluster", "--ip=10.0.0.1"),
    MarsError,
    "--mars-dir",
  );
});

Deno.test("A newer tree is refused, but not by commands of the cluster", async () => {
  using world = cluster();
  for (const version of ["0.2", "0.10", "1.0", "new"]) {
    world.link({ "actual-alpha/tree": version });
    await assertRejects(
      () => world.run("pause-fetch", "r"),
      RefusedError,
      `it has version "${version}"`,
    );
  }
  await world.run("wait-cluster", "--window=0");
});

Deno.test("An older tree is only told", async () => {
  using world = cluster();
  world.link({ "actual-alpha/tree": "0.0" });
  const { warned } = await world.run("pause-fetch", "r");
  assertStringIncludes(warned.join(), 'tree version "0.0"');
  assertEquals(world.value("resource-r/todo-alpha/connect"), "0");
});

Deno.test("--host acts as another host, and says so", async () => {
  using world = cluster();
  world.link({ [`ips/ip-${REAL}`]: "10.0.0.9" });
  const { warned } = await world.run("pause-fetch", "r");
  assertEquals(warned[0], `WARNING: "${REAL}" acts as "alpha"`);
  assertEquals(world.value("resource-r/todo-alpha/connect"), "0");
});

Deno.test("--host must be a host of the cluster", async () => {
  using world = cluster();
  world.link({ [`ips/ip-${REAL}`]: "10.0.0.9", "ips/ip-alpha": ".deleted" });
  await assertRejects(
    () => world.run("pause-fetch", "r"),
    RefusedError,
    'the cluster has no such host; its hosts are "beta"',
  );
});

Deno.test("Names of hosts have no dots and no meaning", () => {
  for (const name of ["a.b", "localhost", "all", "x".repeat(64)]) {
    assertThrows(
      () => settingsOf(parseCommandLine([`--host=${name}`])),
      UsageError,
      `Cannot use "${name}" as host name`,
    );
  }
});
