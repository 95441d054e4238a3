/**
 * The Lamport clock of a worker: stamps for records, as two numbers.
 *
 * Same rules as `base/lamport.ts`, without a `bigint` per record: a stamp is
 * the wall clock in milliseconds, or one nanosecond more than the newest stamp
 * given out or seen. What comes from the daemon has been judged there.
 */

/** One object that the next call changes. */
export interface Stamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const MS_PER_S = 1_000;
const NS_PER_MS = 1_000_000;
const NS_PER_S = 1_000_000_000;

/** Gives strictly increasing stamps. */
export class StampSource {
  readonly #wallMs: () => number;
  readonly #newest = { seconds: 0, nanoseconds: 0 };

  /** @param wallMs milliseconds since 1970; may step */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** A stamp greater than all before. */
  next(): Stamp {
    const newest = this.#newest;
    const wallMs = this.#wallMs();
    const seconds = Math.floor(wallMs / MS_PER_S);
    const nanoseconds = Math.floor((wallMs - seconds * MS_PER_S) * NS_PER_MS);
    const isNewer = seconds > newest.seconds ||
      (seconds === newest.seconds && nanoseconds > newest.nanoseconds);
    if (isNewer) {
      newest.seconds = seconds;
      newest.nanoseconds = nanoseconds;
    } else if (++newest.nanoseconds === NS_PER_S) {
      newest.nanoseconds = 0;
      newest.seconds++;
    }
    return newest;
  }

  /** A stamp was seen: what `next` gives is greater (I9). */
  observe(stampNs: bigint): void {
    if (stampNs <= this.newestNs()) return;
    this.#newest.seconds = Number(stampNs / BigInt(NS_PER_S));
    this.#newest.nanoseconds = Number(stampNs % BigInt(NS_PER_S));
  }

  /** The newest stamp given out or seen, nanoseconds. */
  newestNs(): bigint {
    const { seconds, nanoseconds } = this.#newest;
    return BigInt(seconds) * BigInt(NS_PER_S) + BigInt(nanoseconds);
  }
}
