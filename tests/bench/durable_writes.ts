/**
 * 4 KiB random writes over NBD, level "durable", beside a loop that appends
 * records of the same length to a file and makes each batch durable: what the
 * disk and its file system can do at all, without socket, client or write-back.
 *
 * The batches of the loop are those that form by themselves: while one half of
 * what a client has in flight is being made durable, the other half is on its
 * way. A loop with everything in each batch is shown beside; no client can have
 * that, since between two batches it must hear and answer.
 */
import { cString, loadShim, type Shim } from "../../ffi/shim.ts";
import { SyscallError } from "../../src/base/errors.ts";
import { RECORD_OVERHEAD_BYTES } from "../../src/log/record.ts";
import { Hosts } from "../support/hosts.ts";
import { type Bench, interleave, WARM_SECONDS } from "./bench.ts";
import { type Figure, NO_GOAL, ratioAtLeast } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import { fio, settleDisks } from "./programs.ts";

const BLOCK_BYTES = 4096;
const DISK_BYTES = 256 * 1024 * 1024;
/** Depth, and the batch that forms. */
const LOADS = [
  { depth: 1, batch: 1 },
  { depth: 32, batch: 16 },
];
// Prescribed by Linux.
const OPEN_NEW = 0o1102;

export async function benchDurableWrites(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [host] = await hosts.cluster("alpha");
  if (host === undefined) return [];
  const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
  const mars = await PrimaryResource.create(host, "mars", {
    sizeBytes: DISK_BYTES,
    level: "durable",
  });
  const figures: Figure[] = [];
  const write = async (depth: number, seconds: number): Promise<number> => {
    const { perSecond } = await fio(mars.uri, {
      mode: "randwrite",
      blockBytes: BLOCK_BYTES,
      depth,
      sizeBytes: DISK_BYTES,
      seconds,
    });
    await mars.settle();
    return perSecond;
  };
  const append = async (batch: number): Promise<number> => {
    const path = `${hosts.root}/appended`;
    const perSecond = appendDurably(shim, path, batch, bench.seconds);
    Deno.removeSync(path);
    await settleDisks();
    return perSecond;
  };
  await write(1, WARM_SECONDS);
  for (const { depth, batch } of LOADS) {
    const ours: number[] = [];
    const sameBatch: number[] = [];
    const wholeBatch: number[] = [];
    const sides = [
      async () => void sameBatch.push(await append(batch)),
      async () => void ours.push(await write(depth, bench.seconds)),
    ];
    if (batch < depth) {
      sides.push(async () => void wholeBatch.push(await append(depth)));
    }
    await interleave(bench.rounds, sides);
    bench.note(
      `depth ${depth}: ours ${ours.map(Math.round)}, ` +
        `bare ${sameBatch.map(Math.round)}, ${wholeBatch.map(Math.round)}`,
    );
    const figure = {
      what: `4 KiB durable write, depth ${depth}`,
      unit: "/s",
      ours,
      theirs: sameBatch,
      against: `append+fdatasync, batches of ${batch}`,
      goal: ratioAtLeast(0.85),
    };
    figures.push(figure);
    if (wholeBatch.length === 0) continue;
    figures.push({
      ...figure,
      theirs: wholeBatch,
      against: `append+fdatasync, batches of ${depth}`,
      goal: NO_GOAL,
    });
  }
  return figures;
}

/** Records per second. */
function appendDurably(
  shim: Shim,
  path: string,
  recordCount: number,
  seconds: number,
): number {
  const recordBytes = BLOCK_BYTES + RECORD_OVERHEAD_BYTES;
  const batch = new Uint8Array(recordBytes * recordCount).fill(1);
  const fd = check(
    "open",
    path,
    shim.mars_file_open(cString(path), OPEN_NEW, 0o600),
  );
  let offsetBytes = 0;
  let batchCount = 0;
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  while (performance.now() < endMs) {
    check(
      "write",
      path,
      shim.mars_file_write(fd, batch, 0, batch.length, offsetBytes),
    );
    check("flush", path, shim.mars_file_flush(fd));
    offsetBytes += batch.length;
    batchCount++;
  }
  const tookMs = performance.now() - startMs;
  shim.mars_file_close(fd);
  return batchCount * recordCount / tookMs * 1000;
}

function check(operation: string, path: string, result: number): number {
  if (result < 0) throw new SyscallError(operation, path, -result);
  return result;
}
