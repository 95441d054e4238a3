// Pure
/**
 * Logger: the write path of a primary, from request to log to disk.
 *
 *   submit ──► records of the batch ──► log file ──► acknowledged
 *                                          └──► dirty map ──► writeback ──► disk
 *
 *   commit.ts     batches, log writes, flushes; failure of a log
 *   dirty_map.ts  what is in the log and not yet on the disk
 *   reads.ts      reads through the dirty map
 *   writeback.ts  dirty data to the disk
 *   rotation.ts   from one log to the next
 *
 * What a request means (levels: see design):
 *
 *   write        cut at multiples of 4096 bytes of the device, each piece is a
 *                record. Acknowledged when the last one is in the log; with
 *                level "durable" or FUA, when it is durable there
 *   writeZeroes  the same with zeroes
 *   flush        acknowledged when everything acknowledged before is durable
 *   discard      advisory: success, nothing is done, nothing is replicated
 *   read         see `reads.ts`
 *
 * Writes that find no room in the batch or in the dirty map wait in order; they
 * are never failed for that. Once a log has ended they fail with its errno
 * until a rotation has led to another file; reads go on. Flushes fail if data
 * may be lost.
 *
 * Nothing is acknowledged before `submit` has returned. Acknowledgements come
 * out of completions of `Io` and out of `endOfTurn`.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import { SECTOR_BYTES } from "../block/extent_map.ts";
import type {
  Acknowledge,
  BlockRequest,
  BlockTarget,
} from "../block/request.ts";
import { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import { PAYLOAD_BYTES_MAX } from "../log/record.ts";
import type { Io } from "../ring/io.ts";
import { AckQueue } from "./ack_queue.ts";
import { Commit, type Level, type LogFile } from "./commit.ts";
import { DIRTY_EXTENTS_MAX, DirtyMap } from "./dirty_map.ts";
import { Reads } from "./reads.ts";
import { Rotation } from "./rotation.ts";
import { Writeback } from "./writeback.ts";

/** Lamport time; may be one object that the next call changes. */
export interface Stamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface LoggerOptions {
  readonly io: Io;
  readonly crc: Crc32c;
  /** Stays the caller's: is not closed. */
  readonly disk: Disk;
  /** Bytes of the device; not more than the disk has. */
  readonly sizeBytes: number;
  readonly level: Level;
  readonly log: LogFile;
  /** Strictly increasing. */
  readonly now: () => Stamp;
  /** Bound of the dirty map; `DIRTY_EXTENTS_MAX` if absent. */
  readonly dirtyExtentsMax?: number;
}

/** The logger's part of `Actual`; fields as there. */
export interface LoggerState {
  readonly logSequence: number;
  readonly loggedBytes: number;
  readonly durableBytes: number;
  readonly writtenBackSequence: number;
  readonly writtenBackBytes: number;
  readonly inFlight: number;
  readonly diskErrno: number;
  readonly logErrno: number;
  readonly writeCount: number;
  readonly writeBytes: number;
  readonly readCount: number;
  readonly readBytes: number;
  /** Extents that are in the log and not yet on the disk. */
  readonly dirtyCount: number;
}

/** A write of which not all records are collected. */
interface WaitingWrite {
  readonly request: BlockRequest;
  readonly acknowledge: Acknowledge;
  readonly seconds: number;
  readonly nanoseconds: number;
  collectedBytes: number;
}

type Ending = {
  readonly kind: "drain" | "stop";
  readonly done: Acknowledge;
};

export class Logger implements BlockTarget {
  readonly #disk: Disk;
  readonly #now: () => Stamp;
  readonly #dirty: DirtyMap;
  readonly #commit: Commit;
  readonly #reads: Reads;
  readonly #writeback: Writeback;
  readonly #rotation: Rotation;
  #sizeBytes: number;
  readonly #waiting: WaitingWrite[] = [];
  /** Answers that are known already; the number is the errno. */
  readonly #known = new AckQueue();
  #hasNew = false;
  #ending: Ending | undefined = undefined;
  #isClosed = false;
  #writeCount = 0;
  #writeBytes = 0;
  #readCount = 0;
  #readBytes = 0;

