// Pure
/**
 * Rescue: copies what a failed flush has left in doubt into a new log.
 *
 * The records between the durable position and the end of the failed log are
 * read back, verified one by one, and written to the new file as they are; only
 * their sequence numbers begin at 1 again. Lengths do not change, so each byte
 * keeps its stream position and the dirty map stays true. Then the new file is
 * made durable.
 *
 *   failed log  |== durable ==|-- suspect --|
 *   new log                   |-- copies ---|-- new records …
 *
 * The first record that is not intact ends the attempt: what is behind it can
 * only be lost, and that is for recovery to say, not for a running device.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import { viewOf } from "../base/bytes.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import { TRAILER, TRAILER_BYTES } from "../log/record.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";

// Ours. Several records of the greatest length.
export const RESCUE_WINDOW_BYTES = 256 * 1024;

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
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #scanner: LogScanner;
  #windowStart = 0;
  #windowLength = 0;
  readonly #onRead: Completion;
  readonly #onWritten: Completion;
  readonly #onFlushed: Completion;

  /** Copies `[startBytes, endBytes)` of `sourceFd` to the start of `targetFd`. */
  constructor(
    options: {
      readonly io: Io;
      /** Room for a window; used until the outcome is known. */
      readonly memory: Memory;
      readonly crc: Crc32c;
      readonly transfers: Transfers;
      readonly sourceFd: number;
      readonly targetFd: number;
      readonly startBytes: number;
      readonly endBytes: number;
      readonly deviceSizeBytes: number;
    },
  ) {
    assert(options.startBytes < options.endBytes, "there is something to copy");
    this.#io = options.io;
    this.#transfers = options.transfers;
    this.#sourceFd = options.sourceFd;
    this.#targetFd = options.targetFd;
    this.#startBytes = options.startBytes;
    this.#endBytes = options.endBytes;
    this.#memory = options.memory;
    this.#view = viewOf(this.#memory.bytes);
    this.#scanner = new LogScanner(options);
    this.#onRead = (result) => this.#readEnded(result);
    this.#onWritten = (result) => this.#writeEnded(result);
    this.#onFlushed = (result) => this.#flushEnded(result);
    this.#readWindow();
  }

  #readWindow(): void {
    this.#windowStart = this.#scanner.positionBytes;
    this.#windowLength = Math.min(
      RESCUE_WINDOW_BYTES,
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
    }
    const length = scanner.positionBytes - this.#windowStart;
    // Nothing intact where a record must be.
    if (length === 0) return this.#fail(ERRNO.EIO);
    this.#transfers.write(
      this.#targetFd,
      this.#memory,
      0,
      length,
      this.#windowStart - this.#startBytes,
      this.#onWritten,
      0,
    );
  }

  #writeEnded(result: number): void {
    if (result < 0) return this.#fail(-result);
    if (this.#scanner.positionBytes < this.#endBytes) return this.#readWindow();
    this.#io.flush(this.#targetFd, this.#onFlushed, 0);
  }

  #flushEnded(result: number): void {
    if (result < 0) return this.#fail(-result);
    this.outcome = "done";
  }

  #fail(errno: number): void {
    this.errno = errno;
    this.outcome = "failed";
  }
}
