// Pure
/**
 * A token bucket: how many bytes may pass in the long run, and how many at once.
 *
 *   tokens   come at the rate, up to BURST_MS of it; one is one byte
 *   take     takes tokens, also such as are not there yet: then there is a debt
 *   waitMs   how long until there is no debt; who waits so long before each
 *            `take` keeps to the rate
 *
 * In any time the bucket lets pass at most what comes in that time, one burst
 * and one piece. Without a rate nobody waits, and nothing is remembered.
 */
import { assert } from "./assert.ts";
import { MS_PER_S } from "./time.ts";

// Ours. Covers timers that come late; not felt by others on the same line.
export const BURST_MS = 100;

export class TokenBucket {
  #bytesPerSecond: number | undefined;
  /** May be negative, which is a debt. */
  #tokens = 0;
  #atMs: number;

  /** @param bytesPerSecond undefined for no limit */
  constructor(bytesPerSecond: number | undefined, nowMs: number) {
    this.#atMs = nowMs;
    this.setRate(bytesPerSecond, nowMs);
  }

  /** Bytes per second; undefined without a limit. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** From now on. A debt is paid at the new rate. */
  setRate(bytesPerSecond: number | undefined, nowMs: number): void {
    if (bytesPerSecond !== undefined) {
      assert(bytesPerSecond > 0, "a rate is positive");
    }
    this.#refill(nowMs);
    if (this.#bytesPerSecond === undefined) this.#tokens = 0;
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = Math.min(this.#tokens, this.#burst());
  }

  /** So many bytes pass now. */
  take(bytes: number, nowMs: number): void {
    assert(bytes >= 0, "bytes that pass are not negative");
    this.#refill(nowMs);
    if (this.#bytesPerSecond !== undefined) this.#tokens -= bytes;
  }

  /** How long until something may pass again; 0: now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    if (this.#bytesPerSecond === undefined || this.#tokens >= 0) return 0;
    return -this.#tokens * MS_PER_S / this.#bytesPerSecond;
  }

  #burst(): number {
    return (this.#bytesPerSecond ?? 0) * BURST_MS / MS_PER_S;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
    if (this.#bytesPerSecond === undefined) return;
    const come = this.#bytesPerSecond * elapsedMs / MS_PER_S;
    this.#tokens = Math.min(this.#tokens + come, this.#burst());
  }
}