  constructor(options: LoggerOptions) {
    const { io, crc, disk, log, level } = options;
    assert(options.sizeBytes <= disk.sizeBytes, "the device fits its disk");
    this.#disk = disk;
    this.#now = options.now;
    this.#sizeBytes = options.sizeBytes;
    const dirty = new DirtyMap(options.dirtyExtentsMax ?? DIRTY_EXTENTS_MAX);
    const transfers = new Transfers(io);
    const commit = new Commit({ io, crc, dirty, log, level });
    const writeback = new Writeback({ io, disk, dirty, commit, transfers });
    this.#dirty = dirty;
    this.#commit = commit;
    this.#writeback = writeback;
    this.#reads = new Reads({ disk, dirty, commit, transfers });
    this.#rotation = new Rotation({ io, crc, transfers, commit, writeback });
  }

  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    assert(!this.#isClosed, "the logger is open");
    this.#hasNew = true;
    switch (request.kind) {
      case "read":
        this.#checkRange(request);
        this.#readCount++;
        this.#readBytes += request.lengthBytes;
        this.#reads.submit(request, acknowledge);
        return;
      case "write":
      case "writeZeroes":
        this.#checkRange(request);
        this.#submitWrite(request, acknowledge);
        return;
      case "flush":
        if (this.#commit.isSuspect) {
          this.#known.push(acknowledge, this.#commit.errno);
        } else {
          this.#commit.answerWhenDurable(acknowledge);
        }
        return;
      case "discard":
        this.#known.push(acknowledge, 0);
        return;
    }
  }

