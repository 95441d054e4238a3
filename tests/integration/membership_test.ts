/** Real daemons: hosts come into a cluster, clusters become one, hosts leave. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { fakeSsh } from "../support/ssh.ts";

/** Starts daemons; no cluster yet. */
async function started(hosts: Hosts, ...names: string[]): Promise<Host[]> {
  const all = names.map((name) => hosts.add(name));
  for (const host of all) host.start();
  for (const host of all) {
    await waitFor(
      `${host.name} to listen`,
      () => host.traces().includes("daemon: Started"),
    );
  }
  return all;
}

const own = (host: Host): string => `--ip=127.0.0.1:${host.port}`;
const at = (host: Host): string => `127.0.0.1:${host.port}`;

async function tokenOf(host: Host): Promise<string> {
  const output = await host.must("token", "create", own(host));
  return `--token=${/mars1\.\S+/.exec(output)?.[0]}`;
}

function hasIpv6(): boolean {
  return Deno.networkInterfaces().some(({ address }) => address === "::1");
}

/** Every host of `hosts` knows the address of every other one. */
async function allKnown(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    for (const other of hosts) {
      await host.waitLink(`ips/ip-${other.name}`, (ip) => ip === at(other));
    }
  }
}

Deno.test("A host joins by keys that both sides know already", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await started(hosts, "alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await alpha.must("create-cluster", own(alpha));
  const stranger = await beta.run(
    "join-cluster",
    "alpha",
    at(alpha),
    own(beta),
  );
  assertEquals(stranger.code, 2);
  assertStringIncludes(stranger.stderr, "mars token create");

  // Trusting one way is not enough, and the command says so.
  const line = async (host: Host): Promise<string> =>
    (await host.must("key", "show")).split("\n")[0] ?? "";
  await beta.must("key", "trust", await line(alpha));
  const join = ["join-cluster", "alpha", at(alpha), own(beta)];
  const refused = await beta.run(...join, "--timeout=1");
  assertEquals(refused.code, 4);
  assertStringIncludes(refused.stderr, 'no links of "alpha" have come');
  assertEquals(beta.link("uuid"), "(any)");

  await alpha.must("key", "trust", await line(beta));
  await beta.must(...join, "--timeout=30");
  assertEquals(beta.link("uuid"), alpha.link("uuid"));
  await allKnown([alpha, beta]);
  const waited = await beta.must("wait-cluster", "--timeout=30");
  assertStringIncludes(waited, "1/1 peer(s) seem to be alive");
});

Deno.test({
  name: "Hosts meet and talk by IPv6",
  ignore: !hasIpv6(),
  fn: async () => {
    await using hosts = new Hosts();
    const alpha = hosts.add("alpha");
    const beta = hosts.add("beta");
    for (const host of [alpha, beta]) {
      host.start("--listen=::1");
      await waitFor(
        `${host.name} to listen`,
        () => host.traces().includes("daemon: Started"),
      );
    }
    // The port is added, in brackets.
    await alpha.must("create-cluster", "--ip=::1");
    const address = `[::1]:${alpha.port}`;
    assertEquals(alpha.link("ips/ip-alpha"), address);
    const token = /mars1\.\S+/.exec(await alpha.must("token", "create"))?.[0];
    await beta.must("join-cluster", "--ip=::1", `--token=${token}`);
    assertEquals(beta.link("ips/ip-alpha"), address);
    await alpha.must("wait-cluster", "--timeout=30");
    await beta.must("wait-cluster", "--timeout=30");
  },
});

Deno.test("A host that meets one member is told how to meet the others", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await started(hosts, "alpha", "beta", "gamma");
  assert(alpha && beta && gamma);
  await alpha.must("create-cluster", own(alpha));
  await beta.must("join-cluster", own(beta), await tokenOf(alpha));
  const told = await gamma.must(
    "join-cluster",
    own(gamma),
    await tokenOf(beta),
  );
  assertStringIncludes(told, 'No trust yet between "gamma" and alpha');
  assertStringIncludes(told, "mars join-cluster --token=TOKEN");
  // What it is told is enough.
  const rest = await gamma.must(
    "join-cluster",
    own(gamma),
    await tokenOf(alpha),
  );
  assert(!rest.includes("No trust yet"), rest);
  await allKnown([alpha, beta, gamma]);
});

