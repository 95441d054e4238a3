/**
 * How large a disk is. Disks seldom grow, so that is looked at now and then;
 * soon when somebody asks, for who has made one grow tells the daemon to look.
 */
import { MarsError } from "../base/errors.ts";

// Ours.
const MEASURE_MS = 10_000;
const MEASURE_MS_MIN = 1_000;

export interface DiskSizeOptions {
  /** Bytes of a disk. @throws MarsError */
  readonly measureDisk: (path: string) => Promise<number>;
  readonly monotonicMs: () => number;
  /** It has another size than before. */
  readonly wake: () => void;
}

export class DiskSize {
  readonly #options: DiskSizeOptions;
  #bytes = 0;
  #measuredAtMs = -Infinity;
  #isAsked = false;
  #measuring: Promise<void> | undefined;

  constructor(options: DiskSizeOptions) {
    this.#options = options;
  }

  /** 0 while it is not known. */
  get bytes(): number {
    return this.#bytes;
  }

  get isIdle(): boolean {
    return this.#measuring === undefined;
  }

  /** The next look is due soon. */
  ask(): void {
    this.#isAsked = true;
  }

  /** @param path of the disk; undefined if none is open */
  look(path: string | undefined): void {
    if (path === undefined) {
      this.#bytes = 0;
      // At once when it is opened again.
      this.#measuredAtMs = -Infinity;
      return;
    }
    const nowMs = this.#options.monotonicMs();
    const pauseMs = this.#isAsked ? MEASURE_MS_MIN : MEASURE_MS;
    if (this.#measuring || nowMs < this.#measuredAtMs + pauseMs) return;
    this.#measuredAtMs = nowMs;
    this.#isAsked = false;
    this.#measuring = this.#measure(path);
  }

  async finished(): Promise<void> {
    await this.#measuring;
  }

  async #measure(path: string): Promise<void> {
    const { measureDisk, wake } = this.#options;
    try {
      const bytes = await measureDisk(path);
      if (bytes !== this.#bytes) wake();
      this.#bytes = bytes;
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      // The worker tells what is wrong with the disk.
      this.#bytes = 0;
    } finally {
      this.#measuring = undefined;
    }
  }
}
