// Pure
/**
 * How many reads of one transfer are in flight: many on a quick line, few on a
 * slow one.
 *
 *   starts at 1; a quick read: one more, up to a bound
 *                a slow read:  half as many, at least 1
 *
 * Many resources share one line, and what one asks for the others wait for. If
 * each asked for all it can hold, then on a slow line the calls of those that
 * came last would time out before their turn, again and again.
 */
import { assert } from "../base/assert.ts";

// Ours. Eight reads of 1 MiB keep a line of 50 ms and 1 Gbit/s busy and are the
// memory that one fetch may hold.
export const READS_MAX = 8;

// Ours. Far above any round trip, far below the time limit of a call.
export const SLOW_READ_MS = 10_000;

export class ReadWindow {
  readonly #bound: number;
  #readsMax = 1;

  constructor(bound = READS_MAX) {
    this.#bound = bound;
  }

  /** How many may be in flight now. */
  get readsMax(): number {
    return this.#readsMax;
  }

  /** A read was answered after so long, waiting for its turn included. */
  adapt(tookMs: number): void {
    this.#readsMax = tookMs < SLOW_READ_MS
      ? Math.min(this.#readsMax + 1, this.#bound)
      : Math.max(Math.floor(this.#readsMax / 2), 1);
    assert(this.#readsMax >= 1, "a transfer never stands still");
  }
}
