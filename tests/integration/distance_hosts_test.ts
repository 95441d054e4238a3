/**
 * Real hosts that die, sleep, disagree and are taken for each other: data that
 * was acknowledged stays, and `view` says what to do.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { acquireLock } from "../../src/base/lock.ts";
import { isThere } from "../../src/base/remove.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { Network, networkTrouble, reportSkipped } from "../support/network.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  pairOf,
  resourceOf,
  sees,
  writeSome,
} from "../support/replicas.ts";

const trouble = networkTrouble();
reportSkipped("Hosts on bad lines", trouble);

/** Prescribed by Web Crypto. */
const RANDOM_BYTES_MAX = 65_536;
const MIB = 1024 * 1024;
const CLOCK = /the clock of .* (ahead of|behind) ours/;
const SPLIT = /split.?brain/i;

/** Moments of a handover from alpha to beta, as beta sees them. */
const MOMENTS: readonly (readonly [string, (beta: Host) => boolean])[] = [
  [
    "was asked",
    (beta) => beta.link("resource-r/userspace/claim-beta") !== undefined,
  ],
  ["was let go", (beta) => beta.link("resource-r/primary") !== "alpha"],
  [
    "has ended",
    (beta) => beta.link("resource-r/actual-alpha/is-primary") === "0",
  ],
  ["was replaced", (beta) => beta.link("resource-r/primary") === "beta"],
];

for (const [name, isDue] of MOMENTS) {
  Deno.test(`A primary is killed when it ${name}`, async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = await pairOf(hosts);
    const recorder = new Recorder({ blockCount: BLOCKS, seed: 7 });
    let client = await connect(alpha);
    await writeSome(recorder, client, 256);
    await client.disconnect();
    const { handover } = await waitFor(
      `the moment when alpha ${name}`,
      async () => {
        const words = ["primary", "r", "--timeout=3", "--window=2"];
        const handover = beta.run(...words);
        let isOver = false;
        handover.finally(() => isOver = true);
        await waitFor(`a handover`, () => isOver || isDue(beta));
        // A busy machine answers too late: nothing has changed then.
        return isDue(beta) ? { handover } : undefined;
      },
    );
    await alpha.end("SIGKILL");
    const first = await handover;
    if (first.code !== 0) assertMatch(first.stderr, /alpha/);
    alpha.start();
    const again = await beta.run("primary", "r", "--timeout=30");
    assertEquals(again.code, 0, first.stderr + again.stderr);
    client = await connect(beta);
    recorder.check(await client.read(0, recorder.sizeBytes));
    await writeSome(recorder, client, 64);
    await client.disconnect();
    await caughtUp(alpha, beta);
    assertSameDisks([alpha, beta], recorder);
    await sees(alpha, /Secondary beta/);
  });
}

Deno.test("A command that died in a takeover blocks nobody", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const claim = "resource-r/userspace/claim-beta";
  const lock = acquireLock(`${beta.directory}/run/lock/r`, "dying");
  await Deno.mkdir(`${beta.marsDir}/resource-r/userspace`, { recursive: true });
  await Deno.symlink("1", `${beta.marsDir}/${claim}`);
  await alpha.waitLink(claim, (value) => value === "1");
  await alpha.must("secondary", "r");
  const early = await alpha.run("primary", "r", "--timeout=5");
  assertMatch(early.stderr, /"beta" takes over/);
  lock[Symbol.dispose]();
  await alpha.waitLink(claim, (value) => value === ".deleted");
  const { code, stderr } = await alpha.run("primary", "r", "--timeout=30");
  assertEquals(code, 0, stderr);
});

Deno.test("A secondary that is killed in replay goes on", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 8 });
  const client = await connect(alpha);
  for (let round = 0; round < 5; round++) {
    await writeSome(recorder, client, 512);
    await beta.end("SIGKILL");
    await writeSome(recorder, client, 64);
    beta.start();
    await beta.listening();
  }
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  await sees(beta, /UpToDate .*Secondary alpha/);
});

Deno.test("A secondary that is killed in its first copy goes on from there", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  const sizeBytes = 16 * MIB;
  for (const host of [alpha, beta]) host.makeDisk(sizeBytes);
  const content = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(content.subarray(at, at + RANDOM_BYTES_MAX));
  }
  Deno.writeFileSync(alpha.disk, content);
  await alpha.must("create-resource", "r", alpha.disk);
  await alpha.must("set-send-limit", "sync", "2M");
  await beta.must("join-resource", "r", beta.disk);
  const status = "resource-r/syncstatus-beta";
  await beta.waitLink(status, (value) => Number(value) >= MIB);
  await sees(beta, /InConsistent Syncing.*\n +syncing: \[/);
  await beta.end("SIGKILL");
  const reachedBytes = Number(beta.link(status));
  assert(reachedBytes < sizeBytes);
  beta.start();
  await beta.listening();
  await beta.waitLink(status, (value) => Number(value) > reachedBytes);
  // What it has compared or copied since it began anew.
  const [equal = 0, other = 0] = (beta.link("resource-r/verifystatus-beta") ??
    "").split(",").map(Number);
  const doneBytes = (equal + other) * BLOCK_BYTES;
  assert(doneBytes <= sizeBytes - reachedBytes, `${doneBytes} anew`);
  await alpha.must("set-send-limit", "sync", "0");
  await beta.waitLink(status, (value) => value === String(sizeBytes));
  assertEquals(Deno.readFileSync(beta.disk), content);
  await sees(beta, /UpToDate/);
});

