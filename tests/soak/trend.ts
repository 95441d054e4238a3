// Pure
/**
 * Trend: does a measure grow while nothing but time passes?
 *
 * Samples of the warm-up are left out: the first fifth. Of the rest, the median
 * of the last quarter is compared with the median of the first quarter, so
 * that peaks (a collection of garbage that is due, a log that is about to be
 * deleted) do not count. It grows if it is above
 *
 *   first * (1 + share) + slack
 *
 * A leak of one unit per cycle of the load passes the bounds below within
 * minutes; noise of a machine that does other things does not.
 */

/** What is measured of a daemon, and how much it may vary. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Of what it was. */
  readonly share: number;
  readonly slack: number;
}

/** How much is tolerated, by what was seen in runs of ten minutes. */
export const MEASURES = {
  // The engine keeps what it has freed for a while.
  memory: { name: "memory", unit: "MB", share: 0.1, slack: 12 },
  files: { name: "open files", unit: "", share: 0, slack: 6 },
  // The runtime keeps as many in its pool as it has needed at once.
  threads: { name: "threads", unit: "", share: 0, slack: 6 },
  // Messages come and go; each rotation brings seven until logs are deleted.
  links: { name: "links", unit: "", share: 0, slack: 25 },
  // Between a rotation and the deletion of its log there may be two handovers.
  logs: { name: "files in the tree", unit: "", share: 0, slack: 5 },
  logBytes: { name: "bytes of logs", unit: "MB", share: 0.25, slack: 40 },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

export interface Trend {
  readonly first: number;
  readonly last: number;
  readonly limit: number;
  readonly isGrowing: boolean;
}

/** Ours. Fewer samples have no quarters worth a median. */
export const SAMPLES_MIN = 20;

const WARM_UP_SHARE = 0.2;

/** @param samples of one measure, in their order, at equal distances */
export function trendOf(
  samples: readonly number[],
  { share, slack }: Measure,
): Trend {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP_SHARE));
  const quarter = Math.max(1, Math.floor(warm.length / 4));
  const first = medianOf(warm.slice(0, quarter));
  const last = medianOf(warm.slice(-quarter));
  const limit = first * (1 + share) + slack;
  return { first, last, limit, isGrowing: last > limit };
}

/** The middle one; 0 of none. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