Deno.test("Joining by ssh exchanges keys with all members at once", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await started(hosts, "alpha", "beta", "gamma");
  assert(alpha && beta && gamma);
  const ssh = fakeSsh(hosts.root, [alpha, beta, gamma]);
  await alpha.must("create-cluster", own(alpha));
  await beta.must("join-cluster", own(beta), await tokenOf(alpha));

  const gone = ssh.without("beta");
  const words = ["join-cluster", "alpha", "--ssh", own(gamma)];
  const half = await gamma.runWith(gone, ...words);
  assertEquals(half.code, 1);
  assertStringIncludes(half.stderr, 'Cannot reach "beta" by ssh');
  assertStringIncludes(half.stdout, 'No trust yet between "gamma" and beta');

  const options = ["--ssh-port=2222", "--ssh-opts=-4 -q"];
  const whole = await gamma.runWith(ssh.env, ...words, ...options);
  assertEquals(whole.code, 0, whole.stderr);
  assertStringIncludes(ssh.calls(), "-p 2222 -4 -q -- beta mars key trust");
  await allKnown([alpha, beta, gamma]);
  for (const [host, others] of [[gamma, 2], [alpha, 2], [beta, 2]] as const) {
    const list = await host.must("key", "list");
    assertEquals(list.trim().split("\n").length, others);
    await host.must("wait-cluster", "--timeout=30");
  }
  const count = ssh.calls().length;
  await gamma.runWith(ssh.env, ...words, "--no-ssh");
  assertEquals(ssh.calls().length, count);
});

Deno.test("Two clusters become one, and an absent host comes in later", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma, delta] = await started(
    hosts,
    "alpha",
    "beta",
    "gamma",
    "delta",
  );
  assert(alpha && beta && gamma && delta);
  await alpha.must("create-cluster", own(alpha));
  await beta.must("join-cluster", own(beta), await tokenOf(alpha));
  await gamma.must("create-cluster", own(gamma));
  await delta.must("join-cluster", own(delta), await tokenOf(gamma));
  const uuid = alpha.link("uuid") ?? "";
  await alpha.must("create-resource", "a", alpha.makeDisk(1 << 20));
  await gamma.must("create-resource", "a", gamma.makeDisk(1 << 20));

  const check = ["merge-cluster-check", "gamma", await tokenOf(gamma)];
  const refused = await alpha.run(...check);
  assertEquals(refused.code, 3, refused.stderr);
  assertStringIncludes(refused.stderr, "resources of the names a");
  assertEquals(gamma.link("ips/ip-alpha"), undefined);
  const still = await alpha.run("merge-cluster", "gamma", at(gamma));
  assertEquals(still.code, 3, still.stderr);
  assertEquals(alpha.link("ips/ip-gamma"), undefined);

  await gamma.must("secondary", "a", "--timeout=30");
  await gamma.must("down", "a", "--timeout=30");
  await gamma.must("leave-resource", "a", "--force");
  await gamma.must("delete-resource", "a", "--force");
  await gamma.must("create-resource", "g", gamma.makeDisk(1 << 20));
  await beta.end("SIGTERM");
  // Whatever ends the command: before the fourth phase nothing has happened,
  // after it everything happens by itself.
  const merge = ["merge-cluster", "gamma", at(gamma)];
  const early = await alpha.run(...merge, "--error-injection-phase=4");
  assertEquals(early.code, 1, early.stderr);
  assertEquals(alpha.link("ips/ip-gamma"), undefined);
  const late = await alpha.run(...merge, "--error-injection-phase=5");
  assertEquals(late.code, 1, late.stderr);
  await delta.waitLink("uuid", (value) => value === uuid);
  const merged = await alpha.must(...merge);
  assertStringIncludes(merged, `Cluster "${uuid}" has 4 hosts now`);
  assertStringIncludes(merged, 'No trust yet between "alpha" and delta');
  await delta.waitLink("uuid", (value) => value === uuid);
  beta.start();
  await allKnown([alpha, beta, gamma, delta]);
  for (const host of [alpha, beta, gamma, delta]) {
    await host.waitLink("uuid", (value) => value === uuid);
    await host.waitLink("resource-g/size", (size) => size === "1048576");
  }
  const again = await alpha.must("merge-cluster", "gamma");
  assertStringIncludes(again, "already");
});