Deno.test("A secondary that is stopped harms nobody, and goes on", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await alpha.must("set-line-timeout", "2");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 11 });
  Deno.kill(beta.pid, "SIGSTOP");
  const client = await connect(alpha);
  await writeSome(recorder, client, 512);
  await client.disconnect();
  await sees(
    alpha,
    /needed-connection-with-beta: .*NOT connected: .*no answer/,
  );
  const refused = await beta.run("primary", "r", "--timeout=4", "--window=2");
  assertEquals(refused.code, 4);
  assertMatch(refused.stderr, /the daemon on this host does not answer/);
  assertEquals(alpha.link("resource-r/primary"), "alpha");
  Deno.kill(beta.pid, "SIGCONT");
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  await beta.must("primary", "r", "--timeout=30");
  await sees(alpha, /UpToDate .*Secondary beta/);
});

Deno.test("Both hosts are killed, and come back in either order", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 9 });
  for (const order of [[alpha, beta], [beta, alpha]]) {
    const client = await connect(alpha);
    const writing = recorder.writeUntilLost(client, 8);
    await writeSome(recorder, client, 64).catch(() => {});
    await Promise.all([alpha.end("SIGKILL"), beta.end("SIGKILL")]);
    await writing;
    await client.disconnect().catch(() => {});
    for (const host of order) {
      host.start();
      await host.listening();
    }
  }
  const client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  for (const host of [alpha, beta]) await sees(host, /UpToDate/);
});

Deno.test("A primary that slept through a failover is told of the split", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 10 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 128);
  await caughtUp(beta, alpha);
  Deno.kill(alpha.pid, "SIGSTOP");
  await beta.must("pause-fetch", "r");
  // What it takes in when it wakes up.
  const late = recorder.writeOne(client).catch(() => {});
  await beta.must("primary", "r", "--force", "--timeout=30");
  const other = await connect(beta);
  await other.write(0, new Uint8Array(BLOCK_BYTES).fill(1));
  await other.flush();
  Deno.kill(alpha.pid, "SIGCONT");
  await late;
  for (const host of [alpha, beta]) await sees(host, SPLIT);
  // Nobody's data is thrown away by itself.
  recorder.check(Deno.readFileSync(alpha.disk).subarray(0, recorder.sizeBytes));
  assertEquals(
    await other.read(0, BLOCK_BYTES),
    new Uint8Array(BLOCK_BYTES).fill(1),
  );
  await other.disconnect();
  await client.disconnect().catch(() => {});
});

for (const writers of [["beta"], ["alpha", "beta"]]) {
  const isSplit = writers.length === 2;
  const what = isSplit ? "both sides write" : "the new primary writes";
  Deno.test({
    name: `A partition in which ${what} ends as it must`,
    ignore: trouble !== undefined,
    fn: async () => {
      await using network = new Network(["alpha", "beta"]);
      await using hosts = new Hosts(undefined, network);
      const [alpha, beta] = await pairOf(hosts);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 11 });
      const client = await connect(alpha);
      await writeSome(recorder, client, 128);
      await caughtUp(beta, alpha);
      network.part("alpha", "beta");
      if (isSplit) await writeSome(recorder, client, 16);
      await client.disconnect();
      await beta.must("pause-fetch", "r");
      await beta.must("primary", "r", "--force", "--timeout=30");
      const other = await connect(beta);
      const added = new Recorder({ blockCount: 16, seed: 12 });
      if (!isSplit) {
        await writeSome(recorder, other, 64);
      } else {
        await writeSome(added, other, 16);
      }
      await other.disconnect();
      network.join("alpha", "beta");
      if (!isSplit) {
        await caughtUp(alpha, beta);
        assertSameDisks([alpha, beta], recorder);
        assertEquals(alpha.link("resource-r/primary"), "beta");
        await sees(alpha, /UpToDate .*Secondary beta/);
        return;
      }
      for (const host of [alpha, beta]) await sees(host, SPLIT);
      assertNotEquals(
        Deno.readFileSync(alpha.disk),
        Deno.readFileSync(beta.disk),
      );
      await alpha.must("invalidate", "r", "--timeout=30");
      await caughtUp(alpha, beta);
      assertSameDisks([alpha, beta], added);
    },
  });
}

