/** Joining on a tree without a daemon; beta is the host that is met. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { systemClock } from "../base/time.ts";
import { makeIdentity } from "../peer/identity.ts";
import { createToken } from "../peer/token.ts";
import { TrustStore } from "../peer/trust.ts";

const OWN = "--ip=10.0.0.1";

/** A host without a cluster that trusts `hosts`. */
async function trusting(...hosts: string[]): Promise<TreeWorld> {
  const world = new TreeWorld();
  const etc = `${world.directory}/etc`;
  Deno.mkdirSync(etc, { recursive: true });
  const store = await TrustStore.load(etc);
  for (const host of hosts) store.add((await makeIdentity(host)).publicKeyLine);
  return world;
}

/** A token of beta, at a port where nobody listens. */
async function deadToken(world: TreeWorld): Promise<string> {
  const token = await createToken({
    etcDir: `${world.directory}/other-etc`,
    identity: await makeIdentity("beta"),
    address: { hostname: "127.0.0.1", port: 1 },
    clock: systemClock,
  });
  return `--token=${token}`;
}

function stampS(world: TreeWorld, path: string): number | undefined {
  const time = Deno.lstatSync(`${world.marsDir}/${path}`).mtime?.getTime();
  return time === undefined ? undefined : time / 1000;
}

Deno.test("A join by known keys writes what loses against any other link", async () => {
  using world = await trusting("beta");
  const { printed } = await world.run(
    "join-cluster",
    "beta",
    "[fe80::2]:7001",
    OWN,
  );
  assertEquals(world.value("uuid"), "(any)");
  assertEquals(world.value("ips/ip-beta"), "[fe80::2]:7001");
  assertEquals(stampS(world, "uuid"), 1);
  assertEquals(stampS(world, "ips/ip-beta"), 1);
  assertEquals(world.value("ips/ip-alpha"), "10.0.0.1");
  assertStringIncludes(printed.join("\n"), "No daemon runs here");
});

Deno.test("A join may be typed again, and takes the place of a tombstone", async () => {
  using world = await trusting("beta");
  world.link({ "ips/ip-beta": ".deleted", uuid: ".deleted" });
  const words = ["join-cluster", "beta", "10.0.0.2", OWN];
  await world.run(...words);
  await world.run(...words);
  assertEquals(world.value("ips/ip-beta"), "10.0.0.2");
  assertEquals(stampS(world, "ips/ip-beta"), 1);
  assertEquals(world.value("uuid"), "(any)");
});

Deno.test("A join takes the address from --ip-PEER", async () => {
  using world = await trusting("beta");
  await world.run("join-cluster", "beta", "--ip-beta=10.0.0.7", OWN);
  assertEquals(world.value("ips/ip-beta"), "10.0.0.7");
});

Deno.test("A join keeps the address that is known", async () => {
  using world = await trusting("beta");
  world.link({ "ips/ip-beta": "10.0.0.2" });
  await world.run("join-cluster", "beta", OWN);
  assertEquals(world.value("ips/ip-beta"), "10.0.0.2");
  await assertRejects(
    () => world.run("join-cluster", "beta", "10.0.0.9", OWN),
    RefusedError,
    'has address "10.0.0.2" here, not "10.0.0.9"',
  );
});

Deno.test("A join wants trust, and says how to get it", async () => {
  using world = await trusting();
  for (const words of [[], ["beta"], ["beta", "10.0.0.2"]]) {
    await assertRejects(
      () => world.run("join-cluster", ...words, OWN),
      UsageError,
      "type mars token create on a member, then --token=TOKEN here",
    );
  }
  assertEquals(world.value("uuid"), undefined);
});

Deno.test("A join refuses the own name and what is no name", async () => {
  using world = await trusting("beta");
  await assertRejects(
    () => world.run("join-cluster", "alpha", "10.0.0.2", OWN),
    RefusedError,
    "it is this host",
  );
  for (const words of [["a.b"], ["all"], ["beta", "10.0.0"]]) {
    await assertRejects(
      () => world.run("join-cluster", ...words, OWN),
      UsageError,
    );
  }
});

Deno.test("A host with resources of its own joins nobody, unless forced", async () => {
  using world = await trusting("beta");
  world.link({ "resource-r/size": "1048576", "resource-gone/maxnr": "3" });
  const words = ["join-cluster", "beta", "10.0.0.2", OWN];
  await assertRejects(
    () => world.run(...words),
    RefusedError,
    "resources of its own: r",
  );
  await world.run(...words, "--force");
  assertEquals(world.value("uuid"), "(any)");
});

Deno.test("A token is for its maker, and a dead maker is named", async () => {
  using world = await trusting();
  const token = await deadToken(world);
  await assertRejects(
    () => world.run("join-cluster", "gamma", token, OWN),
    UsageError,
    'the token is one of "beta"',
  );
  await assertRejects(
    () => world.run("join-cluster", token, OWN),
    MarsError,
    'does the daemon of "beta" run? If it is elsewhere, type --ip-beta=',
  );
  assertEquals(world.value("uuid"), undefined);
  assertEquals(world.value("ips/ip-beta"), undefined);
});

Deno.test("A dry run of a join uses nothing up", async () => {
  using world = await trusting();
  const token = await deadToken(world);
  const { printed } = await world.run(
    "join-cluster",
    token,
    OWN,
    "--dry-run",
  );
  assertStringIncludes(printed.join("\n"), 'meet "beta" with its token');
  assertEquals(world.value("ips/ip-alpha"), undefined);
});

Deno.test("A merge wants a cluster, another host, trust and a daemon", async () => {
  using world = await trusting("beta");
  await assertRejects(
    () => world.run("merge-cluster", "beta", "10.0.0.2"),
    RefusedError,
    "belongs to no cluster",
  );
  world.link(clusterLinks());
  for (
    const [words, message] of [
      [["alpha"], "the peer is this host"],
      [["beta", "10.0.0.9"], 'has address "127.0.0.1" here'],
      [["gamma", "10.0.0.3"], "without trust"],
      [["beta"], "no daemon runs here"],
    ] as const
  ) {
    for (const command of ["merge-cluster", "merge-cluster-check"]) {
      await assertRejects(
        () => world.run(command, ...words),
        MarsError,
        message,
      );
    }
  }
  assertEquals(world.value("uuid"), "alpha_1.000000000");
});

Deno.test("merge-cluster-list tells cluster, hosts and resources", async () => {
  using world = new TreeWorld();
  const empty = await world.run("merge-cluster-list");
  assertEquals(empty.printed, ["uuid: (none)"]);
  world.link(clusterLinks());
  const { printed } = await world.run("merge-cluster-list");
  assertEquals(printed, [
    "uuid: alpha_1.000000000",
    "ip: alpha 127.0.0.1",
    "ip: beta 127.0.0.1",
    "resource: r",
  ]);
});
