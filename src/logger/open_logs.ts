// Pure
/**
 * Open logs: the files of a logger's stream, the one that is written and those
 * before it that may still be read.
 *
 * Positions are stream positions: the logs laid end to end. A log begins at
 * `baseBytes` of the stream, the first at 0.
 */
import { assert, AssertionError } from "../base/assert.ts";
import { SyscallError } from "../base/errors.ts";
import type { Io } from "../ring/io.ts";

// Ours.
/** Logs that were left and are not yet written back; 1 without failures. */
export const OLD_LOGS_MAX = 8;

/** A log file to write to: open for reading and writing, empty. */
export interface LogFile {
  /** Belongs to the logger from now on: it closes it. */
  readonly fd: number;
  readonly sequence: number;
  readonly host: string;
}

/** A log of the stream. */
export class OpenLog {
  readonly fd: number;
  readonly sequence: number;
  /** Stream position of its first byte. */
  readonly baseBytes: number;
  /** Stream position where it ends although the stream goes on. */
  endBytes = Infinity;
  /** Reads in flight on `fd`; it is not closed before they have ended. */
  readersCount = 0;

  constructor(file: LogFile, baseBytes: number) {
    this.fd = file.fd;
    this.sequence = file.sequence;
    this.baseBytes = baseBytes;
  }

  /** Where a stream position lies in the file. */
  inFile(position: number): number {
    return Math.min(position, this.endBytes) - this.baseBytes;
  }
}

export class OpenLogs {
  readonly #io: Io;
  #current: OpenLog;
  readonly #olds: OpenLog[] = [];

  constructor(io: Io, file: LogFile) {
    this.#io = io;
    this.#current = new OpenLog(file, 0);
  }

  get current(): OpenLog {
    return this.#current;
  }

  /** Logs before the current one that are still open. */
  get oldCount(): number {
    return this.#olds.length;
  }

  /** Which log holds the byte at a stream position. */
  at(position: number): OpenLog {
    if (position >= this.#current.baseBytes) return this.#current;
    for (let index = this.#olds.length - 1; index >= 0; index--) {
      const old = this.#olds[index];
      if (old !== undefined && position >= old.baseBytes) return old;
    }
    throw new AssertionError("The position is in no open log");
  }

  /** Continues the stream in another file. */
  push(file: LogFile, baseBytes: number): void {
    assert(this.#olds.length < OLD_LOGS_MAX, "few logs are open");
    this.#olds.push(this.#current);
    this.#current = new OpenLog(file, baseBytes);
  }

  /**
   * Closes the oldest log if everything in it was written back and nobody reads
   * it; returns whether it did.
   */
  closeOldest(writtenBackBytes: number): boolean {
    const oldest = this.#olds[0];
    if (oldest === undefined || oldest.readersCount > 0) return false;
    const { baseBytes: endBytes } = this.#olds[1] ?? this.#current;
    if (writtenBackBytes < endBytes) return false;
    this.#olds.shift();
    this.#io.close(oldest.fd);
    return true;
  }

  /** Whether a log could be cut to `lengthBytes`. */
  truncate(fd: number, lengthBytes: number): boolean {
    try {
      this.#io.truncate(fd, lengthBytes);
      return true;
    } catch (error) {
      // A broken file system; the next rotation tries again.
      if (error instanceof SyscallError) return false;
      throw error;
    }
  }

  /** Closes all logs; nothing may be in flight. */
  close(): void {
    while (this.closeOldest(Infinity));
    assert(this.#olds.length === 0, "nobody reads an old log");
    this.#io.close(this.#current.fd);
  }
}
