// Pure
/**
 * Turns: copying the disk and replay never run at the same time; they take
 * turns, so that logs can be deleted although a copy takes days.
 *
 *   sync ──── the interval is over ────► replay
 *        ◄─── the interval is over, or nothing is left to replay
 *
 * Source: `sync_flip_interval_sec` of MARS.
 */

/** Prescribed by MARS; a smaller value switches the turns off. */
export const FLIP_S_MIN = 8;
export const FLIP_S = 60;

const MS_PER_S = 1_000;

export class SyncTurns {
  #isReplay = false;
  #sinceMs = -Infinity;

  /** Whether replay has its turn. */
  isReplay(
    nowMs: number,
    { isSyncing, intervalS }: {
      readonly isSyncing: boolean;
      readonly intervalS: number;
    },
  ): boolean {
    const isOff = intervalS < FLIP_S_MIN;
    // The time counts in which there is something to interrupt.
    const isIdle = !this.#isReplay && !isSyncing;
    if (isOff || isIdle) {
      this.#isReplay = false;
      this.#sinceMs = nowMs;
    } else if (nowMs - this.#sinceMs >= intervalS * MS_PER_S) {
      this.#isReplay = !this.#isReplay;
      this.#sinceMs = nowMs;
    }
    return this.#isReplay;
  }

  /** Nothing is left to replay: the copy goes on. */
  give(nowMs: number): void {
    if (!this.#isReplay) return;
    this.#isReplay = false;
    this.#sinceMs = nowMs;
  }
}
