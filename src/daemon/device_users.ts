/**
 * When it is looked who has a device open: when that changes, soon again while
 * it is in the way of what is desired, and seldom else. Looking at every process
 * of the machine costs milliseconds, so that is only done when it is in the way.
 */

// Ours. Somebody waits for it, and closes what is named.
const IN_THE_WAY_MS = 2_000;
const SELDOM_MS = 30_000;

export interface DeviceUse {
  readonly openCount: number;
  /** The device shall be there. */
  readonly isWanted: boolean;
}

export class DeviceUsers {
  readonly #look: (isThorough: boolean) => string;
  readonly #monotonicMs: () => number;
  #text = "";
  #seen = "";
  #lookAtMs = -Infinity;

  constructor(options: {
    /** Who has it open, in words. */
    look: (isThorough: boolean) => string;
    monotonicMs: () => number;
  }) {
    this.#look = options.look;
    this.#monotonicMs = options.monotonicMs;
  }

  /** Somebody wants to know: the next look is due. */
  ask(): void {
    this.#lookAtMs = -Infinity;
  }

  /** Who has it open; empty if nobody has, or nobody is seen. */
  text({ openCount, isWanted }: DeviceUse): string {
    const seen = `${openCount} ${isWanted}`;
    const nowMs = this.#monotonicMs();
    if (openCount === 0) {
      this.#text = "";
    } else if (seen !== this.#seen || nowMs >= this.#lookAtMs) {
      this.#text = this.#look(!isWanted);
      this.#lookAtMs = nowMs + (isWanted ? SELDOM_MS : IN_THE_WAY_MS);
    }
    this.#seen = seen;
    return this.#text;
  }
}
