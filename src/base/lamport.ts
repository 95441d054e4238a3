// Pure
/**
 * The Lamport clock of a host, on top of its wall clock.
 *
 *   now()        max(wall clock, newest stamp seen); does not advance
 *   observe(t)   a stamp was seen: the clock is greater from now on (I9)
 *   hear(t)      another host told what its clock shows
 *   resume(t)    this clock, in another process, has reached t
 *   next()       a stamp for something new: greater than everything seen
 *
 * A stamp `FUTURE_NS_MAX` or more ahead of the wall clock is not believed: one
 * host with a wrong clock must not drag the cluster along. What was believed
 * once stays so: when the wall clock falls back that far, the newest stamp is
 * the better clock, and the bound counts from there. Unless another host agrees
 * with the wall clock: then it was wrong before, and is right now. The clock
 * falls back, too, and what was stamped meanwhile is to be stamped anew.
 *
 * Source: `max_lamport_future` and the clock rules of MARS.
 */
import type { Clock } from "./time.ts";

/** Prescribed by MARS: 30 days. */
export const FUTURE_NS_MAX = 2_592_000n * 1_000_000_000n;

export class LamportClock {
  readonly #clock: Clock;
  #newestNs = 0n;
  #fallCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Wall clock, nanoseconds since 1970. */
  get realNs(): bigint {
    return this.#clock.realNs();
  }

  /** How often the clock fell back: stamps may be too far in the future now. */
  get fallCount(): number {
    return this.#fallCount;
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
    const newestNs = this.#newestNs;
    if (stampNs <= newestNs) return true;
    const realBoundNs = this.#clock.realNs() + FUTURE_NS_MAX;
    const boundNs = newestNs >= realBoundNs
      ? newestNs + FUTURE_NS_MAX
      : realBoundNs;
    if (stampNs >= boundNs) return false;
    this.#newestNs = stampNs;
    return true;
  }

  /**
   * Goes on where another process of this host is: however far that is from the
   * wall clock, the bound counts from there.
   */
  resume(stampNs: bigint): void {
    if (stampNs > this.#newestNs) this.#newestNs = stampNs;
  }

  /** Like `observe`, for what the clock of another host shows now. */
  hear(stampNs: bigint): boolean {
    const realNs = this.#clock.realNs();
    const isFar = this.#newestNs >= realNs + FUTURE_NS_MAX;
    const agrees = stampNs > realNs - FUTURE_NS_MAX &&
      stampNs < realNs + FUTURE_NS_MAX;
    if (isFar && agrees) {
      this.#newestNs = realNs;
      this.#fallCount++;
    }
    return this.observe(stampNs);
  }
}
