// Pure
/**
 * Group commit: the records of one turn become one log write.
 *
 *   append ──► filling batch ──► one write in flight ──► dirty map, answers
 *                                        └──► one flush in flight ──► answers
 *
 * Two batches: one fills while the other is written. All log writes that ended
 * before a flush began are covered by it; there is one at a time, hence one
 * flush for everything that came in while the one before was running.
 *
 * Positions are stream positions, see `open_logs.ts`.
 *
 *   durableBytes ≤ loggedBytes ≤ appendedBytes
 *
 *   (1) A record enters the dirty map when it is in the log file, before it is
 *       acknowledged. Reads see it from then on, never earlier (I2, I3).
 *   (2) Writes are in log order, one at a time: what is in the file is a prefix
 *       of what was appended, and what is durable a prefix of that (I1).
 *   (3) Bytes are made durable LOG_FLUSH_DELAY_MS after they were written, even
 *       if nobody waits for it: peers fetch durable bytes only.
 *
 * Failure. The first error of a write or a flush ends the log; nothing more is
 * written to it, and the file is cut to `loggedBytes`, so that no record remains
 * that was not acknowledged. What was not in the file stays in its batch: it
 * goes to another log (`rotation.ts`) or to the disk (`bypass.ts`), or is given
 * up and answered with the errno.
 *
 *   failed write   what is in the file is still good; it can be made durable
 *   failed flush   what is not known to be durable is suspect: the kernel may
 *                  have dropped it from its cache. No further flush is believed;
 *                  whoever waits for one waits until the data are elsewhere
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import type { Acknowledge } from "../block/request.ts";
import type { Crc32c } from "../log/checksum.ts";
import { RECORD_CODE } from "../log/record.ts";
import type { Completion, Io } from "../ring/io.ts";
import { AckQueue } from "./ack_queue.ts";
import { Batch, BATCH_RECORDS_MAX } from "./batch.ts";
import type { DirtyMap } from "./dirty_map.ts";
import { type LogFile, type OpenLog, OpenLogs } from "./open_logs.ts";

// Ours.
const LOG_FLUSH_DELAY_MS = 100;
/** Interruptions of one write that are not taken for a failure. */
const REPEATS_MAX = 16;
// Prescribed by MARS: 32 bits. A log that long (2 TB at least) ends with EFBIG,
// one batch too early.
const SEQUENCE_END = 0xffff_ffff - BATCH_RECORDS_MAX;

/** When a write is acknowledged; see the header of `logger.ts`. */
export type Level = "flush" | "durable";

export class Commit {
  /** End of what is in the log. */
  loggedBytes = 0;
  /** End of what is durable in the log. */
  durableBytes = 0;
  /** While true nothing can be appended: a rotation is under way. */
  isHeld = false;
  level: Level;
  readonly logs: OpenLogs;

