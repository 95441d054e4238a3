// Pure
/**
 * The best rates of late: how fast fetch and replay can go, for those who want to
 * know how long something would take while nothing moves.
 *
 * They count as long as nothing is faster for two periods in which something
 * moved; idle times do not count. Small changes are not told.
 */
import { parseCount } from "../tree/values.ts";

/** Names of the links below `actual-<host>`; KiB per second. */
export const BEST_FETCH = "best-file_rate";
export const BEST_REPLAY = "best-replay_rate";

// Ours. A line that has become slow is known as such after this.
const PERIOD_MS = 3_600_000;
// Ours. Each change is a link to all hosts, and an estimate is no more exact.
const CHANGE = 1.25;

export class BestRate {
  #told: number;
  /** Of this period and the one before; both in KiB per second. */
  #now = 0;
  #before: number;
  #endsAtMs = -Infinity;

  /** @param link as an earlier daemon has left it */
  constructor(link: string | undefined) {
    this.#told = parseCount(link ?? "") ?? 0;
    this.#before = this.#told;
  }

  /** Takes the rate of now; gives back what is to be told. */
  observe(rateKib: number, nowMs: number): number {
    if (rateKib > 0 && nowMs >= this.#endsAtMs) {
      // The first period of a daemon has none before it.
      if (this.#endsAtMs !== -Infinity) this.#before = this.#now;
      this.#now = 0;
      this.#endsAtMs = nowMs + PERIOD_MS;
    }
    this.#now = Math.max(this.#now, rateKib);
    const best = Math.max(this.#now, this.#before);
    const isNew = best > this.#told * CHANGE || best * CHANGE < this.#told;
    if (isNew) this.#told = best;
    return this.#told;
  }
}
