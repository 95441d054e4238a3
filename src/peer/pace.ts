// Pure
/**
 * What a line keeps to: how fast its bytes may pass, in each direction.
 *
 * A line passes bytes in pieces. Before each it asks how long to wait; then it
 * tells how much has passed. Several buckets may bound one direction, for a
 * host as a whole and for one peer; the strictest of them counts. Lines that
 * share a bucket take turns, because each leaves a debt behind.
 *
 * What is counted is what TLS carries, without its own overhead.
 */
import { MS_PER_S } from "../base/time.ts";
import type { TokenBucket } from "../base/token_bucket.ts";

/** One direction of a line. */
export interface Pace {
  /** How long to wait before the next piece; 0: not at all. */
  waitMs(): number;
  /** So many bytes at once, at most. */
  pieceBytes(): number;
  /** A piece has passed. */
  pass(bytes: number): void;
}

/** Both directions of a line. */
export interface LinePace {
  readonly sending: Pace;
  readonly receiving: Pace;
}

// Ours. Pieces of a tenth of a second keep a slow line alive and even.
const PIECE_MS = 100;
const PIECE_BYTES_MIN = 512;

/** Keeps to all of `buckets`, and counts. */
export class BucketPace implements Pace {
  readonly #buckets: readonly TokenBucket[];
  readonly #monotonicMs: () => number;
  readonly #count: (bytes: number) => void;

  constructor(
    options: {
      buckets: readonly TokenBucket[];
      monotonicMs: () => number;
      count: (bytes: number) => void;
    },
  ) {
    this.#buckets = options.buckets;
    this.#monotonicMs = options.monotonicMs;
    this.#count = options.count;
  }

  /** See `Pace`. */
  waitMs(): number {
    const nowMs = this.#monotonicMs();
    let waitMs = 0;
    for (const bucket of this.#buckets) {
      waitMs = Math.max(waitMs, bucket.waitMs(nowMs));
    }
    return waitMs;
  }

  /** See `Pace`. */
  pieceBytes(): number {
    let bytes = Infinity;
    for (const { bytesPerSecond } of this.#buckets) {
      if (bytesPerSecond === undefined) continue;
      bytes = Math.min(bytes, bytesPerSecond * PIECE_MS / MS_PER_S);
    }
    return Math.max(PIECE_BYTES_MIN, Math.floor(bytes));
  }

  /** See `Pace`. */
  pass(bytes: number): void {
    const nowMs = this.#monotonicMs();
    for (const bucket of this.#buckets) bucket.take(bytes, nowMs);
    this.#count(bytes);
  }
}
