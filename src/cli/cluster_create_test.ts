/** New clusters, and the addresses of their hosts, on a tree without a daemon. */
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError, UsageError } from "../base/errors.ts";

Deno.test("create-cluster writes all that a first member has", async () => {
  using world = new TreeWorld();
  const { printed } = await world.run("create-cluster", "--ip=10.0.0.1");
  const uuid = world.value("uuid") ?? "";
  assertMatch(uuid, /^alpha_\d+\.\d{9}$/);
  assertEquals(printed, [`Created cluster "${uuid}"`]);
  assertEquals(world.value("ips/ip-alpha"), "10.0.0.1");
  assertEquals(world.value("actual-alpha/marsadm-version"), "2.9");
  assertEquals(world.value("defaults-alpha/sync-limit"), "0");
  assertEquals(world.value("defaults-alpha/sync-pref-list"), "(none)");
  const directories = [...Deno.readDirSync(world.marsDir)]
    .filter((entry) => entry.isDirectory).map(({ name }) => name).sort();
  assertEquals(directories, [
    "actual-alpha",
    "defaults",
    "defaults-alpha",
    "ips",
    "todo-global",
    "userspace",
  ]);
});

for (
  const [given, stored] of [
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.1:7000", "10.0.0.1:7000"],
    ["fe80::1", "fe80::1"],
    ["[fe80::1]:7000", "[fe80::1]:7000"],
    ["[fe80::1]", "fe80::1"],
  ] as const
) {
  Deno.test(`create-cluster takes ${given} as its address`, async () => {
    using world = new TreeWorld();
    await world.run("create-cluster", `--ip=${given}`);
    assertEquals(world.value("ips/ip-alpha"), stored);
  });
}

Deno.test("create-cluster adds the port of a daemon that has its own", async () => {
  using world = new TreeWorld();
  await world.run("create-cluster", "--ip=fe80::1", "--port=7001");
  assertEquals(world.value("ips/ip-alpha"), "[fe80::1]:7001");
});

Deno.test("create-cluster refuses where there is a cluster, also with --force", async () => {
  using world = new TreeWorld();
  world.link(clusterLinks());
  for (const command of ["create-cluster", "force-create-cluster"]) {
    await assertRejects(
      () => world.run(command, "--ip=10.0.0.1"),
      RefusedError,
      'this host belongs to "alpha_1.000000000" already',
    );
  }
  assertEquals(world.value("ips/ip-alpha"), "127.0.0.1");
});

Deno.test("create-cluster wants no addresses of others, unless forced", async () => {
  using world = new TreeWorld();
  world.link({ "ips/ip-beta": "10.0.0.2" });
  await assertRejects(
    () => world.run("create-cluster", "--ip=10.0.0.1"),
    RefusedError,
    "beta",
  );
  assertEquals(world.value("uuid"), undefined);
  await world.run("create-cluster", "--ip=10.0.0.1", "--force");
  assertEquals(world.value("ips/ip-beta"), "10.0.0.2");
});

Deno.test("create-cluster refuses an address that is none", async () => {
  using world = new TreeWorld();
  await assertRejects(
    () => world.run("create-cluster", "--ip=10.0.0"),
    UsageError,
    "--ip=ADDRESS",
  );
  assertEquals(world.value("uuid"), undefined);
});

Deno.test("create-uuid names a cluster that has no name", async () => {
  using world = new TreeWorld();
  await world.run("create-uuid");
  assertMatch(world.value("uuid") ?? "", /^alpha_/);
  await assertRejects(() => world.run("create-uuid"), RefusedError);
});

Deno.test("A join that waits for its cluster is no cluster", async () => {
  using world = new TreeWorld();
  world.link({ uuid: "(any)" });
  await world.run("create-cluster", "--ip=10.0.0.1");
  assertMatch(world.value("uuid") ?? "", /^alpha_/);
});

Deno.test("lowlevel-ls-host-ips prints hosts and addresses", async () => {
  using world = new TreeWorld();
  world.link({ ...clusterLinks(), "ips/ip-beta": "[fe80::2]:7000" });
  world.link({ "ips/ip-gone": ".deleted" });
  const { printed, warned } = await world.run("lowlevel-ls-host-ips");
  assertEquals(printed, ["alpha 127.0.0.1", "beta [fe80::2]:7000"]);
  assertStringIncludes(warned.join(), "for experts");
});

Deno.test("lowlevel-set-host-ip sets an address", async () => {
  using world = new TreeWorld();
  world.link(clusterLinks());
  await world.run("lowlevel-set-host-ip", "beta", "10.0.0.7:7000");
  assertEquals(world.value("ips/ip-beta"), "10.0.0.7:7000");
  await world.run("lowlevel-set-host-ip", "gamma", "--ip-gamma=fe80::3");
  assertEquals(world.value("ips/ip-gamma"), "fe80::3");
  // The address that is known is written again, and beats older ones.
  await world.run("lowlevel-set-host-ip", "gamma");
  assertEquals(world.value("ips/ip-gamma"), "fe80::3");
});

Deno.test("lowlevel-set-host-ip takes an address from the newest backup", async () => {
  using world = new TreeWorld();
  world.link(clusterLinks());
  for (const [epoch, address] of [["5", "10.0.0.5"], ["40", "10.0.0.40"]]) {
    const directory = `${world.marsDir}/backups-${epoch}/ips-backup`;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.symlinkSync(address ?? "", `${directory}/ip-gone-host`);
  }
  await world.run("lowlevel-set-host-ip", "gone-host");
  assertEquals(world.value("ips/ip-gone-host"), "10.0.0.40");
});

Deno.test("lowlevel-set-host-ip refuses what is no address or no host", async () => {
  using world = new TreeWorld();
  world.link(clusterLinks());
  for (
    const [words, message] of [
      [["beta", "10.0.0"], "expected ADDRESS"],
      [["all", "10.0.0.1"], "as host name"],
      [["no-such-host.invalid"], "as host name"],
      [["no-such-host"], "--ip-no-such-host=ADDRESS"],
    ] as const
  ) {
    await assertRejects(
      () => world.run("lowlevel-set-host-ip", ...words),
      UsageError,
      message,
    );
  }
  assertEquals(world.value("ips/ip-beta"), "127.0.0.1");
});

Deno.test("lowlevel-delete-host leaves a tombstone", async () => {
  using world = new TreeWorld();
  world.link(clusterLinks());
  const { warned } = await world.run("lowlevel-delete-host", "beta");
  assertEquals(world.value("ips/ip-beta"), ".deleted");
  assertStringIncludes(warned.join("\n"), "still a member of r");
  await assertRejects(
    () => world.run("lowlevel-delete-host", "beta"),
    UsageError,
    'No host "beta"; there are: alpha',
  );
  await world.run("lowlevel-delete-host", "gamma", "--force");
  assertEquals(world.value("ips/ip-gamma"), ".deleted");
  await assertRejects(
    () => world.run("lowlevel-delete-host", "alpha"),
    RefusedError,
    "it is this host; type leave-cluster",
  );
  assertEquals(world.value("ips/ip-alpha"), "127.0.0.1");
});
