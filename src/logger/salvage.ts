// Pure
/**
 * Salvage: writes what a failed flush has left in doubt to the disk.
 *
 * The records between the durable position and the end of the failed log are
 * read back, verified one by one, and written to the disk from the memory in
 * which they were verified: the page cache, which may drop them at any moment,
 * is asked once only. At the end the disk is flushed.
 *
 *   read window ──► record by record, in order ──► … ──► flush
 *        ▲  └────────── next window ◄───────┘
 *        └──────────── again after a pause ◄── error of the disk
 *
 * The log stays as it is meanwhile. Should the daemon die, recovery finds the
 * same records, or what precedes them, and writes the same again.
 *
 * The first record that is not intact ends the attempt: it is lost, and so is
 * what is behind it.
 */
import { assert } from "../base/assert.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import type { Direct } from "./direct.ts";

// Ours. Many records; each write is bounded by `Direct`.
const WINDOW_BYTES = 256 * 1024;
const RETRY_PAUSE_MS = 1_000;

export class Salvage {
  /** "running" until all is durable on the disk, or a record is damaged. */
  outcome: "running" | "done" | "lost" = "running";
  /** 0, or why the disk does not take the data; it is tried again. */
  diskErrno = 0;

  readonly #io: Io;
  readonly #crc: Crc32c;
  readonly #transfers: Transfers;
  readonly #direct: Direct;
  readonly #fd: number;
  readonly #startBytes: number;
  readonly #endBytes: number;
  readonly #deviceSizeBytes: number;
  readonly #memory: Memory;
  #scanner: LogScanner;
  #phase: "read" | "write" | "flush" | "pause" = "read";
  /** A record was scanned and waits until it may be written. */
  #hasRecord = false;
  /** The window is used up. */
  #isWindowDone = false;
  #writingCount = 0;
  readonly #onRead: Completion;
  readonly #onWritten: (errno: number) => void;
  readonly #onFlushed: (errno: number) => void;
  readonly #onPaused: Completion;

  /** Takes `[startBytes, endBytes)` of the log `fd`. */
  constructor(
    options: {
      readonly io: Io;
      readonly crc: Crc32c;
      readonly transfers: Transfers;
      readonly direct: Direct;
      readonly fd: number;
      readonly startBytes: number;
      readonly endBytes: number;
      readonly deviceSizeBytes: number;
    },
  ) {
    assert(options.startBytes < options.endBytes, "something is in doubt");
    this.#io = options.io;
    this.#crc = options.crc;
    this.#transfers = options.transfers;
    this.#direct = options.direct;
    this.#fd = options.fd;
    this.#startBytes = options.startBytes;
    this.#endBytes = options.endBytes;
    this.#deviceSizeBytes = options.deviceSizeBytes;
    this.#memory = options.io.allocate(WINDOW_BYTES);
    this.#scanner = this.#newScanner();
    this.#onRead = (result) => this.#readEnded(result);
    this.#onWritten = (errno) => this.#writeEnded(errno);
    this.#onFlushed = (errno) => this.#flushEnded(errno);
    this.#onPaused = () => this.#begin();
    this.#begin();
  }

  /** Direct writes and flushes of ours. */
  get activeCount(): number {
    const isFlushing = this.outcome === "running" && this.#phase === "flush";
    return this.#writingCount + (isFlushing ? 1 : 0);
  }

  /** Nothing but a pause is in flight, and nothing starts but in `advance`. */
  get isQuiet(): boolean {
    return this.outcome !== "running" || this.#phase === "pause" ||
      (this.#phase === "write" && this.#writingCount === 0);
  }

  /** Once per turn: starts what may start. */
  advance(): void {
    if (this.#phase !== "write") return;
    while (this.diskErrno === 0 && !this.#isWindowDone && this.#nextRecord()) {
      const { payload, payloadStart, payloadLength, offsetBytes } =
        this.#scanner;
      if (!this.#direct.hasRoomFor(offsetBytes, payloadLength)) return;
      assert(payload === this.#memory.bytes, "our own records are not packed");
      this.#hasRecord = false;
      this.#writingCount++;
      this.#direct.write(
        this.#memory,
        payloadStart,
        payloadLength,
        offsetBytes,
        false,
        this.#onWritten,
      );
    }
    if (this.#writingCount === 0) this.#windowEnded();
  }

  #newScanner(): LogScanner {
    return new LogScanner({
      crc: this.#crc,
      startBytes: this.#startBytes,
      deviceSizeBytes: this.#deviceSizeBytes,
    });
  }

  #begin(): void {
    this.diskErrno = 0;
    this.#scanner = this.#newScanner();
    this.#readWindow();
  }

  #readWindow(): void {
    this.#phase = "read";
    this.#hasRecord = false;
    this.#isWindowDone = false;
    const startBytes = this.#scanner.positionBytes;
    this.#transfers.read(
      this.#fd,
      this.#memory,
      0,
      Math.min(WINDOW_BYTES, this.#endBytes - startBytes),
      startBytes,
      this.#onRead,
      0,
    );
  }

  #readEnded(result: number): void {
    if (result < 0) {
      this.outcome = "lost";
      return;
    }
    this.#scanner.setWindow({
      bytes: this.#memory.bytes,
      startBytes: this.#scanner.positionBytes,
      lengthBytes: result,
      endBytes: this.#endBytes,
    });
    this.#phase = "write";
    // Nothing intact where a record must be: the window would never move on.
    if (!this.#nextRecord()) this.outcome = "lost";
  }

  /** Whether there is a record to be written; false at the window's end. */
  #nextRecord(): boolean {
    this.#hasRecord ||= this.#scanner.next() === "record";
    if (!this.#hasRecord) this.#isWindowDone = true;
    return this.#hasRecord;
  }

  #writeEnded(errno: number): void {
    this.#writingCount--;
    if (errno !== 0) this.diskErrno = errno;
  }

  /** Nothing of the window is in flight any more. */
  #windowEnded(): void {
    if (this.diskErrno !== 0) return this.#pause();
    if (this.#scanner.positionBytes < this.#endBytes) return this.#readWindow();
    this.#phase = "flush";
    this.#direct.flush(this.#onFlushed);
  }

  #flushEnded(errno: number): void {
    if (errno === 0) {
      this.outcome = "done";
      return;
    }
    this.diskErrno = errno;
    this.#pause();
  }

  #pause(): void {
    this.#phase = "pause";
    this.#io.timer(RETRY_PAUSE_MS, this.#onPaused, 0);
  }
}
