/**
 * 4 KiB random writes over NBD, level "durable", beside a loop that appends
 * records of the same length to a file and makes each batch durable: what the
 * disk and its file system can do at all, without socket, client or write-back.
 */
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { SyscallError } from "../../src/base/errors.ts";
import { cString } from "../../ffi/shim.ts";
import { RECORD_OVERHEAD_BYTES } from "../../src/log/record.ts";
import { Hosts } from "../support/hosts.ts";
import { type Bench, interleave } from "./bench.ts";
import { type Figure, ratioAtLeast } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import { fio, settleDisks } from "./programs.ts";

const BLOCK_BYTES = 4096;
const DISK_BYTES = 256 * 1024 * 1024;
const DEPTHS = [1, 32];
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
  for (const depth of DEPTHS) {
    const ours: number[] = [];
    const theirs: number[] = [];
    await interleave(bench.rounds, [
      async () => {
        const path = `${hosts.root}/appended`;
        theirs.push(appendDurably(shim, path, depth, bench.seconds));
        Deno.removeSync(path);
        await settleDisks();
      },
      async () => {
        const { perSecond } = await fio(mars.uri, {
          mode: "randwrite",
          blockBytes: BLOCK_BYTES,
          depth,
          sizeBytes: DISK_BYTES,
          seconds: bench.seconds,
        });
        ours.push(perSecond);
        await mars.settle();
      },
    ]);
    bench.note(
      `depth ${depth}: ours ${ours.map(Math.round)}, ` +
        `bare ${theirs.map(Math.round)}`,
    );
    figures.push({
      what: `4 KiB durable write, depth ${depth}`,
      unit: "/s",
      ours,
      theirs,
      against: `append+fdatasync, batches of ${depth}`,
      goal: ratioAtLeast(0.85),
    });
  }
  return figures;
}

/** Records per second. */
function appendDurably(
  shim: Shim,
  path: string,
  depth: number,
  seconds: number,
): number {
  const batch = new Uint8Array((BLOCK_BYTES + RECORD_OVERHEAD_BYTES) * depth);
  batch.fill(1);
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
  return batchCount * depth / tookMs * 1000;
}

function check(operation: string, path: string, result: number): number {
  if (result < 0) throw new SyscallError(operation, path, -result);
  return result;
}
