// Pure
/**
 * The Lamport clock of a host, on top of its wall clock.
 *
 *   now()        max(wall clock, newest stamp seen); does not advance
 *   observe(t)   a stamp was seen: the clock is greater from now on (I9)
 *   next()       a stamp for something new: greater than everything seen
 *
 * A stamp `FUTURE_NS_MAX` or more ahead of the wall clock is not believed: one
 * host with a wrong clock must not drag the cluster along.
 *
 * Source: `max_lamport_future` and the clock rules of MARS.
 */
import type { Clock } from "./time.ts";

/** Prescribed by MARS: 30 days. */
export const FUTURE_NS_MAX = 2_592_000n * 1_000_000_000n;

export class LamportClock {
  readonly #clock: Clock;
  #newestNs = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Not below any stamp seen. Two calls may return the same. */
  now(): bigint {
    const realNs = this.#clock.realNs();
    return realNs > this.#newestNs ? realNs : this.#newestNs;
  }

  /** Strictly greater than every stamp seen or given out. */
  next(): bigint {
    const realNs = this.#clock.realNs();
    this.#newestNs = realNs > this.#newestNs ? realNs : this.#newestNs + 1n;
    return this.#newestNs;
  }

  /** Moves past `stampNs`; returns false for one too far in the future. */
  observe(stampNs: bigint): boolean {
    if (stampNs >= this.#clock.realNs() + FUTURE_NS_MAX) return false;
    if (stampNs > this.#newestNs) this.#newestNs = stampNs;
    return true;
  }
}
