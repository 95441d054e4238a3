// Pure
/**
 * Simulated Io: files in memory, one seed, one step at a time.
 *
 * An operation takes effect and completes at a random time after its submission,
 * so that operations in flight overtake each other as in a ring; an append may
 * take effect at once and complete later. Reads and writes may be short. A hook
 * injects errors. Time passes only in `step`.
 *
 * `crashed` gives the world as a crash at this moment would leave it, without
 * touching this one; so one run can be checked at each of its steps:
 *
 *   "kill"   the process dies: what was written stays in the page cache.
 *            Operations in flight took effect, in part, or not
 *   "power"  in addition the page cache is lost, see `file.ts`
 */
import { assert } from "../../src/base/assert.ts";
import { ERRNO, SyscallError } from "../../src/base/errors.ts";
import type { Completion, Io, Memory, OpenMode } from "../../src/ring/io.ts";
import { SIM_SECTOR_BYTES, SimFile } from "./file.ts";
import { Random } from "./random.ts";

/** What an injector sees. */
export interface SimOperation {
  readonly kind: "read" | "write" | "flush" | "zero" | "truncate";
  readonly path: string;
  readonly offsetBytes: number;
  readonly length: number;
}

export interface SimOptions {
  readonly seed: number;
  /** Longest time from submission to completion. */
  readonly latencyMsMax?: number;
  /** Probability that a read or write is short. */
  readonly shortShare?: number;
  /** Whether files are disks that can be written past the page cache. */
  readonly hasDirect?: boolean;
}

interface Pending {
  readonly kind: SimOperation["kind"] | "timer" | "finished";
  readonly dueMs: number;
  readonly fd: number;
  readonly memory: Memory | undefined;
  readonly start: number;
  readonly length: number;
  readonly offsetBytes: number;
  /** Of the file when a flush began; result of what has finished. */
  readonly number: number;
  readonly done: Completion;
  readonly tag: number;
}

export class SimIo implements Io {
  /** Returns an errno, or 0 to let the operation pass. */
  inject: ((operation: SimOperation) => number) | undefined = undefined;
  /** Whether a failed flush also drops the pages from the cache. */
  dropsOnFailedFlush = false;
  /** Whether a power cut may leave half a sector. Replay repairs that. */
  tearsSectors = true;

  readonly #random: Random;
  readonly #latencyMsMax: number;
  readonly #shortShare: number;
  readonly #hasDirect: boolean;
  readonly #files = new Map<string, SimFile>();
  readonly #openPaths = new Map<number, string>();
  #pending: Pending[] = [];
  #nowMs = 0;
  #nextFd = 3;

  constructor(options: SimOptions) {
    this.#random = new Random(options.seed);
    this.#latencyMsMax = options.latencyMsMax ?? 2;
    this.#shortShare = options.shortShare ?? 0;
    this.#hasDirect = options.hasDirect ?? false;
  }

  /** Makes a file whose content is durable. */
  create(path: string, content: Uint8Array): void {
    this.#files.set(path, new SimFile(content));
  }

  /** What a reader of the file sees. */
  content(path: string): Uint8Array {
    return this.#fileAt(path).content();
  }

  get openCount(): number {
    return this.#openPaths.size;
  }

  /** Operations in flight, without timers. */
  get inFlightCount(): number {
    return this.#pending.filter(({ kind }) => kind !== "timer").length;
  }

  /** Completes the operation that is due next; false if there is none. */
  step(): boolean {
    const next = this.#pending.reduce<Pending | undefined>(
      (first, other) =>
        first === undefined || other.dueMs < first.dueMs ? other : first,
      undefined,
    );
    if (next === undefined) return false;
    this.#pending = this.#pending.filter((other) => other !== next);
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.done(this.#perform(next), next.tag);
    return true;
  }

  /** The world as a crash at this moment leaves it. */
  crashed(kind: "kill" | "power", seed: number): SimIo {
    const random = new Random(seed);
    const io = new SimIo({ seed: random.below(2 ** 31) });
    for (const [path, file] of this.#files) io.#files.set(path, file.copy());
    for (const operation of this.#pending) {
      if (operation.kind === "write" || operation.kind === "zero") {
        const partLength = random.below(operation.length + 1);
        const length = random.chance(0.5)
          ? operation.length
          : this.tearsSectors
          ? partLength
          : partLength - partLength % SIM_SECTOR_BYTES;
        if (random.chance(0.5)) continue;
        const path = this.#pathOf(operation.fd);
        io.#fileAt(path).write(
          bytesOf(operation, length),
          operation.offsetBytes,
        );
      }
    }
    if (kind === "kill") return io;
    for (const [path, file] of io.#files) {
      io.#files.set(path, file.afterPowerCut(random, this.tearsSectors));
    }
    return io;
  }

  read(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#submit("read", fd, memory, start, length, offsetBytes, 0, done, tag);
  }

