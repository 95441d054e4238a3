/**
 * Verifies the records of a log behind what is appended to it, so that damage is
 * noticed before anybody is told of the bytes.
 *
 *   good <= checked so far <= written
 *
 * `goodBytes` is the end of the last intact record. The file is read back, once
 * and soon, while it is in the page cache.
 *
 * A log can only be read from the begin of a record on. Where that lies before
 * what was there already, that part is read first, on its own; damage there is
 * not the matter here (replay finds it), and ends the check without a verdict.
 */
import { assert } from "../base/assert.ts";
import { SyscallError } from "../base/errors.ts";
import type { Crc32c } from "../log/checksum.ts";
import { RECORD_BYTES_MAX } from "../log/record.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Verdict } from "../log/verdict.ts";
import type { FileOpener, RandomFile } from "./file.ts";

// Ours. Short enough that the main thread does other work in between.
const READ_BYTES = 512 * 1024;

export interface LogCheckOptions {
  readonly files: FileOpener;
  readonly path: string;
  readonly crc: Crc32c;
  /** Begin of a record, not behind `hadBytes`. */
  readonly startBytes: number;
  /** What was there before; nobody is told less. */
  readonly hadBytes: number;
  /** `goodBytes` has moved. */
  readonly onGood: () => void;
  /** The first damage that came with what was appended; called at most once. */
  readonly onDamage: (verdict: Verdict) => void;
}

export class LogCheck {
  readonly #options: LogCheckOptions;
  readonly #scanner: LogScanner;
  readonly #buffer = new Uint8Array(READ_BYTES + RECORD_BYTES_MAX);
  #windowStart: number;
  #windowLength = 0;
  #endBytes: number;
  #goodBytes: number;
  /** What was there before is what is being read. */
  #isOld = true;
  #isOver = false;
  /** There is no record to begin at: everything counts as good. */
  #isUnknown = false;
  #working: Promise<void> | undefined;
  #isBehind = false;

  constructor(options: LogCheckOptions) {
    const { startBytes, hadBytes, crc } = options;
    assert(startBytes <= hadBytes, "a check begins in what is there");
    this.#options = options;
    this.#windowStart = startBytes;
    this.#endBytes = hadBytes;
    this.#goodBytes = hadBytes;
    this.#scanner = new LogScanner({
      crc,
      startBytes,
      deviceSizeBytes: undefined,
    });
  }

  /** Up to here the log may be told of. */
  get goodBytes(): number {
    return this.#goodBytes;
  }

  /** So much is written now. */
  advance(endBytes: number): void {
    this.#endBytes = endBytes;
    if (this.#isUnknown) this.#goodBytes = Math.max(this.#goodBytes, endBytes);
    if (this.#isOver) return;
    this.#isBehind = true;
    this.#goOn();
  }

  #goOn(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      // What came when the work had just ended.
      if (this.#isBehind && !this.#isOver) this.#goOn();
    });
  }

  /** Resolves when everything that was written is checked. */
  async settle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    let file: RandomFile | undefined;
    try {
      file = await this.#options.files.open(this.#options.path, "read");
      while (this.#isBehind && !this.#isOver) {
        this.#isBehind = false;
        if (this.#isOld) await this.#follow(file, this.#options.hadBytes);
        this.#isOld = false;
        if (!this.#isOver) await this.#follow(file, this.#endBytes);
      }
    } catch (error) {
      // Who writes the file learns of it; nothing is known to be good.
      if (!(error instanceof SyscallError)) throw error;
      this.#isBehind = false;
    } finally {
      file?.close();
    }
  }

  async #follow(file: RandomFile, endBytes: number): Promise<void> {
    this.#show(endBytes);
    while (!this.#isOver) {
      const outcome = this.#scanner.next();
      if (outcome === "record") continue;
      if (outcome === "end") return this.#conclude();
      this.#good(this.#scanner.positionBytes);
      if (!await this.#more(file, endBytes)) return;
    }
  }

  /** Reads on behind what is left of the window; false at the end. */
  async #more(file: RandomFile, endBytes: number): Promise<boolean> {
    const { positionBytes } = this.#scanner;
    const restLength = this.#windowStart + this.#windowLength - positionBytes;
    assert(restLength >= 0, "the scanner stays in its window");
    this.#buffer.copyWithin(
      0,
      this.#windowLength - restLength,
      this.#windowLength,
    );
    this.#windowStart = positionBytes;
    this.#windowLength = restLength;
    const target = this.#buffer.subarray(
      restLength,
      restLength + Math.min(READ_BYTES, endBytes - positionBytes - restLength),
    );
    const count = await file.read(target, positionBytes + restLength);
    this.#windowLength += count;
    this.#show(endBytes);
    // Shorter than it was: somebody has cut it.
    return count > 0;
  }

  #show(endBytes: number): void {
    this.#scanner.setWindow({
      bytes: this.#buffer,
      startBytes: this.#windowStart,
      lengthBytes: this.#windowLength,
      endBytes,
    });
  }

  #conclude(): void {
    const { verdict } = this.#scanner;
    if (verdict.kind !== "damage") return this.#good(verdict.offsetBytes);
    this.#isOver = true;
    if (!this.#isOld) return this.#options.onDamage(verdict);
    this.#isUnknown = true;
    this.#good(this.#endBytes);
  }

  #good(bytes: number): void {
    if (bytes <= this.#goodBytes) return;
    this.#goodBytes = bytes;
    this.#options.onGood();
  }
}