Deno.test("merge-cluster by ssh takes all keys to all hosts", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await started(hosts, "alpha", "beta", "gamma");
  assert(alpha && beta && gamma);
  const ssh = fakeSsh(hosts.root, [alpha, beta, gamma]);
  await alpha.must("create-cluster", own(alpha));
  await beta.must("join-cluster", own(beta), await tokenOf(alpha));
  await gamma.must("create-cluster", own(gamma));
  const words = ["gamma", at(gamma), "--ssh"];
  const check = await alpha.runWith(ssh.env, "merge-cluster-check", ...words);
  assertEquals(check.code, 0, check.stderr);
  assertStringIncludes(check.stdout, "They can become one");
  assert(!(await alpha.must("key", "list")).includes("gamma"));
  const merged = await alpha.runWith(ssh.env, "merge-cluster", ...words);
  assertEquals(merged.code, 0, merged.stderr);
  for (const host of [alpha, beta, gamma]) {
    const list = await host.must("key", "list");
    assertEquals(list.trim().split("\n").length, 2);
    await host.must("wait-cluster", "--timeout=30");
  }
});

Deno.test("A host leaves, is forgotten, and can come again", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha && beta);
  await alpha.must("create-resource", "r", alpha.makeDisk(1 << 20));
  await beta.waitLink("resource-r/size", (size) => size === "1048576");
  await beta.must("activate-guest", "r", "--timeout=30");
  const guest = await beta.run("leave-cluster");
  assertEquals(guest.code, 3);
  assertStringIncludes(guest.stderr, 'it takes part in "r"');
  await beta.must("deactivate-guest", "r");
  const left = await beta.must("leave-cluster", "--timeout=30");
  assertStringIncludes(left, '"beta" has left the cluster');
  await alpha.waitLink("ips/ip-beta", (value) => value === ".deleted");
  for (const path of ["uuid", "ips/ip-alpha", "resource-r/size"]) {
    assertEquals(beta.link(path), undefined, path);
  }
  // Both sides still trust each other.
  await beta.must("join-cluster", "alpha", at(alpha), own(beta));
  await alpha.waitLink("ips/ip-beta", (value) => value === at(beta));
  await alpha.must("wait-cluster", "--timeout=30");
  assertEquals(beta.link("uuid"), alpha.link("uuid"));
});

Deno.test("A dead host is taken out, and hears of it when it is back", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha && beta);
  await beta.end("SIGKILL");
  // The machine is called alpha; the command acts as beta.
  const machine = { MARS_HOST: "alpha" };
  const words = ["leave-cluster", "--host=beta"];
  const left = await alpha.runWith(machine, ...words, "--window=1");
  assertEquals(left.code, 0, left.stderr);
  assertStringIncludes(left.stderr, '"alpha" acts as "beta"');
  assertEquals(alpha.link("ips/ip-beta"), ".deleted");
  assert(alpha.link("uuid") !== undefined);
  beta.start();
  await beta.waitLink("ips/ip-beta", (value) => value === ".deleted");
});

Deno.test("split-cluster parts hosts that share nothing", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await hosts.cluster("alpha", "beta", "gamma");
  assert(alpha && beta && gamma);
  await alpha.must("create-resource", "r", alpha.makeDisk(1 << 20));
  await beta.waitLink("resource-r/size", (size) => size === "1048576");
  await beta.must("activate-guest", "r", "--timeout=30");
  await allKnown([alpha, beta, gamma]);
  const split = await alpha.must("split-cluster", "--window=6");
  assertStringIncludes(split, "Group 1: alpha, beta");
  assertStringIncludes(split, "Group 2: gamma");
  await allKnown([alpha, beta]);
  await allKnown([gamma]);
  await gamma.waitLink("ips/ip-alpha", (value) => value === ".deleted");
  await alpha.waitLink("ips/ip-gamma", (value) => value === ".deleted");
  await beta.waitLink("ips/ip-gamma", (value) => value === ".deleted");
  await alpha.must("wait-cluster", "--timeout=30");
  const backup = [...Deno.readDirSync(alpha.marsDir)]
    .find(({ name }) => name.startsWith("backups-"))?.name;
  assertEquals(alpha.link(`${backup}/ips-backup/ip-gamma`), at(gamma));
  const again = await beta.must("split-cluster", "--window=6");
  assertStringIncludes(again, "nothing to split");
});
