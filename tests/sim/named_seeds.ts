/**
 * Clusters that once broke an invariant: seed, seconds of chaos, and what was
 * wrong. Each cause has a test of its own beside its source; here stands the
 * whole story, as long as chaos is drawn in the same way.
 */
export interface NamedSeed {
  readonly seed: number;
  readonly chaosS: number;
  readonly about: string;
}

export const NAMED_SEEDS: readonly NamedSeed[] = [
  {
    seed: 60002,
    chaosS: 60,
    about: "a host corrected stamps of others, who never heard of it",
  },
  {
    seed: 60021,
    chaosS: 30,
    about: "a loss of power took back one half of leave-resource",
  },
  {
    seed: 60029,
    chaosS: 30,
    about: "a command whose wall clock had jumped back claimed in the past",
  },
  {
    seed: 60033,
    chaosS: 30,
    about: "a crashed primary was detached and did not tell of its log",
  },
  {
    seed: 60046,
    chaosS: 30,
    about: "a loss of power took back one half of leave-resource",
  },
  {
    seed: 60119,
    chaosS: 30,
    about: "a host joined while its daemon was down; nobody could know",
  },
  {
    seed: 60133,
    chaosS: 30,
    about: "a primary was stopped and did not tell how much it had logged",
  },
  {
    seed: 110002,
    chaosS: 30,
    about: "invalidate took over versions that do not follow each other",
  },
  {
    seed: 110019,
    chaosS: 30,
    about: "the loser of a split brain waited to complete its grown disk",
  },
  {
    seed: 110034,
    chaosS: 30,
    about: "damage that was here before was blamed on every source, in a loop",
  },
  {
    seed: 110050,
    chaosS: 30,
    about: "a tombstone of the future buried what was written later",
  },
  {
    seed: 110267,
    chaosS: 30,
    about: "a sign of life overtook the logs that its host had written before",
  },
  {
    seed: 120028,
    chaosS: 60,
    about: "a loss of power took back that a primary has all of its grown disk",
  },
  {
    seed: 120041,
    chaosS: 60,
    about: "a record that a crash had torn here was blamed on its source",
  },
  {
    seed: 140094,
    chaosS: 30,
    about: "a host left with a side of a split brain that was not decided yet",
  },
  {
    seed: 140230,
    chaosS: 30,
    about: "a copy was damaged, and nobody had the log any more",
  },
  {
    seed: 150019,
    chaosS: 60,
    about: "who was far behind seemed to have parted from who joined late",
  },
  {
    seed: 150068,
    chaosS: 60,
    about: "a host left with what only its disk had: it was behind a hole",
  },
  {
    seed: 150076,
    chaosS: 60,
    about: "the only other copy of a log was damaged, too",
  },
];
