/**
 * How much faster a secondary replays than its primary produces: 4 KiB random
 * writes at depth 16, two real daemons.
 *
 * The secondary fetches while the primary writes, and replays afterwards: from
 * the moment at which replay is desired until the position at the end of the
 * log is published, that is, until everything is durable on its disk. As many
 * blocks at random places of such a disk, written plainly and made durable, show
 * what that disk allows.
 */
import { Hosts, waitFor } from "../support/hosts.ts";
import type { Bench } from "./bench.ts";
import { type Figure, NO_GOAL, ratioAtLeast } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import { fio, forgetPages, makeDisk, settleDisks } from "./programs.ts";

const BLOCK_BYTES = 4096;
const DISK_BYTES = 256 * 1024 * 1024;
const DEPTH = 16;
const ROUNDS_MAX = 3;
const RESOURCE = "mars";
const POLL_MS = 2;

export async function benchReplayRate(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  if (alpha === undefined || beta === undefined) return [];
  const primary = await PrimaryResource.create(alpha, RESOURCE, {
    sizeBytes: DISK_BYTES,
    level: "flush",
  });
  await makeDisk(beta.disk, DISK_BYTES);
  await beta.must("join-resource", RESOURCE, beta.disk);
  await beta.waitLink(
    `resource-${RESOURCE}/syncstatus-beta`,
    (value) => value === String(DISK_BYTES),
  );
  // The initial copy has read it.
  await forgetPages(beta.disk);
  const position = (): string => primary.replayPosition(beta.name);
  const ours: number[] = [];
  const theirs: number[] = [];
  const plain: number[] = [];
  const plainDisk = `${hosts.root}/plain`;
  await makeDisk(plainDisk, DISK_BYTES);
  for (let round = 0; round < Math.min(ROUNDS_MAX, bench.rounds); round++) {
    await beta.must("pause-replay", RESOURCE);
    await beta.waitLink(
      `resource-${RESOURCE}/actual-beta/is-replaying`,
      (value) => value === "0",
    );
    const { perSecond, writeCount } = await fio(primary.uri, {
      mode: "randwrite",
      blockBytes: BLOCK_BYTES,
      depth: DEPTH,
      sizeBytes: DISK_BYTES,
      seconds: bench.seconds,
    });
    await primary.writtenBack();
    const end = primary.replayPosition(alpha.name);
    const endBytes = Number(end.split(",")[1]);
    const log = end.split(",")[0] ?? "";
    const copy = `${beta.marsDir}/resource-${RESOURCE}/${log}`;
    await waitFor("the log to be fetched", () => sizeOf(copy) === endBytes);
    await settleDisks();

    const resumed = beta.must("resume-replay", RESOURCE);
    await beta.waitLink(
      `resource-${RESOURCE}/todo-beta/allow-replay`,
      (value) => value === "1",
    );
    const startMs = performance.now();
    await waitFor("replay", async () => {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      return position() === end;
    });
    const replayPerSecond = writeCount / (performance.now() - startMs) * 1000;
    await resumed;
    ours.push(replayPerSecond);
    theirs.push(perSecond);
    bench.note(
      `replay ${replayPerSecond.toFixed(0)}/s, ` +
        `production ${perSecond.toFixed(0)}/s`,
    );
    await primary.settle();
    plain.push(writePlainly(plainDisk, writeCount));
    await settleDisks();
  }
  const what = "replay of 4 KiB records";
  return [
    {
      what,
      unit: "/s",
      ours,
      theirs,
      against: `their production, depth ${DEPTH}`,
      goal: ratioAtLeast(4),
    },
    {
      what,
      unit: "/s",
      ours,
      theirs: plain,
      against: "plain writes, fdatasync",
      goal: NO_GOAL,
    },
  ];
}

/** Blocks per second. */
function writePlainly(path: string, count: number): number {
  using file = Deno.openSync(path, { write: true });
  const block = new Uint8Array(BLOCK_BYTES).fill(3);
  const startMs = performance.now();
  for (let left = count; left > 0; left--) {
    const index = Math.floor(Math.random() * DISK_BYTES / BLOCK_BYTES);
    file.seekSync(index * BLOCK_BYTES, Deno.SeekMode.Start);
    file.writeSync(block);
  }
  file.syncDataSync();
  return count / (performance.now() - startMs) * 1000;
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    throw error;
  }
}
