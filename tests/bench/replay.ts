/**
 * Bench: replay of 4 KiB records from a real file to a real file.
 *
 *   deno run --allow-all tests/bench/replay.ts [records] [directory]
 *
 * Shows records per second for random and for sequential positions, until
 * everything is applied and flushed, beside the plain write of the same blocks.
 */
import { loadShim } from "../../ffi/shim.ts";
import { Disk } from "../../src/block/disk.ts";
import { encodeRecordInto, HEADER_BYTES } from "../../src/log/record.ts";
import { shimCrc32c } from "../../src/log/shim_crc32c.ts";
import { Replay, REPLAY_MEMORY_BYTES } from "../../src/replay/replay.ts";
import { Ring } from "../../src/ring/ring.ts";

const BLOCK_BYTES = 4096;
const DISK_BYTES = 256 * 1024 * 1024;
const RING_ENTRIES = 256;

const recordCount = Number(Deno.args[0] ?? 50_000);
const directory = Deno.makeTempDirSync(
  Deno.args[1] === undefined ? {} : { dir: Deno.args[1] },
);
const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
const crc = shimCrc32c(shim);
const logPath = `${directory}/log`;
const diskPath = `${directory}/disk`;

type Pattern = "random" | "sequential";

/** Position of record `index`; the same generator each time. */
function offsetOf(pattern: Pattern, index: number): number {
  const blockCount = DISK_BYTES / BLOCK_BYTES;
  const step = pattern === "sequential" ? 1 : 40_503;
  return ((index * step) % blockCount) * BLOCK_BYTES;
}

function writeLog(pattern: Pattern): number {
  using file = Deno.openSync(logPath, {
    write: true,
    create: true,
    truncate: true,
  });
  const bytes = new Uint8Array(1024 * 1024);
  const view = new DataView(bytes.buffer);
  const payload = crypto.getRandomValues(new Uint8Array(BLOCK_BYTES));
  let at = 0;
  let total = 0;
  for (let index = 0; index < recordCount; index++) {
    if (at + 2 * BLOCK_BYTES > bytes.length) {
      file.writeSync(bytes.subarray(0, at));
      at = 0;
    }
    bytes.set(payload, at + HEADER_BYTES);
    const fields = {
      sequence: index + 1,
      seconds: 1,
      nanoseconds: 0,
      code: 1,
      offsetBytes: offsetOf(pattern, index),
    };
    const length = encodeRecordInto(
      bytes,
      view,
      at,
      fields,
      BLOCK_BYTES,
      crc,
    );
    at += length;
    total += length;
  }
  file.writeSync(bytes.subarray(0, at));
  file.syncSync();
  return total;
}

/** Milliseconds until everything is applied, and until it is durable. */
function replay(endBytes: number): { appliedMs: number; durableMs: number } {
  using ring = Ring.create({ shim, entries: RING_ENTRIES });
  const disk = Disk.open(ring, diskPath, DISK_BYTES);
  const logFd = ring.open(logPath, "read");
  const startMs = performance.now();
  let appliedMs = 0;
  const run = new Replay({
    io: ring,
    crc,
    disk,
    logFd,
    startBytes: 0,
    endBytes,
    memory: ring.allocate(REPLAY_MEMORY_BYTES),
  });
  while (run.state().status === 0) {
    ring.enter(1);
    ring.reap();
    if (appliedMs === 0 && run.state().recordCount === recordCount) {
      appliedMs = performance.now() - startMs;
    }
  }
  const durableMs = performance.now() - startMs;
  ring.close(logFd);
  disk.close();
  return { appliedMs, durableMs };
}

/** The same blocks without a log, one system call each. */
function writePlainly(pattern: Pattern): number {
  using file = Deno.openSync(diskPath, { write: true });
  const block = new Uint8Array(BLOCK_BYTES);
  const startMs = performance.now();
  for (let index = 0; index < recordCount; index++) {
    file.seekSync(offsetOf(pattern, index), Deno.SeekMode.Start);
    file.writeSync(block);
  }
  file.syncDataSync();
  return performance.now() - startMs;
}

/**
 * Pages that were written in large pieces make later small writes several times
 * slower on ext4; a disk that has been in use for long has none.
 */
function forgetPages(): void {
  new Deno.Command("dd", {
    args: [
      `of=${diskPath}`,
      "oflag=nocache",
      "conv=notrunc,fdatasync",
      "count=0",
    ],
    stdin: "null",
    stderr: "null",
  }).outputSync();
}

function perSecond(durationMs: number): string {
  const rate = Math.round(recordCount / durationMs * 1000);
  return `${rate.toLocaleString("en")} records/s`.padStart(20);
}

try {
  Deno.writeFileSync(diskPath, new Uint8Array(DISK_BYTES));
  for (const pattern of ["random", "sequential"] as const) {
    const endBytes = writeLog(pattern);
    forgetPages();
    const { appliedMs, durableMs } = replay(endBytes);
    forgetPages();
    const plainMs = writePlainly(pattern);
    // deno-lint-ignore no-console -- A bench reports to its terminal.
    console.log(
      `${pattern.padEnd(10)} applied ${perSecond(appliedMs)}, ` +
        `durable ${perSecond(durableMs)}, plain ${perSecond(plainMs)}`,
    );
  }
} finally {
  Deno.removeSync(directory, { recursive: true });
}
