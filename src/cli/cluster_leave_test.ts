/** Leaving and splitting on a tree without a daemon. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError } from "../base/errors.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { groupsOf } from "./cluster_split.ts";

const REAL = Deno.env.get("MARS_HOST") ?? Deno.hostname().split(".")[0] ?? "";

function cluster(links: Readonly<Record<string, string>> = {}): TreeWorld {
  const world = new TreeWorld();
  world.link({ ...clusterLinks(), ...links });
  return world;
}

Deno.test("leave-cluster refuses a member and a guest, and without a daemon", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("leave-cluster"),
    RefusedError,
    'it takes part in "r"; type leave-resource or deactivate-guest; no daemon',
  );
  world.link({ "resource-r/data-alpha": ".deleted" });
  await assertRejects(
    () => world.run("leave-cluster"),
    RefusedError,
    'it takes part in "r"',
  );
  assertEquals(world.value("ips/ip-alpha"), "127.0.0.1");
});

Deno.test("leave-cluster --force leaves tombstones, for others to hear", async () => {
  using world = cluster();
  await world.run("leave-cluster", "--force");
  for (
    const path of [
      "ips/ip-alpha",
      "actual-alpha/time",
      "todo-global/deleted-alpha",
    ]
  ) assertEquals(world.value(path), ".deleted", path);
  // Whoever has logs keeps everything.
  assertEquals(world.value("uuid"), "alpha_1.000000000");
  assertEquals(world.value("resource-r/data-alpha"), "/dev/null");
});

Deno.test("leave-cluster --host takes out another host", async () => {
  using world = cluster({ [`ips/ip-${REAL}`]: "10.0.0.9" });
  const { warned } = await world.run("leave-cluster", "--force");
  assertEquals(warned[0], `WARNING: "${REAL}" acts as "alpha"`);
  assertEquals(world.value("ips/ip-alpha"), ".deleted");
  assertEquals(world.value(`ips/ip-${REAL}`), "10.0.0.9");
});

Deno.test("leave-cluster --dry-run changes nothing", async () => {
  using world = cluster();
  await world.run("leave-cluster", "--force", "--dry-run");
  assertEquals(world.value("ips/ip-alpha"), "127.0.0.1");
});

Deno.test("groupsOf() puts hosts together that share resources, in any way", () => {
  const links = (...paths: string[]): Snapshot =>
    new Snapshot(
      paths.map((path) => ({ path, value: "10.0.0.1", stampNs: 1n })),
    );
  const hosts = ["a", "b", "c", "d", "e"].map((host) => `ips/ip-${host}`);
  assertEquals(groupsOf(links(...hosts)), [["a"], ["b"], ["c"], ["d"], ["e"]]);
  assertEquals(
    groupsOf(links(
      ...hosts,
      "resource-x/data-a",
      "resource-x/device-b",
      "resource-y/data-b",
      "resource-y/data-d",
      "resource-z/data-e",
      "resource-z/data-gone",
    )),
    [["a", "b", "d"], ["c"], ["e"]],
  );
});

Deno.test("split-cluster splits nothing that hangs together", async () => {
  using world = cluster();
  const { printed } = await world.run("split-cluster", "--window=0");
  assertEquals(printed, [
    "All hosts share resources: there is nothing to split",
  ]);
  assertEquals(world.value("ips/ip-beta"), "127.0.0.1");
});

Deno.test("split-cluster wants trust to all hosts, and a daemon", async () => {
  using world = cluster({ "ips/ip-gamma": "10.0.0.3" });
  await assertRejects(
    () => world.run("split-cluster"),
    RefusedError,
    "no trust between this host and beta, gamma",
  );
  assertEquals(world.value("ips/ip-gamma"), "10.0.0.3");
});
