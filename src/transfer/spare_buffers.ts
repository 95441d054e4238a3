// Pure
/**
 * Buffers of one length that are used again and again, because a new one for
 * each read costs more than what is done with it.
 *
 * How many are lent is bounded by who takes them; one who takes a buffer and
 * never gives it back has merely used a new one.
 */
import { assert } from "../base/assert.ts";

// Ours. Whoever gives one back takes the next soon; what was needed for a burst
// is let go after it.
const SPARE_MAX = 2;

export class SpareBuffers {
  readonly #lengthBytes: number;
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];

  constructor(lengthBytes: number) {
    this.#lengthBytes = lengthBytes;
  }

  /** A buffer, full of anything. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#spare.pop() ?? new Uint8Array(this.#lengthBytes);
  }

  /** Takes back what `take` has lent and nobody uses any more. */
  giveBack(buffer: Uint8Array<ArrayBuffer>): void {
    assert(buffer.length === this.#lengthBytes, "a buffer comes back whole");
    assert(!this.#spare.includes(buffer), "a buffer comes back once");
    if (this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
  }
}
