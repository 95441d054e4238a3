/** Real daemons: when a pause has returned, nothing of it moves any more. */
import { assert, assertEquals } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import { connect, copied, pairOf, sameDisks } from "../support/replicas.ts";

const MIB = 1 << 20;
const TURNS = 6;

/** Bytes of the logs of alpha that a host has. */
function logBytes(host: Host): number {
  const directory = `${host.marsDir}/resource-r`;
  return [...Deno.readDirSync(directory)]
    .filter(({ name, isFile }) => isFile && name.endsWith("-alpha"))
    .reduce(
      (sum, { name }) => sum + Deno.statSync(`${directory}/${name}`).size,
      0,
    );
}

/** Log and offset; behind that stands how much is left, which grows. */
function replayAt(host: Host): string[] | undefined {
  return host.link(`resource-r/replay-${host.name}`)?.split(",").slice(0, 2);
}

Deno.test("When pause-fetch and pause-replay have returned, nothing moves", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const client = await connect(alpha);
  const recorder = new Recorder({ blockCount: 256, seed: 31 });
  let isOver = false;
  const write = async (): Promise<void> => {
    while (!isOver) {
      await recorder.writeOne(client);
      await client.flush();
    }
  };
  const writing = write();
  try {
    for (let turn = 0; turn < TURNS; turn++) {
      await beta.must("resume-fetch", "r");
      // In every other turn it has only just begun, or is about to.
      const wasFetched = logBytes(beta);
      if (turn % 2 === 0) {
        await waitFor("fetch to go on", () => logBytes(beta) > wasFetched);
      }
      if (turn % 3 === 0) {
        await beta.must("pause-replay", "r");
        const before = replayAt(beta);
        const bytes = logBytes(beta);
        await waitFor("more to be fetched", () => logBytes(beta) > bytes);
        assertEquals(replayAt(beta), before);
      }
      await beta.must("pause-fetch", "r");
      const fetched = logBytes(beta);
      const logged = logBytes(alpha);
      await waitFor(
        "more to be written",
        () => logBytes(alpha) > logged + 64 * BLOCK_BYTES,
      );
      assertEquals(logBytes(beta), fetched);
      await beta.must("resume-replay", "r");
    }
  } finally {
    isOver = true;
    await writing;
  }
  await beta.must("resume-fetch", "r");
  await client.disconnect();
  await sameDisks(alpha, beta);
});

Deno.test("When pause-sync has returned, the copy stands still", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  const sizeBytes = 16 * MIB;
  for (const host of [alpha, beta]) host.makeDisk(sizeBytes);
  // What differs must be copied, which the rate makes slow.
  const random = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 65_536) {
    crypto.getRandomValues(random.subarray(at, at + 65_536));
  }
  Deno.writeFileSync(alpha.disk, random);
  await alpha.must("create-resource", "r", alpha.disk, "--timeout=30");
  await beta.must("join-resource", "r", beta.disk, "--timeout=30");
  await beta.must("set-sync-rate", "r", "4m");
  for (let turn = 0; turn < TURNS; turn++) {
    await beta.must("resume-sync", "r");
    await beta.must("pause-sync", "r");
    const disk = Deno.readFileSync(beta.disk);
    const status = beta.link("resource-r/syncstatus-beta");
    // Time for a block to come, without a wait for nothing.
    await beta.must("view", "r");
    assertEquals(Deno.readFileSync(beta.disk), disk);
    assertEquals(beta.link("resource-r/syncstatus-beta"), status);
  }
  await beta.must("set-sync-rate", "r", "0");
  await beta.must("resume-sync", "r");
  await copied(beta, sizeBytes);
  await sameDisks(alpha, beta);
});
