// Pure
/**
 * Numbers of logs as the value of a link: `1-3,7-9`, ascending; `0` for none.
 */

/** Numbers from `first` to `last`, both included. */
export interface LogRun {
  readonly first: number;
  readonly last: number;
}

// Ours. Of more only the newest are told.
const RUNS_MAX = 16;

export function formatRuns(sequences: readonly number[]): string {
  const runs: { first: number; last: number }[] = [];
  for (
    const sequence of [...new Set(sequences)].sort((left, right) =>
      left - right
    )
  ) {
    const run = runs.at(-1);
    if (run !== undefined && run.last === sequence - 1) run.last = sequence;
    else runs.push({ first: sequence, last: sequence });
  }
  return runs.slice(-RUNS_MAX).map(({ first, last }) => `${first}-${last}`)
    .join(",") || "0";
}

/** Undefined for what cannot be decoded. */
export function parseRuns(text: string): readonly LogRun[] | undefined {
  if (text === "0") return [];
  const runs: LogRun[] = [];
  for (const part of text.split(",")) {
    const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(part);
    const [first, last] = [Number(match?.[1]), Number(match?.[2])];
    const isRun = match !== null && first <= last &&
      first > (runs.at(-1)?.last ?? 0);
    if (!isRun || runs.length >= RUNS_MAX) return undefined;
    runs.push({ first, last });
  }
  return runs;
}