  write(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#submit("write", fd, memory, start, length, offsetBytes, 0, done, tag);
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
    if (this.#random.chance(0.5)) {
      return this.write(fd, memory, start, length, offsetBytes, done, tag);
    }
    const result = this.#perform({
      kind: "write",
      dueMs: 0,
      fd,
      memory,
      start,
      length,
      offsetBytes,
      number: 0,
      done,
      tag,
    });
    this.#submit("finished", fd, undefined, 0, 0, 0, result, done, tag);
  }

  flush(fd: number, done: Completion, tag: number): void {
    const { stamp } = this.#fileAt(this.#pathOf(fd));
    this.#submit("flush", fd, undefined, 0, 0, 0, stamp, done, tag);
  }

  zero(
    fd: number,
    offsetBytes: number,
    length: number,
    _mayFree: boolean,
    done: Completion,
    tag: number,
  ): void {
    this.#submit(
      "zero",
      fd,
      undefined,
      0,
      length,
      offsetBytes,
      0,
      done,
      tag,
    );
  }

  timer(durationMs: number, done: Completion, tag: number): void {
    this.#pending.push({
      kind: "timer",
      dueMs: this.#nowMs + durationMs,
      fd: -1,
      memory: undefined,
      start: 0,
      length: 0,
      offsetBytes: 0,
      number: 0,
      done,
      tag,
    });
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  allocate(lengthBytes: number): Memory {
    return { bytes: new Uint8Array(lengthBytes), address: 0 };
  }

  open(path: string, mode: OpenMode = "readwrite"): number {
    if (!this.#files.has(path)) {
      throw new SyscallError("open", path, ERRNO.ENOENT);
    }
    if (mode === "direct" && !this.#hasDirect) {
      throw new SyscallError("open", path, ERRNO.EINVAL);
    }
    const fd = this.#nextFd++;
    this.#openPaths.set(fd, path);
    return fd;
  }

  size(fd: number): number {
    return this.#fileAt(this.#pathOf(fd)).sizeBytes;
  }

  truncate(fd: number, lengthBytes: number): void {
    const path = this.#pathOf(fd);
    const errno = this.inject?.({
      kind: "truncate",
      path,
      offsetBytes: lengthBytes,
      length: 0,
    }) ?? 0;
    if (errno !== 0) throw new SyscallError("truncate", path, errno);
    this.#fileAt(path).truncate(lengthBytes);
  }

  close(fd: number): void {
    this.#pathOf(fd);
    const isUsed = this.#pending.some((operation) => operation.fd === fd);
    assert(!isUsed, "no operation is in flight on what is closed");
    this.#openPaths.delete(fd);
  }

  #submit(
    kind: Pending["kind"],
    fd: number,
    memory: Memory | undefined,
    start: number,
    length: number,
    offsetBytes: number,
    number: number,
    done: Completion,
    tag: number,
  ): void {
    this.#pathOf(fd);
    assert(
      memory === undefined || start + length <= memory.bytes.length,
      "an operation stays inside its memory",
    );
    this.#pending.push({
      kind,
      dueMs: this.#nowMs + this.#random.next() * this.#latencyMsMax,
      fd,
      memory,
      start,
      length,
      offsetBytes,
      number,
      done,
      tag,
    });
  }

  #perform(operation: Pending): number {
    const { kind, length, offsetBytes } = operation;
    if (kind === "timer") return 0;
    if (kind === "finished") return operation.number;
    const path = this.#pathOf(operation.fd);
    const file = this.#fileAt(path);
    const errno = this.inject?.({ kind, path, offsetBytes, length }) ?? 0;
    if (errno !== 0) {
      if (kind === "flush") {
        file.failFlush(operation.number, this.dropsOnFailedFlush);
      }
      return -errno;
    }
    switch (kind) {
      case "flush":
        file.flush(operation.number);
        return 0;
      case "zero":
        file.write(bytesOf(operation, length), offsetBytes);
        return 0;
      case "write": {
        const count = this.#shortened(length, offsetBytes);
        file.write(bytesOf(operation, count), offsetBytes);
        return count;
      }
      case "read": {
        const { memory, start } = operation;
        assert(memory !== undefined, "a read has memory");
        const count = this.#shortened(length, offsetBytes);
        return file.read(
          memory.bytes.subarray(start, start + count),
          offsetBytes,
        );
      }
      case "truncate":
        throw new Error("truncate is synchronous");
    }
  }

  /** A disk is short by whole sectors only, else it would tear them. */
  #shortened(length: number, offsetBytes: number): number {
    const isAligned = length % SIM_SECTOR_BYTES === 0 &&
      offsetBytes % SIM_SECTOR_BYTES === 0;
    const unit = isAligned ? SIM_SECTOR_BYTES : 1;
    if (length <= unit || !this.#random.chance(this.#shortShare)) return length;
    return unit * (1 + this.#random.below(length / unit - 1));
  }

  #fileAt(path: string): SimFile {
    const file = this.#files.get(path);
    assert(file !== undefined, "the file exists");
    return file;
  }

  #pathOf(fd: number): string {
    const path = this.#openPaths.get(fd);
    assert(path !== undefined, "the file is open");
    return path;
  }
}

/** What a write or zero writes. */
function bytesOf(operation: Pending, length: number): Uint8Array {
  const { memory, start } = operation;
  return memory === undefined
    ? new Uint8Array(length)
    : memory.bytes.subarray(start, start + length);
}
