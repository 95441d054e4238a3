// Pure
/**
 * Rescue: copies what a failed flush has left in doubt into a new log.
 *
 * The records between the durable position and the end of the failed log are
 * read back, verified one by one, and written to the new file as they are; only
 * their sequence numbers begin at 1 again. Lengths do not change, so each byte
 * keeps its stream position and the dirty map stays true.
 *
 *   failed log  |== durable ==|-- suspect --|
 *   new log                   |-- copies ---|-- new records …
 *
 * Old records replayed after newer ones would be a state that never was. So no
 * crash may leave records in both logs, and the first record, without which a
 * log is empty for every reader, is written last:
 *
 *   (1) all copies, but zeroes for the first: its room is taken; flush
 *   (2) the failed log is cut to its durable part, durably
 *   (3) the first copy, flush
 *
 * A crash before (2) leaves everything in the failed log, after (3) in the new
 * one. Between, what was in doubt is lost, as it might have been anyway. (3) is
 * repeated a few times, because after (2) there is no other copy.
 *
 * The first record that is not intact ends the attempt: what is behind it can
 * only be lost, and that is for recovery to say, not for a running device.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import { viewOf } from "../base/bytes.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import { RECORD_BYTES_MAX, TRAILER, TRAILER_BYTES } from "../log/record.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";

// Ours. A window of many records, behind it room for the first one.
const WINDOW_BYTES = 256 * 1024;
const REPEATS_MAX = 10;
const REPEAT_PAUSE_MS = 1_000;
export const RESCUE_MEMORY_BYTES = WINDOW_BYTES + RECORD_BYTES_MAX + 1;

export class Rescue {
  /** "running" until everything is copied and durable, or an error came. */
  outcome: "running" | "done" | "failed" = "running";
  /** Why it failed. */
  errno = 0;
  /** Records in the new log. */
  recordCount = 0;

  readonly #io: Io;
  readonly #transfers: Transfers;
  readonly #sourceFd: number;
  readonly #targetFd: number;
  readonly #startBytes: number;
  readonly #endBytes: number;
  readonly #cutSource: () => boolean;
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #scanner: LogScanner;
  #windowStart = 0;
  #windowLength = 0;
  #firstLength = 0;
  /** The failed log is cut; only the first record is missing. */
  #isCut = false;
  #repeats = 0;
  readonly #onRead: Completion;
  readonly #onWritten: Completion;
  readonly #onFlushed: Completion;
  readonly #onPaused: Completion;

  /** Copies `[startBytes, endBytes)` of `sourceFd` to the start of `targetFd`. */
  constructor(
    options: {
      readonly io: Io;
      /** `RESCUE_MEMORY_BYTES`, used until the outcome is known. */
      readonly memory: Memory;
      readonly crc: Crc32c;
      readonly transfers: Transfers;
      readonly sourceFd: number;
      readonly targetFd: number;
      readonly startBytes: number;
      readonly endBytes: number;
      readonly deviceSizeBytes: number;
      /** Cuts the failed log to its durable part; false if it could not. */
      readonly cutSource: () => boolean;
    },
  ) {
    assert(options.startBytes < options.endBytes, "there is something to copy");
    this.#io = options.io;
    this.#transfers = options.transfers;
    this.#sourceFd = options.sourceFd;
    this.#targetFd = options.targetFd;
    this.#startBytes = options.startBytes;
    this.#endBytes = options.endBytes;
    this.#cutSource = options.cutSource;
    this.#memory = options.memory;
    this.#view = viewOf(this.#memory.bytes);
    this.#scanner = new LogScanner(options);
    this.#onRead = (result) => this.#readEnded(result);
    this.#onWritten = (result) => this.#writeEnded(result);
    this.#onFlushed = (result) => this.#flushEnded(result);
    this.#onPaused = () => this.#writeFirst();
    this.#readWindow();
  }

  #readWindow(): void {
    this.#windowStart = this.#scanner.positionBytes;
    this.#windowLength = Math.min(
      WINDOW_BYTES,
      this.#endBytes - this.#windowStart,
    );
    this.#transfers.read(
      this.#sourceFd,
      this.#memory,
      0,
      this.#windowLength,
      this.#windowStart,
      this.#onRead,
      0,
    );
  }

  #readEnded(result: number): void {
    if (result < 0) return this.#fail(-result);
    const scanner = this.#scanner;
    scanner.setWindow({
      bytes: this.#memory.bytes,
      startBytes: this.#windowStart,
      lengthBytes: this.#windowLength,
      endBytes: this.#endBytes,
    });
    while (scanner.next() === "record") {
      this.recordCount++;
      const end = scanner.positionBytes - this.#windowStart;
      const sequenceAt = end - TRAILER_BYTES + TRAILER.sequence;
      this.#view.setUint32(sequenceAt, this.recordCount, true);
      if (this.recordCount === 1) this.#firstLength = scanner.totalBytes;
    }
    const length = scanner.positionBytes - this.#windowStart;
    // Nothing intact where a record must be.
    if (length === 0) return this.#fail(ERRNO.EIO);
    if (this.#windowStart === this.#startBytes) {
      this.#memory.bytes.copyWithin(WINDOW_BYTES, 0, this.#firstLength);
      this.#memory.bytes.fill(0, 0, this.#firstLength);
    }
    this.#write(0, length, this.#windowStart);
  }

  #write(start: number, length: number, sourceBytes: number): void {
    this.#transfers.write(
      this.#targetFd,
      this.#memory,
      start,
      length,
      sourceBytes - this.#startBytes,
      this.#onWritten,
      0,
    );
  }

  #writeEnded(result: number): void {
    if (result < 0) return this.#fail(-result);
    this.#continue();
  }

  #continue(): void {
    if (this.#scanner.positionBytes < this.#endBytes) return this.#readWindow();
    this.#io.flush(this.#targetFd, this.#onFlushed, 0);
  }

  #flushEnded(result: number): void {
    if (result < 0) return this.#fail(-result);
    if (this.#isCut) {
      this.outcome = "done";
      return;
    }
    if (!this.#cutSource()) return this.#fail(ERRNO.EIO);
    this.#isCut = true;
    this.#writeFirst();
  }

  #writeFirst(): void {
    this.#write(WINDOW_BYTES, this.#firstLength, this.#startBytes);
  }

  #fail(errno: number): void {
    this.#repeats++;
    if (this.#isCut && this.#repeats <= REPEATS_MAX) {
      // Writing it again makes its pages dirty again, so that a flush counts.
      this.#io.timer(REPEAT_PAUSE_MS, this.#onPaused, 0);
      return;
    }
    this.errno = errno;
    this.outcome = "failed";
  }
}
