// Pure
/**
 * Logger: the write path of a primary. SKELETON of the exported contract; the
 * implementation follows in the next commits.
 */
import type {
  Acknowledge,
  BlockRequest,
  BlockTarget,
} from "../block/request.ts";
import type { Disk } from "../block/disk.ts";
import type { Io } from "../ring/io.ts";

/** When a write is acknowledged; see design.md section 5. */
export type Level = "flush" | "durable";

/** A log file to write to: open for reading and writing, empty. */
export interface LogFile {
  /** Belongs to the logger from now on: it closes it. */
  readonly fd: number;
  readonly sequence: number;
  readonly host: string;
}

/** Lamport time; may be one object that is changed by the next call. */
export interface Stamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Digests; `fold` writes 16 bytes at `target` of the same array. */
export interface Crc32c {
  crc32c(bytes: Uint8Array, start: number, length: number): number;
  fold(bytes: Uint8Array, start: number, length: number, target: number): void;
}

export interface LoggerOptions {
  readonly io: Io;
  readonly crc: Crc32c;
  /** Stays the caller's; not closed. */
  readonly disk: Disk;
  /** Bytes of the device; not more than the disk has. */
  readonly sizeBytes: number;
  readonly level: Level;
  readonly log: LogFile;
  /** Strictly increasing. */
  readonly now: () => Stamp;
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

export declare class Logger implements BlockTarget {
  constructor(options: LoggerOptions);

  /** Never acknowledges before it has returned. */
  submit(request: BlockRequest, acknowledge: Acknowledge): void;

  /** To be called once per turn, before the worker sleeps. */
  endOfTurn(): void;

  /**
   * Continues in `log`. Each call ends in a switch, or in a failure that
   * `state().logErrno` shows; then `log` was closed and a further call may name
   * another file. A call while `isRotating` is a programmer's error.
   */
  rotate(log: LogFile): void;
  get isRotating(): boolean;

  setLevel(level: Level): void;

  /** A device may grow, up to the size of the disk. */
  resize(sizeBytes: number): void;

  /**
   * Writes everything back and flushes disk and log; no new requests come.
   * errno is not 0 if acknowledged writes could not be saved because the log
   * has failed.
   */
  drain(done: Acknowledge): void;

  /** As `drain`, but leaves dirty data to recovery: only the log is flushed. */
  stop(done: Acknowledge): void;

  /** Closes the logs; only after `drain` or `stop` is done. */
  close(): void;

  state(): LoggerState;
}
