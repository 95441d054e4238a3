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
 *   bypass.ts     without a log: emergency mode
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
 * are never failed for that. Nor are they if the log fails: they wait until they
 * may go to the disk, or a rotation has led to another file; reads go on. Only
 * if acknowledged data are lost with the log, writes and flushes get its errno.
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
import type { Io } from "../ring/io.ts";
import { AckQueue } from "./ack_queue.ts";
import { Bypass, type BypassMode } from "./bypass.ts";
import { Commit, type Level } from "./commit.ts";
import { DIRTY_EXTENTS_MAX, DirtyMap } from "./dirty_map.ts";
import type { LogFile } from "./open_logs.ts";
import { Reads } from "./reads.ts";
import { Rotation } from "./rotation.ts";
import { Writeback } from "./writeback.ts";
import { type Stamp, Writes } from "./writes.ts";

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
  /** 0 logging, 1 all is on the disk and writers wait, 2 without a log. */
  readonly bypass: number;
  readonly writeCount: number;
  readonly writeBytes: number;
  readonly readCount: number;
  readonly readBytes: number;
  /** Extents that are in the log and not yet on the disk. */
  readonly dirtyCount: number;
}

type Ending = {
  readonly kind: "drain" | "stop";
  readonly done: Acknowledge;
};

export class Logger implements BlockTarget {
  readonly #disk: Disk;
  readonly #dirty: DirtyMap;
  readonly #commit: Commit;
  readonly #reads: Reads;
  readonly #writeback: Writeback;
  readonly #bypass: Bypass;
  readonly #rotation: Rotation;
  readonly #writes: Writes;
  #sizeBytes: number;
  /** Answers that are known already; the number is the errno. */
  readonly #known = new AckQueue();
  #hasNew = false;
  #ending: Ending | undefined = undefined;
  #isClosed = false;
  #isHungUp = false;
  #writeCount = 0;
  #writeBytes = 0;
  #readCount = 0;
  #readBytes = 0;