  /** To be called once per turn, before the worker sleeps. */
  endOfTurn(): void {
    assert(!this.#isClosed, "the logger is open");
    if (this.#hasNew) this.#writeback.noteForeground();
    // Answers may bring new requests, and the end of a sweep or a rotation lets
    // others go on; nothing may be left lying until something else happens.
    let stepCount: number;
    do {
      stepCount = this.#stepCount;
      this.#hasNew = false;
      this.#answerKnown();
      this.#writeback.isUrged = this.#rotation.isActive ||
        this.#commit.oldCount > 0 || this.#ending?.kind === "drain";
      this.#writeback.advance();
      this.#rotation.advance(this.#sizeBytes);
      this.#commit.advance();
      this.#collectWaiting();
      this.#reads.advance();
      this.#commit.advance();
    } while (this.#hasNew || stepCount !== this.#stepCount);
    this.#checkEnding();
  }

  /**
   * Continues in `log`, a later one. Ends in a switch, or in a failure: then
   * `logErrno` stays, the file was closed, and a further call may name another
   * one. A call while `isRotating` is a programmer's error.
   */
  rotate(log: LogFile): void {
    assert(!this.#isClosed, "the logger is open");
    this.#rotation.start(log);
  }

  get isRotating(): boolean {
    return this.#rotation.isActive;
  }

  /** Holds for requests that are collected from now on. */
  setLevel(level: Level): void {
    this.#commit.level = level;
  }

  /** A device may grow, up to the size of its disk. */
  resize(sizeBytes: number): void {
    assert(sizeBytes >= this.#sizeBytes, "a device does not shrink");
    assert(sizeBytes <= this.#disk.sizeBytes, "the device fits its disk");
    this.#sizeBytes = sizeBytes;
  }

  /**
   * Writes everything back and flushes disk and log; no new requests come.
   * Waits as long as the disk fails. The errno is not 0 if acknowledged data
   * are suspect because a flush of the log has failed.
   */
  drain(done: Acknowledge): void {
    this.#end({ kind: "drain", done });
  }

  /**
   * As `drain`, but leaves dirty data to recovery: flushes only the log. May
   * replace a drain that a failing disk holds up; that is not answered then.
   */
  stop(done: Acknowledge): void {
    this.#end({ kind: "stop", done });
  }

  /** Closes the logs; only after `drain` or `stop` is done. */
  close(): void {
    assert(!this.#isClosed, "the logger is closed once");
    assert(this.#ending === undefined, "draining or stopping is done");
    assert(this.#writeback.isQuiet, "no writeback is in flight");
    assert(this.#reads.activeCount === 0, "no read is in flight");
    this.#isClosed = true;
    this.#commit.close();
  }

  state(): LoggerState {
    const { current, loggedBytes, durableBytes } = this.#commit;
    const { writtenBackBytes } = this.#writeback;
    const writtenBack = this.#commit.logAt(writtenBackBytes);
    return {
      logSequence: current.sequence,
      loggedBytes: loggedBytes - current.baseBytes,
      durableBytes: durableBytes - current.baseBytes,
      writtenBackSequence: writtenBack.sequence,
      writtenBackBytes: writtenBackBytes - writtenBack.baseBytes,
      inFlight: this.#inFlight,
      diskErrno: this.#writeback.errno,
      logErrno: this.#commit.errno,
      writeCount: this.#writeCount,
      writeBytes: this.#writeBytes,
      readCount: this.#readCount,
      readBytes: this.#readBytes,
      dirtyCount: this.#dirty.count,
    };
  }

  /** Counts what may let something else go on. */
  get #stepCount(): number {
    return this.#writeback.sweepCount + this.#rotation.stepCount;
  }

  get #inFlight(): number {
    return this.#waiting.length + this.#known.count +
      this.#commit.owedCount + this.#reads.activeCount;
  }

  #checkRange(request: BlockRequest): void {
    const { offsetBytes, lengthBytes } = request;
    assert(lengthBytes > 0, "a request has a length");
    assert(offsetBytes % SECTOR_BYTES === 0, "a request starts at a sector");
    assert(lengthBytes % SECTOR_BYTES === 0, "a request ends at a sector");
    assert(offsetBytes >= 0, "a request starts inside the device");
    assert(
      offsetBytes + lengthBytes <= this.#sizeBytes,
      "a request ends inside the device",
    );
  }

  #submitWrite(request: BlockRequest, acknowledge: Acknowledge): void {
    this.#writeCount++;
    this.#writeBytes += request.lengthBytes;
    if (this.#commit.errno !== 0) {
      this.#known.push(acknowledge, this.#commit.errno);
      return;
    }
    // Taken when the request comes in, before it may have to wait.
    const { seconds, nanoseconds } = this.#now();
    let collectedBytes = 0;
    if (this.#waiting.length === 0) {
      collectedBytes = this.#collect(request, 0, seconds, nanoseconds);
      if (collectedBytes === request.lengthBytes) {
        this.#commit.answer(acknowledge, request.forceUnitAccess);
        return;
      }
    }
    this.#waiting.push({
      request,
      acknowledge,
      seconds,
      nanoseconds,
      collectedBytes,
    });
  }

  /** Appends records as long as there is room; returns the new progress. */
  #collect(
    request: BlockRequest,
    collectedBytes: number,
    seconds: number,
    nanoseconds: number,
  ): number {
    const commit = this.#commit;
    const source = request.kind === "write" ? request.memory.bytes : undefined;
    let progress = collectedBytes;
    while (progress < request.lengthBytes) {
      const offsetBytes = request.offsetBytes + progress;
      const length = Math.min(
        PAYLOAD_BYTES_MAX - offsetBytes % PAYLOAD_BYTES_MAX,
        request.lengthBytes - progress,
      );
      if (!commit.hasRoomFor(length)) break;
      commit.append(
        source,
        request.start + progress,
        length,
        offsetBytes,
        seconds,
        nanoseconds,
      );
      progress += length;
    }
    return progress;
  }

  #collectWaiting(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      const { errno } = this.#commit;
      if (errno !== 0) {
        this.#waiting.shift();
        first.acknowledge(errno);
        continue;
      }
      const { request, seconds, nanoseconds } = first;
      first.collectedBytes = this.#collect(
        request,
        first.collectedBytes,
        seconds,
        nanoseconds,
      );
      if (first.collectedBytes < request.lengthBytes) return;
      this.#waiting.shift();
      this.#commit.answer(first.acknowledge, request.forceUnitAccess);
    }
  }

  #answerKnown(): void {
    while (this.#known.count > 0) {
      const errno = this.#known.firstNumber;
      this.#known.shift()(errno);
    }
  }

  #end(ending: Ending): void {
    assert(!this.#isClosed, "the logger is open");
    const isReplaced = this.#ending?.kind === "drain" && ending.kind === "stop";
    assert(this.#ending === undefined || isReplaced, "the logger ends once");
    this.#ending = ending;
    this.#writeback.isHalted = ending.kind === "stop";
  }

  #checkEnding(): void {
    const ending = this.#ending;
    if (ending === undefined || this.#rotation.isActive) return;
    const commit = this.#commit;
    if (!commit.isQuiet || this.#inFlight > 0) return;
    if (!this.#writeback.isQuiet) return;
    if (!commit.isSuspect) {
      if (commit.durableBytes < commit.loggedBytes) {
        commit.wantDurable(commit.loggedBytes);
        commit.advance();
        return;
      }
      if (ending.kind === "drain" && !this.#writeback.isComplete) return;
    }
    this.#ending = undefined;
    ending.done(commit.isSuspect ? commit.errno : 0);
  }
}