  readonly #io: Io;
  readonly #crc: Crc32c;
  readonly #dirty: DirtyMap;
  #appendedBytes = 0;
  #collectedCount = 0;
  #filling: Batch;
  #spare: Batch | undefined;
  #writing: Batch | undefined = undefined;
  /** What was being written when the log ended; before what is filling. */
  #kept: Batch | undefined = undefined;
  #writtenBytes = 0;
  #repeats = 0;
  #isFlushing = false;
  #flushEndBytes = 0;
  #wantedBytes = 0;
  #hasTimer = false;
  #errno = 0;
  #isSuspect = false;
  #isGivenUp = false;
  #isCut = false;
  /** Requests whose records are not in the file yet, by end of the last. */
  readonly #unlogged = new AckQueue();
  /** The same, for those that must be durable before the answer. */
  readonly #unloggedDurable = new AckQueue();
  /** Requests that wait until the log is durable up to a position. */
  readonly #undurable = new AckQueue();
  readonly #fields = {
    sequence: 0,
    seconds: 0,
    nanoseconds: 0,
    code: RECORD_CODE.writeNew,
    offsetBytes: 0,
  };
  readonly #onWritten: Completion;
  readonly #onFlushed: Completion;
  readonly #onTimer: Completion;

  constructor(
    options: {
      readonly io: Io;
      readonly crc: Crc32c;
      readonly dirty: DirtyMap;
      readonly log: LogFile;
      readonly level: Level;
    },
  ) {
    this.#io = options.io;
    this.#crc = options.crc;
    this.#dirty = options.dirty;
    this.logs = new OpenLogs(options.io, options.log);
    this.level = options.level;
    this.#filling = new Batch(options.io);
    this.#spare = new Batch(options.io);
    this.#onWritten = (result) => this.#writeEnded(result);
    this.#onFlushed = (result) => this.#flushEnded(result);
    this.#onTimer = () => {
      this.#hasTimer = false;
      this.wantDurable(this.loggedBytes);
    };
  }

  /** 0, or why the log has ended. */
  get errno(): number {
    return this.#errno;
  }

  /** Whether what is not known to be durable may be lost. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Whether data at `position` must not be believed. */
  isSuspectAt(position: number): boolean {
    return this.#isSuspect && position >= this.durableBytes;
  }

  /** The log has ended, and what is not in it will not come anywhere else. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** Nothing is being written or flushed, nor will be by itself. */
  get isQuiet(): boolean {
    return this.#writing === undefined && !this.#isFlushing &&
      (this.#appendedBytes === this.loggedBytes || this.#errno !== 0);
  }

  /** What is not in the log that has ended, in order. */
  get keptBatches(): Batch[] {
    return [this.#kept, this.#filling].filter((batch) => batch !== undefined);
  }

  /** Acknowledgements that are owed. */
  get owedCount(): number {
    return this.#unlogged.count + this.#unloggedDurable.count +
      this.#undurable.count;
  }

  get #isFull(): boolean {
    return this.#fields.sequence >= SEQUENCE_END;
  }

  /** Whether a record with this payload can be appended now. */
  hasRoomFor(payloadLength: number): boolean {
    return this.#errno === 0 && !this.isHeld && !this.#isFull &&
      this.#filling.hasRoomFor(payloadLength) &&
      this.#dirty.hasRoomFor(this.#collectedCount + 1);
  }

  /**
   * Appends a record: the one copy of the data. `hasRoomFor` must have held.
   *
   * @param source undefined for zeroes
   */
  append(
    source: Uint8Array | undefined,
    start: number,
    payloadLength: number,
    offsetBytes: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    const fields = this.#fields;
    fields.sequence++;
    fields.seconds = seconds;
    fields.nanoseconds = nanoseconds;
    fields.offsetBytes = offsetBytes;
    const totalLength = this.#filling.append(
      source,
      start,
      payloadLength,
      fields,
      this.#crc,
    );
    this.#collectedCount++;
    this.#appendedBytes += totalLength;
  }

  /** Answers when everything appended so far is in the log, or durable. */
  answer(acknowledge: Acknowledge, mustBeDurable: boolean): void {
    if (mustBeDurable || this.level === "durable") {
      this.#unloggedDurable.push(acknowledge, this.#appendedBytes);
    } else {
      this.#unlogged.push(acknowledge, this.#appendedBytes);
    }
  }

  /** Answers when everything acknowledged so far is durable. */
  answerWhenDurable(acknowledge: Acknowledge): void {
    this.#undurable.push(acknowledge, this.loggedBytes);
    this.wantDurable(this.loggedBytes);
  }

  /** Asks for a flush; done when `durableBytes` is there or `isSuspect`. */
  wantDurable(endBytes: number): void {
    assert(endBytes <= this.loggedBytes, "only what is logged can be durable");
    if (endBytes > this.#wantedBytes) this.#wantedBytes = endBytes;
  }

  /** Once per turn: answers what can be answered, starts what can start. */
  advance(): void {
    this.#answerDurable();
    if (this.#errno === 0) {
      this.#startWrite();
      if (this.#isFull && this.isQuiet) this.#errno = ERRNO.EFBIG;
    } else if (!this.#isCut && this.#writing === undefined) {
      this.cut();
    }
    this.#startFlush();
  }

  /**
   * Cuts an ended log behind its last good record.
   *
   * @returns whether that is done
   */
  cut(): boolean {
    assert(this.#errno !== 0, "only a log that has ended is cut");
    assert(this.#writing === undefined, "nothing is written to an ended log");
    if (this.#isCut) return true;
    const log = this.#current;
    this.#isCut = this.logs.truncate(log.fd, log.inFile(this.loggedBytes));
    return this.#isCut;
  }

  /**
   * Continues in another file, which holds `recordCount` records already: what
   * is not durable in the current one, at the same stream positions. What was
   * kept follows there.
   */
  switchTo(file: LogFile, recordCount: number): void {
    assert(this.isQuiet, "a log is left when nothing is on its way");
    if (recordCount === 0) {
      assert(this.durableBytes === this.loggedBytes, "the old log is durable");
    }
    this.logs.push(file, this.durableBytes);
    this.durableBytes = this.loggedBytes;
    this.#fields.sequence = recordCount;
    for (const batch of this.keptBatches) {
      this.#fields.sequence = batch.renumber(this.#fields.sequence);
    }
    this.#errno = 0;
    this.#isSuspect = false;
    this.#isGivenUp = false;
    this.#isCut = false;
    this.isHeld = false;
  }

  /**
   * What was in doubt is durable on the disk, and nobody replays this log any
   * more: it ends, and is cut, before the doubt.
   */
  settleDoubt(): void {
    assert(this.#isSuspect, "something is in doubt");
    this.#current.endBytes = this.durableBytes;
    this.durableBytes = this.loggedBytes;
    this.#isSuspect = false;
    this.#isCut = false;
    // If it fails, each turn tries again.
    this.cut();
  }

  /** What was kept is durable on the disk. */
  answerKept(): void {
    this.#dropKept(0);
  }

  /** Nothing brings what was kept, or is in doubt, anywhere. */
  giveUp(errno: number): void {
    this.#isGivenUp = true;
    this.#dropKept(errno);
    if (this.#isSuspect) this.#undurable.failAll(errno);
  }

  /** Closes all logs; nothing may be in flight. */
  close(): void {
    assert(this.isQuiet, "no log operation is in flight");
    this.logs.close();
  }

  get #current(): OpenLog {
    return this.logs.current;
  }

  #dropKept(errno: number): void {
    assert(this.#writing === undefined, "nothing is being written");
    if (this.#kept !== undefined) this.#recycle(this.#kept);
    this.#kept = undefined;
    this.#filling.clear();
    this.#collectedCount = 0;
    this.#appendedBytes = this.loggedBytes;
    this.#unlogged.failAll(errno);
    this.#unloggedDurable.failAll(errno);
  }

  #startWrite(): void {
    if (this.#writing !== undefined) return;
    if (this.#kept !== undefined) {
      this.#writing = this.#kept;
      this.#kept = undefined;
    } else {
      if (this.#filling.lengthBytes === 0) return;
      const next = this.#spare;
      assert(next !== undefined, "one of two batches is free");
      this.#writing = this.#filling;
      this.#filling = next;
      this.#spare = undefined;
    }
    this.#writtenBytes = 0;
    this.#repeats = 0;
    this.#write(this.#writing);
  }

  #write(batch: Batch): void {
    const log = this.#current;
    this.#io.append(
      log.fd,
      batch.memory,
      this.#writtenBytes,
      batch.lengthBytes - this.#writtenBytes,
      this.loggedBytes - log.baseBytes + this.#writtenBytes,
      this.#onWritten,
      0,
    );
  }

  #writeEnded(result: number): void {
    const batch = this.#writing;
    assert(batch !== undefined, "a log write was in flight");
    // A flush has failed meanwhile: the file is cut before this.
    if (this.#errno !== 0) return this.#keep(batch);
    if (result === -ERRNO.EINTR || result === -ERRNO.EAGAIN) {
      this.#repeats++;
      if (this.#repeats <= REPEATS_MAX) return this.#write(batch);
    }
    if (result <= 0) {
      this.#errno = result === 0 ? ERRNO.EIO : -result;
      return this.#keep(batch);
    }
    this.#writtenBytes += result;
    assert(this.#writtenBytes <= batch.lengthBytes, "no more than asked for");
    if (this.#writtenBytes < batch.lengthBytes) return this.#write(batch);

    batch.noteIn(this.#dirty, this.loggedBytes);
    this.#collectedCount -= batch.recordCount;
    this.loggedBytes += batch.lengthBytes;
    assert(this.loggedBytes <= this.#appendedBytes, "I4: logged was appended");
    this.#writing = undefined;
    this.#recycle(batch);
    this.#armTimer();
    this.#answerLogged();
  }

  #answerLogged(): void {
    const loggedBytes = this.loggedBytes;
    const waiting = this.#unloggedDurable;
    while (waiting.count > 0 && waiting.firstNumber <= loggedBytes) {
      const endBytes = waiting.firstNumber;
      this.#undurable.push(waiting.shift(), endBytes);
      this.wantDurable(endBytes);
    }
    const unlogged = this.#unlogged;
    while (unlogged.count > 0 && unlogged.firstNumber <= loggedBytes) {
      unlogged.shift()(0);
    }
  }

  #startFlush(): void {
    if (this.#isFlushing || this.#isSuspect) return;
    if (this.durableBytes >= this.#wantedBytes) return;
    this.#isFlushing = true;
    this.#flushEndBytes = this.loggedBytes;
    this.#io.flush(this.#current.fd, this.#onFlushed, 0);
  }

  #flushEnded(result: number): void {
    assert(this.#isFlushing, "a flush was in flight");
    this.#isFlushing = false;
    if (result < 0) {
      this.#isSuspect = true;
      if (this.#errno === 0) this.#errno = -result;
      if (this.#isGivenUp) this.#undurable.failAll(this.#errno);
      return;
    }
    assert(this.#flushEndBytes >= this.durableBytes, "I4: durable grows");
    this.durableBytes = this.#flushEndBytes;
    assert(this.durableBytes <= this.loggedBytes, "I4: durable is logged");
    this.#armTimer();
    this.#answerDurable();
  }

  #answerDurable(): void {
    const waiting = this.#undurable;
    while (waiting.count > 0 && waiting.firstNumber <= this.durableBytes) {
      waiting.shift()(0);
    }
  }

  #armTimer(): void {
    if (this.#hasTimer || this.loggedBytes === this.durableBytes) return;
    if (this.#isSuspect || this.#wantedBytes >= this.loggedBytes) return;
    this.#hasTimer = true;
    this.#io.timer(LOG_FLUSH_DELAY_MS, this.#onTimer, 0);
  }

  #recycle(batch: Batch): void {
    batch.clear();
    this.#spare = batch;
  }

  #keep(batch: Batch): void {
    this.#writing = undefined;
    this.#kept = batch;
  }
}