for (
  const [name, offset] of [
    ["an hour ahead", "+3600"],
    ["an hour behind", "-3600"],
    ["30 days ahead", "+2592000"],
    ["30 days behind", "-2592000"],
  ]
) {
  const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  Deno.test({
    name: `A clock ${name} does no harm, and is told`,
    ignore: !isThere(library),
    fn: async () => {
      await using hosts = new Hosts();
      const names = ["alpha", "beta"].map((host) => hosts.add(host));
      const [alpha, beta] = names;
      assert(alpha !== undefined && beta !== undefined);
      beta.env = {
        LD_PRELOAD: library,
        FAKETIME: offset ?? "",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
        NO_FAKE_STAT: "1",
      };
      await hosts.unite(names);
      await resourceOf([alpha, beta]);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 13 });
      let client = await connect(alpha);
      await writeSome(recorder, client, 64);
      await client.disconnect();
      await caughtUp(beta, alpha);
      for (const host of [alpha, beta]) await sees(host, CLOCK);
      for (const [to, from] of [[beta, alpha], [alpha, beta]] as const) {
        await to.must("primary", "r", "--timeout=30");
        client = await connect(to);
        await writeSome(recorder, client, 64);
        await client.disconnect();
        await caughtUp(from, to);
      }
      await alpha.must("log-rotate", "r");
      await alpha.must("pause-fetch", "r");
      await beta.must("pause-fetch", "r");
      await alpha.must("resume-fetch", "r");
      await beta.must("resume-fetch", "r");
      assertSameDisks([alpha, beta], recorder);
    },
  });
}

Deno.test("Hosts and resources whose names begin alike are told apart", async () => {
  await using hosts = new Hosts();
  const names = ["node", "node1", "node10"];
  const [node, node1, node10] = await hosts.cluster(...names);
  assert(node !== undefined && node1 !== undefined && node10 !== undefined);
  await resourceOf([node, node1, node10]);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 14 });
  let client = await connect(node);
  await writeSome(recorder, client, 64);
  await client.disconnect();
  await node1.must("primary", "r", "--timeout=30");
  client = await connect(node1);
  await writeSome(recorder, client, 64);
  await caughtUp(node, node1);
  await caughtUp(node10, node1);
  await node10.must("pause-fetch", "r");
  await writeSome(recorder, client, 64);
  await client.disconnect();
  await caughtUp(node, node1);
  assertEquals(node.link("resource-r/todo-node/connect"), "1");
  await node10.must("down", "r");
  await node10.must("leave-resource", "r");
  assertSameDisks([node, node1], recorder);
  assertEquals(node1.link("resource-r/primary"), "node1");
  await sees(node, /r \[2\/3\] UpToDate .*Secondary node1\n/);
});

Deno.test("A second host of the same name is refused, and both hear why", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await using others = new Hosts();
  const twin = others.add("beta");
  twin.start();
  await twin.listening();
  const output = await alpha.must(
    "token",
    "create",
    `--ip=127.0.0.1:${alpha.port}`,
  );
  const token = /mars1\.\S+/.exec(output)?.[0] ?? "";
  const words = [`--ip=127.0.0.1:${twin.port}`, `--token=${token}`];
  const joined = await twin.run("join-cluster", ...words);
  assertNotEquals(joined.code, 0);
  assertMatch(joined.stderr, /beta.*(another|other|different) key/);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 15 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 64);
  await client.disconnect();
  await caughtUp(beta, alpha);
  await sees(alpha, /\[2\/2\] UpToDate .*Primary alpha/);
});

Deno.test("A host whose key was forgotten gets nothing more, and both hear why", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 16 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 64);
  await caughtUp(beta, alpha);
  await alpha.must("key", "forget", "beta");
  await sees(beta, /alpha.*(trust|key)/);
  await sees(alpha, /beta.*(trust|key)/);
  const before = beta.link("resource-r/replay-beta");
  await writeSome(recorder, client, 64);
  assertEquals(beta.link("resource-r/replay-beta"), before);
  await alpha.must(
    "key",
    "trust",
    (await beta.must("key", "show")).split("\n")[0] ?? "",
  );
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("cron every second does no harm while a secondary is away", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 17 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 64);
  await beta.end("SIGTERM");
  for (let round = 0; round < 8; round++) {
    await writeSome(recorder, client, 64);
    // Without a window nothing is too young to go.
    const { code, stdout, stderr } = await alpha.run("cron", "--window=0");
    assertEquals([code, stdout, stderr], [0, "", ""]);
  }
  await sees(alpha, /needed-connection-with-beta: .*NOT connected/);
  await client.disconnect();
  const logs = [...Deno.readDirSync(`${alpha.marsDir}/resource-r`)]
    .filter((entry) => entry.isFile);
  // Nothing that the absent one needs is gone, and no log is empty.
  assert(logs.length > 1, "No log was rotated");
  beta.start();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  await sees(alpha, /UpToDate .*Primary alpha/);
});
