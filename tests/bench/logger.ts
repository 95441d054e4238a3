/**
 * Bench of the logger alone, over an Io that does everything at once: how fast
 * one thread turns requests into records, and what the dirty map costs.
 *
 *   deno run --allow-all tests/bench/logger.ts
 *
 * "instant" copies nothing: what remains is the logger. "memory" copies as the
 * page cache would.
 */
import { loadShim } from "../../ffi/shim.ts";
import { Disk } from "../../src/block/disk.ts";
import type { BlockRequest } from "../../src/block/request.ts";
import { type Crc32c, portableCrc32c } from "../../src/log/checksum.ts";
import { shimCrc32c } from "../../src/log/shim_crc32c.ts";
import { Logger } from "../../src/logger/logger.ts";
import type { Completion, Io, Memory } from "../../src/ring/io.ts";

const DEVICE_BYTES = 64 * 1024 * 1024 * 1024;
const CACHE_BYTES = 64 * 1024 * 1024;

/** Completes everything in the order of submission, in the next `reap`. */
class InstantIo implements Io {
  readonly #done: Completion[] = [];
  readonly #result: number[] = [];
  readonly #tag: number[] = [];
  readonly #cache: Uint8Array | undefined;
  #timers: { dueMs: number; done: Completion; tag: number }[] = [];

  constructor(hasCache: boolean) {
    this.#cache = hasCache ? new Uint8Array(CACHE_BYTES) : undefined;
  }

  reap(): void {
    const count = this.#done.length;
    for (let index = 0; index < count; index++) {
      this.#done[index]?.(this.#result[index] ?? 0, this.#tag[index] ?? 0);
    }
    this.#done.splice(0, count);
    this.#result.splice(0, count);
    this.#tag.splice(0, count);
    if (this.#timers.length === 0) return;
    const nowMs = this.monotonicMs();
    const due = this.#timers.filter(({ dueMs }) => dueMs <= nowMs);
    if (due.length === 0) return;
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > nowMs);
    for (const { done, tag } of due) done(0, tag);
  }

  #push(result: number, done: Completion, tag: number): void {
    this.#done.push(done);
    this.#result.push(result);
    this.#tag.push(tag);
  }

  read(
    _fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    const at = offsetBytes % (CACHE_BYTES - length);
    const part = this.#cache?.subarray(at, at + length);
    if (part !== undefined) memory.bytes.set(part, start);
    this.#push(length, done, tag);
  }

  write(
    _fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    const at = offsetBytes % (CACHE_BYTES - length);
    this.#cache?.set(memory.bytes.subarray(start, start + length), at);
    this.#push(length, done, tag);
  }

  append(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.write(fd, memory, start, length, offsetBytes, done, tag);
  }

  flush(_fd: number, done: Completion, tag: number): void {
    this.#push(0, done, tag);
  }

  zero(
    _fd: number,
    _offsetBytes: number,
    _length: number,
    _mayFree: boolean,
    done: Completion,
    tag: number,
  ): void {
    this.#push(0, done, tag);
  }

  timer(durationMs: number, done: Completion, tag: number): void {
    this.#timers.push({ dueMs: this.monotonicMs() + durationMs, done, tag });
  }

  monotonicMs(): number {
    return performance.now();
  }

  allocate(lengthBytes: number): Memory {
    return { bytes: new Uint8Array(lengthBytes), address: 0 };
  }

  open(): number {
    return 1;
  }

  size(): number {
    return DEVICE_BYTES;
  }

  truncate(): void {}

  close(): void {}
}

interface Row {
  readonly name: string;
  readonly lengthBytes: number;
  readonly isRandom: boolean;
  readonly depth: number;
  readonly totalCount: number;
}

const ROWS: readonly Row[] = [
  row("4 KiB random, depth 1", 4096, true, 1, 200_000),
  row("4 KiB random, depth 32", 4096, true, 32, 400_000),
  row("4 KiB sequential, depth 32", 4096, false, 32, 400_000),
  row("1 MiB sequential, depth 4", 1024 * 1024, false, 4, 3_000),
];

function row(
  name: string,
  lengthBytes: number,
  isRandom: boolean,
  depth: number,
  totalCount: number,
): Row {
  return { name, lengthBytes, isRandom, depth, totalCount };
}

function run(row: Row, hasCache: boolean, crc: Crc32c): string {
  const io = new InstantIo(hasCache);
  const disk = Disk.open(io, "/disk", DEVICE_BYTES);
  let nanoseconds = 0;
  const stamp = { seconds: 1, nanoseconds: 0 };
  const logger = new Logger({
    io,
    crc,
    disk,
    sizeBytes: DEVICE_BYTES,
    level: "flush",
    log: { fd: 2, sequence: 1, host: "alpha" },
    now: () => {
      nanoseconds++;
      stamp.nanoseconds = nanoseconds;
      return stamp;
    },
  });
  const blockCount = DEVICE_BYTES / row.lengthBytes;
  const memories: Memory[] = [];
  for (let slot = 0; slot < row.depth; slot++) {
    memories.push(io.allocate(row.lengthBytes));
  }
  let submitted = 0;
  let answered = 0;
  let inFlight = 0;
  const acknowledge = (): void => {
    answered++;
    inFlight--;
  };
  const startMs = performance.now();
  while (answered < row.totalCount) {
    while (inFlight < row.depth && submitted < row.totalCount) {
      const block = row.isRandom
        ? Math.floor(Math.random() * blockCount)
        : submitted % blockCount;
      const memory = memories[inFlight];
      if (memory === undefined) break;
      const request: BlockRequest = {
        kind: "write",
        offsetBytes: block * row.lengthBytes,
        lengthBytes: row.lengthBytes,
        memory,
        start: 0,
        forceUnitAccess: false,
      };
      submitted++;
      inFlight++;
      logger.submit(request, acknowledge);
    }
    logger.endOfTurn();
    io.reap();
  }
  const seconds = (performance.now() - startMs) / 1000;
  const perSecond = row.totalCount / seconds;
  const megabytes = perSecond * row.lengthBytes / 1e6;
  return `${Math.round(perSecond)} writes/s, ${Math.round(megabytes)} MB/s`;
}

const shimPath = new URL("../../build/libmars.so", import.meta.url);
const crcs: readonly [string, Crc32c][] = [
  ["shim", shimCrc32c(loadShim(shimPath))],
  ["portable", portableCrc32c],
];
for (const [crcName, crc] of crcs) {
  for (const hasCache of [false, true]) {
    for (const row of ROWS) {
      const io = hasCache ? "memory" : "instant";
      // deno-lint-ignore no-console -- a bench reports on standard output.
      console.log(
        `${row.name}, ${io}, CRC ${crcName}: ${run(row, hasCache, crc)}`,
      );
    }
  }
}
