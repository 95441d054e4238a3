/**
 * A throttle: who wants to let bytes pass waits for their turn.
 *
 * Those who wait go in the order in which they came. The rate may change while
 * they wait; they keep to the new one.
 */
import { sleep } from "./time.ts";
import { TokenBucket } from "./token_bucket.ts";

// Ours. How late a change of the rate may be noticed by who waits.
const LOOK_MS = 500;

/** Like a `Throttle`; without a limit, nobody waits. */
export interface Pace {
  /** Resolves when `bytes` may pass, or when `signal` aborts. */
  pass(bytes: number, signal?: AbortSignal): Promise<void>;
}

export class Throttle implements Pace {
  readonly #bucket: TokenBucket;
  readonly #monotonicMs: () => number;
  /** Resolves when everybody who came before has passed. */
  #last: Promise<void> = Promise.resolve();
  #waitingCount = 0;

  constructor(
    monotonicMs: () => number,
    bytesPerSecond: number | undefined = undefined,
  ) {
    this.#monotonicMs = monotonicMs;
    this.#bucket = new TokenBucket(bytesPerSecond, monotonicMs());
  }

  /** Bytes per second; undefined without a limit. */
  get bytesPerSecond(): number | undefined {
    return this.#bucket.bytesPerSecond;
  }

  set bytesPerSecond(rate: number | undefined) {
    if (rate === this.#bucket.bytesPerSecond) return;
    this.#bucket.setRate(rate, this.#monotonicMs());
  }

  /** See `Pace`. */
  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      if (this.#waitingCount++ > 0) await before;
      await this.#wait(signal);
      if (signal?.aborted !== true) {
        this.#bucket.take(bytes, this.#monotonicMs());
      }
    } finally {
      this.#waitingCount--;
      resolve();
    }
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    while (signal?.aborted !== true) {
      const waitMs = this.#bucket.waitMs(this.#monotonicMs());
      if (waitMs <= 0) return;
      // Timers have whole milliseconds; one that is too early would spin.
      await sleep(Math.ceil(Math.min(waitMs, LOOK_MS)), signal);
    }
  }
}
