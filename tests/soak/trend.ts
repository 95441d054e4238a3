// Pure
/**
 * Trend: does a measure grow while nothing but time passes?
 *
 *   steady   counts. Samples of the warm-up are left out: the first fifth. Of
 *            the rest, the median of the last quarter is compared with that of
 *            the first, so that peaks (a log that is about to be deleted) do
 *            not count. It grows if it is above `first * (1 + share) + slack`
 *   floor    memory, of which a part is garbage that is still to be collected.
 *            Only the second half counts. It is cut into four windows; the
 *            minimum of a window is what really is in use then. The slope is
 *            the median of those between any two windows, so that one of them
 *            may be anything. It grows if the slope, over the second half,
 *            makes more than `slack`
 *   bound    what may be anything below `slack`
 *
 * The slack is what was seen where nothing leaks. In ten minutes it is noticed
 * if per minute memory grows by 2 MB or the heap by 0.4 MB, and if each cycle of
 * the load leaves an open file or a thread; on a calm machine, which has 40 of
 * them in that time, also if it leaves a link. The longer a run, the less of a
 * leak per minute passes.
 */

/** What is measured of a daemon, and how much it may vary. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly kind: "steady" | "floor" | "bound";
  /** Of what it was; only where it is steady. */
  readonly share: number;
  readonly slack: number;
}

/** How much is tolerated, by what was seen in runs of ten minutes. */
export const MEASURES = {
  // The allocator keeps what it has freed for a while: up to 6 MB were seen.
  memory: { name: "memory", unit: "MB", kind: "floor", share: 0, slack: 10 },
  // More and more code is compiled, 1 MB in ten minutes; objects are not kept.
  heap: { name: "heap", unit: "MB", kind: "floor", share: 0, slack: 2 },
  files: { name: "open files", unit: "", kind: "steady", share: 0, slack: 6 },
  // The kernel has one or two more for a ring that is busy.
  threads: { name: "threads", unit: "", kind: "steady", share: 0, slack: 3 },
  // The runtime has at most so many for system calls that wait, and keeps as
  // many as it has ever needed at once while they have something to do.
  pool: {
    name: "threads of the pool",
    unit: "",
    kind: "bound",
    share: 0,
    slack: 33,
  },
  // Each rotation brings seven until logs are deleted.
  links: { name: "links", unit: "", kind: "steady", share: 0, slack: 20 },
  // Between a rotation and the deletion of its log there may be two handovers.
  logs: {
    name: "files in the tree",
    unit: "",
    kind: "steady",
    share: 0,
    slack: 5,
  },
  logBytes: {
    name: "bytes of logs",
    unit: "MB",
    kind: "steady",
    share: 0.25,
    slack: 40,
  },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

export interface Trend {
  readonly first: number;
  readonly last: number;
  readonly limit: number;
  readonly isGrowing: boolean;
}

/**
 * Ours: seven minutes. It takes half of that until a daemon has compiled and
 * allocated what it needs.
 */
export const SAMPLES_MIN = 200;

const WARM_UP_SHARE = 0.2;
const WINDOWS = 4;

/** @param samples of one measure, in their order, at equal distances */
export function trendOf(samples: readonly number[], measure: Measure): Trend {
  switch (measure.kind) {
    case "steady":
      return steady(samples, measure);
    case "floor":
      return floor(samples, measure);
    case "bound": {
      const last = Math.max(...samples);
      const { slack } = measure;
      const first = samples[0] ?? 0;
      return { first, last, limit: slack, isGrowing: last > slack };
    }
  }
}

function steady(
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

function floor(samples: readonly number[], { slack }: Measure): Trend {
  const half = samples.slice(Math.floor(samples.length / 2));
  const length = Math.floor(half.length / WINDOWS);
  const floors = Array.from(
    { length: WINDOWS },
    (_, index) => Math.min(...half.slice(index * length, (index + 1) * length)),
  );
  const slopes = floors.flatMap((right, to) =>
    floors.slice(0, to).map((left, from) => (right - left) / (to - from))
  );
  const rise = medianOf(slopes) * (WINDOWS - 1);
  // Laid through the windows: what they would be without their noise.
  const middle = medianOf(floors);
  const [first, last] = [middle - rise / 2, middle + rise / 2];
  return { first, last, limit: first + slack, isGrowing: rise > slack };
}

/** The middle one, or between the two in the middle; 0 of none. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
  return (lower + upper) / 2;
}
