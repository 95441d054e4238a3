/** Real daemons: replication, faults of network and disk, changes of role. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Hosts, waitFor } from "../support/hosts.ts";
import { command } from "../support/programs.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import { Relay } from "../support/relay.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  DISK_BYTES,
  pairOf,
  resourceOf,
  sees,
  writeSome,
} from "../support/replicas.ts";

Deno.test("A secondary becomes and stays a copy of the primary", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await resourceOf([alpha]);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 1 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 500);
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  await writeSome(recorder, client, 500);
  await alpha.must("log-rotate", "r");
  await writeSome(recorder, client, 500);
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("A handover moves the role and loses nothing", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 2 });
  let client = await connect(alpha);
  await writeSome(recorder, client, 500);
  // What beta has not heard of it cannot refuse for.
  await beta.waitLink("resource-r/actual-alpha/open-count", (v) => v === "1");
  await beta.waitLink(
    "resource-r/actual-alpha/open-by",
    (by) => by.includes(String(Deno.pid)),
  );
  const refused = await beta.run("primary", "r");
  assertEquals(refused.code, 3);
  const who = `"deno" (pid ${Deno.pid})`;
  assertStringIncludes(
    refused.stderr,
    `the device is open 1 time on "alpha": ${who}`,
  );
  assertStringIncludes(await alpha.must("view", "r"), `OpenBy ${who}`);
  await client.disconnect();
  await beta.must("primary", "r", "--timeout=30");
  client = await connect(beta);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await writeSome(recorder, client, 500);
  await client.disconnect();
  await caughtUp(alpha, beta);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("A handover that times out designates the old primary again", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await alpha.end("SIGKILL");
  const outcome = await beta.run("primary", "r", "--timeout=2", "--window=1");
  assertEquals(outcome.code, 4);
  assertStringIncludes(outcome.stderr, "alpha");
  assertEquals(beta.link("resource-r/primary"), "alpha");
});

Deno.test("A handover that is interrupted leaves the old primary designated", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await alpha.end("SIGKILL");
  const lock = `${beta.directory}/run/lock/r`;
  const outcome = await beta.interrupt(
    ["primary", "r"],
    () => Deno.readTextFileSync(lock).includes("primary"),
  );
  assertEquals(outcome.code, 1);
  assertStringIncludes(outcome.stderr, "Interrupted");
  assertEquals(beta.link("resource-r/primary"), "alpha");
});

Deno.test("A forced failover works, and a split brain is shown as one", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 3 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 200);
  await caughtUp(beta, alpha);
  await beta.must("pause-fetch", "r");
  await beta.waitLink("resource-r/actual-beta/is-copying", (v) => v === "0");
  // Only alpha has these.
  await writeSome(recorder, client, 200);
  await alpha.end("SIGKILL");
  await beta.must("primary", "r", "--force", "--timeout=30");
  const other = await connect(beta);
  await other.write(0, new Uint8Array(BLOCK_BYTES));
  await other.disconnect();
  alpha.start();
  const message = await alpha.waitLink(
    "resource-r/actual-alpha/msg-err-splitbrain-detected",
    (value) => value !== "OK",
  );
  assertStringIncludes(message, "Split brain");
  assertEquals(alpha.link("resource-r/primary"), "beta");
  await client.disconnect().catch(() => {});
});

Deno.test("A fetch that is cut at arbitrary bytes goes on where it was", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await using relay = new Relay(alpha.port);
  const address = `127.0.0.1:${relay.port}`;
  await Deno.remove(`${beta.marsDir}/ips/ip-alpha`);
  await Deno.symlink(address, `${beta.marsDir}/ips/ip-alpha`);
  // Nor can alpha help by dialing.
  await using silent = new Relay(beta.port);
  silent.cut();
  await Deno.remove(`${alpha.marsDir}/ips/ip-beta`);
  await Deno.symlink(
    `127.0.0.1:${silent.port}`,
    `${alpha.marsDir}/ips/ip-beta`,
  );
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 4 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 1000);
  await waitFor("beta to come through the relay", () => relay.openCount > 0);
  let budget = 3_000;
  relay.limit({
    next: () =>
      relay.cutCount < 12
        ? { value: budget = (budget * 7 + 4_099) % 900_001, done: false }
        : { value: undefined, done: true },
  });
  await writeSome(recorder, client, 1000);
  await client.disconnect();
  await caughtUp(beta, alpha);
  assert(relay.cutCount > 3, `only ${relay.cutCount} cuts`);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("A wrong address of a peer is told, and mended by the right one", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 5 });
  await Deno.remove(`${beta.marsDir}/ips/ip-alpha`);
  await Deno.symlink("127.0.0.1:1", `${beta.marsDir}/ips/ip-alpha`);
  await waitFor("the trace", () => beta.traces().includes("Not connected"));
  // Whether or not alpha has dialed meanwhile, which serves both.
  await sees(beta, /Cannot connect to "127\.0\.0\.1:1"/);
  const client = await connect(alpha);
  await writeSome(recorder, client, 200);
  await client.disconnect();
  await Deno.remove(`${beta.marsDir}/ips/ip-alpha`);
  await Deno.symlink(
    `127.0.0.1:${alpha.port}`,
    `${beta.marsDir}/ips/ip-alpha`,
  );
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test({
  name: "A full tree on the secondary stops it and nothing else",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using hosts = new Hosts();
    const [alpha] = await hosts.cluster("alpha");
    const beta = hosts.add("beta");
    assert(alpha !== undefined);
    command("mount", "-t", "tmpfs", "-o", "size=3m", "mars", beta.marsDir);
    try {
      beta.start();
      await waitFor(
        "beta to listen",
        () => beta.traces().includes("daemon: Started"),
      );
      const token = /mars1\.\S+/.exec(
        await alpha.must("token", "create", `--ip=127.0.0.1:${alpha.port}`),
      )?.[0];
      await beta.must(
        "join-cluster",
        `--ip=127.0.0.1:${beta.port}`,
        `--token=${token}`,
      );
      await resourceOf([alpha, beta]);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 6 });
      const client = await connect(alpha);
      await writeSome(recorder, client, 2000);
      await waitFor(
        "beta to be full",
        () => beta.traces().includes("No space left"),
      );
      await sees(beta, /OutDated\[F/);
      // The primary does not notice.
      await writeSome(recorder, client, 200);
      await sees(alpha, /UpToDate .*Primary alpha/);
      command("mount", "-o", "remount,size=64m", beta.marsDir);
      await client.disconnect();
      await caughtUp(beta, alpha);
      assertSameDisks([alpha, beta], recorder);
    } finally {
      await beta.end("SIGKILL");
      new Deno.Command("umount", { args: ["-l", beta.marsDir] }).outputSync();
    }
  },
});