  constructor(options: LoggerOptions) {
    const { io, crc, disk, log, level } = options;
    assert(options.sizeBytes <= disk.sizeBytes, "the device fits its disk");
    this.#disk = disk;
    this.#sizeBytes = options.sizeBytes;
    const dirty = new DirtyMap(options.dirtyExtentsMax ?? DIRTY_EXTENTS_MAX);
    const transfers = new Transfers(io);
    const commit = new Commit({ io, crc, dirty, log, level });
    const writeback = new Writeback({ io, disk, dirty, commit, transfers });
    this.#dirty = dirty;
    this.#commit = commit;
    this.#writeback = writeback;
    this.#reads = new Reads({ disk, dirty, commit, transfers });
    const parts = { io, crc, transfers, commit, writeback };
    const bypass = new Bypass({ ...parts, disk, dirty });
    this.#bypass = bypass;
    this.#rotation = new Rotation({ ...parts, bypass });
    this.#writes = new Writes({ commit, bypass, now: options.now });
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
        this.#writeCount++;
        this.#writeBytes += request.lengthBytes;
        this.#writes.submit(request, acknowledge);
        return;
      case "flush":
        this.#submitFlush(acknowledge);
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
      if (this.#isHungUp) this.#writes.giveUp();
      this.#writeback.isUrged = this.#rotation.isActive ||
        this.#bypass.isActive || this.#commit.logs.oldCount > 0 ||
        this.#ending?.kind === "drain";
      this.#writeback.advance();
      this.#bypass.advance({
        isRotating: this.#rotation.isActive,
        deviceSizeBytes: this.#sizeBytes,
      });
      this.#rotation.advance(this.#sizeBytes);
      this.#commit.advance();
      this.#writes.advance();
      this.#bypass.direct.advance();
      this.#reads.advance();
      this.#commit.advance();
    } while (this.#hasNew || stepCount !== this.#stepCount);
    this.#checkEnding();
  }

  /**
   * Continues in `log`, one that `mayRotateTo` allows. Ends in a switch, and ends
   * a bypass, or in a failure: then `logErrno` stays, the file was closed, and a
   * further call may name another one. A call while `isRotating` is a
   * programmer's error.
   */
  rotate(log: LogFile): void {
    assert(!this.#isClosed, "the logger is open");
    this.#rotation.start(log);
  }

  /** Reads and writes so far. */
  get requestCount(): number {
    return this.#readCount + this.#writeCount;
  }

  get isRotating(): boolean {
    return this.#rotation.isActive;
  }

  /**
   * Whether a log of this number may come next: a later one, and behind a hole
   * in the numbers as soon as the disk may have data that are in no log.
   */
  mayRotateTo(sequence: number): boolean {
    return this.#bypass.mayRotateTo(sequence);
  }

  /** See `bypass.ts`; a log that fails prepares without being told. */
  setBypass(mode: BypassMode): void {
    this.#bypass.setMode(mode);
  }

  /**
   * All clients are gone: whoever waits for a permission, or for a log that has
   * ended, gets an error. What was acknowledged is not touched.
   */
  hangUp(): void {
    this.#isHungUp = true;
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
    assert(this.#bypass.isQuiet, "no direct write is in flight");
    assert(this.#reads.activeCount === 0, "no read is in flight");
    this.#isClosed = true;
    this.#commit.close();
  }

  /** Number of the log that is written, or was written last. */
  get logSequence(): number {
    return this.#commit.logs.current.sequence;
  }

  /** As in `state`. */
  get bypass(): number {
    return this.#bypass.level;
  }

  state(): LoggerState {
    const { logs, loggedBytes, durableBytes } = this.#commit;
    const { writtenBackBytes } = this.#writeback;
    const writtenBack = logs.at(writtenBackBytes);
    return {
      logSequence: this.logSequence,
      loggedBytes: logs.current.inFile(loggedBytes),
      durableBytes: logs.current.inFile(durableBytes),
      writtenBackSequence: writtenBack.sequence,
      writtenBackBytes: writtenBack.inFile(writtenBackBytes),
      inFlight: this.#inFlight,
      diskErrno: this.#writeback.errno || this.#bypass.errno,
      logErrno: this.#commit.errno,
      bypass: this.bypass,
      writeCount: this.#writeCount,
      writeBytes: this.#writeBytes,
      readCount: this.#readCount,
      readBytes: this.#readBytes,
      dirtyCount: this.#dirty.count,
    };
  }

  /** Counts what may let something else go on. */
  get #stepCount(): number {
    return this.#writeback.sweepCount + this.#rotation.stepCount +
      this.#bypass.stepCount;
  }

  get #inFlight(): number {
    return this.#writes.count + this.#known.count + this.#commit.owedCount +
      this.#bypass.owedCount + this.#reads.activeCount;
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

  #submitFlush(acknowledge: Acknowledge): void {
    const errno = this.#bypass.takeUntoldErrno();
    if (errno !== 0) {
      this.#known.push(acknowledge, errno);
    } else if (this.#bypass.hasDirect) {
      this.#bypass.direct.flush(acknowledge);
    } else if (this.#commit.isSuspect && this.#commit.isGivenUp) {
      this.#known.push(acknowledge, this.#commit.errno);
    } else {
      this.#commit.answerWhenDurable(acknowledge);
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
    if (ending.kind === "drain") return;
    this.#writeback.isHalted = true;
    this.#bypass.isHalted = true;
    // It would wait for the writeback, or for a flush of the disk.
    this.#rotation.halt();
  }

  #checkEnding(): void {
    const ending = this.#ending;
    if (ending === undefined || this.#rotation.isActive) return;
    const commit = this.#commit;
    if (!commit.isQuiet || this.#inFlight > 0) return;
    if (!this.#writeback.isQuiet || !this.#bypass.isQuiet) return;
    const isDraining = ending.kind === "drain";
    if (!this.#bypass.finish()) return;
    if (!commit.isSuspect) {
      if (commit.durableBytes < commit.loggedBytes) {
        commit.wantDurable(commit.loggedBytes);
        commit.advance();
        return;
      }
      if (isDraining && !this.#writeback.isComplete) return;
    } else if (isDraining && !commit.isGivenUp) {
      return; // What is in doubt may still reach the disk.
    }
    this.#ending = undefined;
    const errno = this.#bypass.takeUntoldErrno();
    ending.done(commit.isSuspect ? commit.errno : errno);
  }
}
