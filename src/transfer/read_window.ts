// Pure
/**
 * How many reads of one transfer are in flight: as many as the line holds.
 *
 *   starts at 1, or at READS_SURE where reads are small at first
 *   a read as quick as the quickest   one more, up to a bound
 *   a read that waited in a queue     as many, or one less
 *   a slow read                       half as many, at least 1
 *
 * While the line is not full, more reads in flight take no longer each; from
 * then on they only wait for each other, and hold memory. Many resources share
 * one line, and what one asks for the others wait for: if each asked for all it
 * can hold, then on a slow line the calls of those that came last would time out
 * before their turn, again and again.
 *
 * Source: congestion avoidance of TCP Vegas.
 */
import { assert } from "../base/assert.ts";

// Ours. Reads of 1 MiB: a line of 300 ms and 1 Gbit/s; this much memory a fetch
// holds only on such a line.
export const READS_MAX = 40;

// Ours. Far above any round trip, far below the time limit of a call.
export const SLOW_READ_MS = 10_000;

// Ours. Twice as long as the quickest one: the line is full. The addition keeps
// small reads of a quick line from being compared by chance.
const FULL_FACTOR = 2;
const CROWDED_FACTOR = 4;
const CHANCE_MS = 50;
// Ours. So many in flight are worth it on every line that is not slow.
export const READS_SURE = 4;

export class ReadWindow {
  readonly #bound: number;
  #readsMax: number;
  #quickestMs = Infinity;

  constructor(bound = READS_MAX, start = 1) {
    this.#bound = bound;
    this.#readsMax = start;
  }

  /** How many may be in flight now. */
  get readsMax(): number {
    return this.#readsMax;
  }

  /** A read was answered after so long, waiting for its turn included. */
  adapt(tookMs: number): void {
    this.#quickestMs = Math.min(this.#quickestMs, tookMs);
    this.#readsMax = this.#next(tookMs);
    assert(this.#readsMax >= 1, "a transfer never stands still");
  }

  #next(tookMs: number): number {
    if (tookMs >= SLOW_READ_MS) {
      return Math.max(Math.floor(this.#readsMax / 2), 1);
    }
    const isEmpty = this.#readsMax < READS_SURE ||
      tookMs <= FULL_FACTOR * this.#quickestMs + CHANCE_MS;
    if (isEmpty) {
      return Math.min(this.#readsMax + 1, this.#bound);
    }
    return tookMs <= CROWDED_FACTOR * this.#quickestMs + CHANCE_MS
      ? this.#readsMax
      : Math.max(this.#readsMax - 1, READS_SURE);
  }
}
