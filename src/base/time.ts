/** Clocks and durations. */

/** The only source of time for everything that decides. */
export interface Clock {
  /** Wall clock, nanoseconds since 1970; may step. */
  realNs(): bigint;
  /** Milliseconds since an arbitrary point; never steps back. */
  monotonicMs(): number;
}

export const NS_PER_MS = 1_000_000n;
export const NS_PER_S = 1_000_000_000n;
export const MS_PER_S = 1_000;

/** The clocks of this machine. */
export const systemClock: Clock = {
  realNs(): bigint {
    // The origin has sub-millisecond digits; a number cannot hold both it and
    // nanoseconds, hence the two parts. `Date.now()` follows steps of the
    // clock, the fraction only spreads stamps inside one millisecond.
    const fractionNs = Math.floor((performance.now() % 1) * 1_000_000);
    return BigInt(Date.now()) * NS_PER_MS + BigInt(fractionNs);
  },
  monotonicMs(): number {
    return performance.now();
  },
};

/** Resolves after `durationMs`, or at once when `signal` aborts. */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, durationMs);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
