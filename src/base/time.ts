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

/** Ours: nobody asks a million times in a millisecond. */
const TICK_NS = 1n;

/** The clocks of this machine. */
class SystemClock implements Clock {
  #lastNs = 0n;

  /**
   * Follows steps of the wall clock in both directions. It tells milliseconds;
   * inside one of them every call is later than the one before.
   */
  realNs(): bigint {
    const nowNs = BigInt(Date.now()) * NS_PER_MS;
    const nextNs = this.#lastNs + TICK_NS;
    const isSameMs = nextNs >= nowNs && nextNs < nowNs + NS_PER_MS;
    this.#lastNs = isSameMs ? nextNs : nowNs;
    return this.#lastNs;
  }

  monotonicMs(): number {
    return performance.now();
  }
}

export const systemClock: Clock = new SystemClock();

/** A moment of the week. */
export interface WeekTime {
  /** 0 is Monday. */
  readonly day: number;
  readonly minute: number;
}

/** The moment of the week, where this machine is. @param realNs see `Clock` */
export function weekTimeOf(realNs: bigint): WeekTime {
  const date = new Date(Number(realNs / NS_PER_MS));
  return {
    day: (date.getDay() + 6) % 7,
    minute: date.getHours() * 60 + date.getMinutes(),
  };
}

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
