// Pure
/**
 * Reader: the bytes of a log in order, one window ahead.
 *
 * Two areas of memory take turns. While one is scanned the next is read. What
 * is left of a window, the beginning of a record, is copied in front of the
 * next window, so that every record lies in one piece.
 *
 *   area   | carry | window |      carry holds the largest record
 *
 * The file may be shorter than announced; then reading ends there until
 * `setEnd` is called again.
 */
import { assert } from "../base/assert.ts";
import { RECORD_BYTES_MAX } from "../log/record.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";

/** Ours. 512 KiB: two of it keep memory small; more gained nothing. */
const WINDOW_BYTES = 512 * 1024;
const CARRY_BYTES = 32 * 1024;
const AREA_BYTES = CARRY_BYTES + WINDOW_BYTES;

/** Memory that a reader needs. */
export const READER_BYTES = 2 * AREA_BYTES;

/** Follows one log file from a position to an end that may move on. */
export class Reader {
  readonly #io: Io;
  readonly #fd: number;
  readonly #memory: Memory;
  readonly #onChange: () => void;
  /** Position up to which the log may be read. */
  #endBytes: number;
  /** Position of the byte at `#limit`: the next one to be handed out. */
  #loadedBytes: number;
  /** Position behind the last byte that was read. */
  #readBytes: number;
  #start = CARRY_BYTES;
  #limit = CARRY_BYTES;
  /** The area that is being scanned: 0 or 1. */
  #area = 0;
  /** Bytes in the other area. */
  #aheadLength = 0;
  #isReading = false;
  #errno = 0;
  #isAtEndOfFile = false;
  /** The read in flight belongs to a past position. */
  #isStale = false;

  readonly #onRead: Completion = (result) => this.#arrived(result);

  /** `memory` holds `READER_BYTES` from 0 for the reader. */
  constructor(
    options: {
      io: Io;
      fd: number;
      memory: Memory;
      startBytes: number;
      endBytes: number;
      onChange: () => void;
    },
  ) {
    assert(CARRY_BYTES >= RECORD_BYTES_MAX, "carry holds the largest record");
    this.#io = options.io;
    this.#fd = options.fd;
    this.#memory = options.memory;
    this.#onChange = options.onChange;
    this.#endBytes = options.endBytes;
    this.#loadedBytes = options.startBytes;
    this.#readBytes = options.startBytes;
    this.#readAhead();
  }

  /** What can be scanned: from `start` to `limit` in `bytes`. */
  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }

  get start(): number {
    return this.#start;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Position of the byte at `start`. */
  get positionBytes(): number {
    return this.#loadedBytes - (this.#limit - this.#start);
  }

  /** Whether nothing will come behind `limit` unless the end moves. */
  get isAtEnd(): boolean {
    return !this.#isReading && this.#aheadLength === 0 &&
      (this.#isAtEndOfFile || this.#readBytes >= this.#endBytes);
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** Positive errno of a failed read; reading has ended then. */
  get errno(): number {
    return this.#errno;
  }

  /** Bytes from `start` were used. */
  advance(length: number): void {
    this.#start += length;
    assert(this.#start <= this.#limit, "no more is used than was read");
  }

  /**
   * Puts more behind what is left between `start` and `limit`; returns false if
   * there is nothing yet.
   */
  more(): boolean {
    if (this.#aheadLength === 0) {
      this.#readAhead();
      return false;
    }
    const restLength = this.#limit - this.#start;
    assert(restLength <= CARRY_BYTES, "rest is part of one record");
    this.#area = 1 - this.#area;
    const windowStart = this.#area * AREA_BYTES + CARRY_BYTES;
    this.bytes.copyWithin(
      windowStart - restLength,
      this.#start,
      this.#limit,
    );
    this.#start = windowStart - restLength;
    this.#limit = windowStart + this.#aheadLength;
    this.#loadedBytes += this.#aheadLength;
    this.#aheadLength = 0;
    this.#readAhead();
    return true;
  }

  /** The log may be read up to here from now on. */
  setEnd(endBytes: number): void {
    assert(endBytes >= this.#endBytes, "the end of a log does not move back");
    this.#endBytes = endBytes;
    this.#isAtEndOfFile = false;
    this.#readAhead();
  }

  /** Forgets everything and begins again at `positionBytes`. */
  rewind(positionBytes: number): void {
    this.#isStale = this.#isReading;
    this.#aheadLength = 0;
    this.#start = this.#area * AREA_BYTES + CARRY_BYTES;
    this.#limit = this.#start;
    this.#loadedBytes = positionBytes;
    this.#readBytes = positionBytes;
    this.#isAtEndOfFile = false;
    this.#readAhead();
  }

  #readAhead(): void {
    if (this.#isReading || this.#aheadLength > 0) return;
    if (this.#errno !== 0 || this.#isAtEndOfFile) return;
    const length = Math.min(WINDOW_BYTES, this.#endBytes - this.#readBytes);
    if (length <= 0) return;
    this.#isReading = true;
    this.#io.read(
      this.#fd,
      this.#memory,
      (1 - this.#area) * AREA_BYTES + CARRY_BYTES,
      length,
      this.#readBytes,
      this.#onRead,
      0,
    );
  }

  #arrived(result: number): void {
    this.#isReading = false;
    if (this.#isStale) {
      this.#isStale = false;
      this.#readAhead();
    } else if (result > 0) {
      this.#aheadLength = result;
      this.#readBytes += result;
    } else if (result === 0) {
      this.#isAtEndOfFile = true;
    } else {
      this.#errno = -result;
    }
    this.#onChange();
  }
}
