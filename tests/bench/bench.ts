// Pure
/** What each part of the bench is given, and what it gives back. */
import type { Figure } from "./figures.ts";

export interface Bench {
  /** A smoke test: everything runs, numbers mean little. */
  readonly isQuick: boolean;
  /** How often each side is measured, at most. */
  readonly rounds: number;
  /** How long a measurement by time takes. */
  readonly seconds: number;
  /** Directory for plots; undefined if none are wanted. */
  readonly plotsTo?: string;
  /** Tells whoever waits. */
  readonly note: (text: string) => void;
}

/**
 * What runs for the first time is compiled meanwhile; a daemon runs for months.
 * Both sides get so much time before anything counts.
 */
export const WARM_SECONDS = 1;

export type Measure = (bench: Bench) => Promise<Figure[]>;

/** Calls `round` for each round; every second one in reverse order. */
export async function interleave(
  rounds: number,
  sides: readonly (() => Promise<void>)[],
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? sides : sides.toReversed();
    for (const measure of order) await measure();
  }
}
