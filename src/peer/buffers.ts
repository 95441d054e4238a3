// Pure
/**
 * The buffers of one line, for bodies of answers.
 *
 *   free ──take──► lent ──giveBack──► free
 *
 * There are few of them and they are used again and again: a new one for each
 * body costs more than reading the body from a file. Who wants one while all
 * are lent waits, in order. So they also bound what a line holds of answers
 * that its peer does not take, and nobody who waits delays another line.
 */
import { assert } from "../base/assert.ts";
import { MarsError } from "../base/errors.ts";

export class Buffers {
  readonly #lengthBytes: number;
  readonly #countMax: number;
  readonly #free: Uint8Array[] = [];
  readonly #waiting = new Set<(buffer: Uint8Array) => void>();
  #count = 0;

  constructor(options: { lengthBytes: number; countMax: number }) {
    assert(options.countMax >= 1, "a line has a buffer");
    this.#lengthBytes = options.lengthBytes;
    this.#countMax = options.countMax;
  }

  /**
   * A buffer, full of anything.
   *
   * @throws MarsError when `signal` aborts first
   */
  take(signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted) return Promise.reject(canceled());
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.#count < this.#countMax) {
      this.#count++;
      return Promise.resolve(new Uint8Array(this.#lengthBytes));
    }
    return new Promise((resolve, reject) => {
      const take = (buffer: Uint8Array): void => {
        signal.removeEventListener("abort", leave);
        resolve(buffer);
      };
      const leave = (): void => {
        this.#waiting.delete(take);
        reject(canceled());
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(take);
    });
  }

  /** Takes back what `take` has lent. */
  giveBack(buffer: Uint8Array): void {
    assert(buffer.length === this.#lengthBytes, "a buffer comes back whole");
    assert(this.#free.length < this.#count, "a buffer comes back once");
    for (const take of this.#waiting) {
      this.#waiting.delete(take);
      return take(buffer);
    }
    this.#free.push(buffer);
  }
}

function canceled(): MarsError {
  return new MarsError("Call was canceled");
}
