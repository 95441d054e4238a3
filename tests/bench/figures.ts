// Pure
/**
 * Figures of a bench: what was measured, side by side, and what was hoped for.
 *
 * Each round measures ours and theirs one after the other, hence the ratio of a
 * round compares like with like whatever else the machine does. The median of
 * these ratios counts; the spread shows how far to trust it.
 */

/**
 * What a figure should be.
 *
 *   "ratio"   ours divided by theirs, at least or at most
 *   "ours"    ours itself, in its unit, at least or at most
 *   "none"    shown to explain another figure
 */
export type Goal =
  | {
    readonly kind: "ratio" | "ours";
    readonly bound: "at least" | "at most";
    readonly value: number;
  }
  | { readonly kind: "none" };

export interface Figure {
  readonly what: string;
  readonly unit: string;
  /** One per round. */
  readonly ours: readonly number[];
  /** Round by round what ours is compared with; empty for nothing. */
  readonly theirs: readonly number[];
  /** What theirs is; "" for nothing. */
  readonly against: string;
  readonly goal: Goal;
}

/** Smallest, middle and largest of some values. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export const NO_GOAL: Goal = { kind: "none" };

export function ratioAtLeast(value: number): Goal {
  return { kind: "ratio", bound: "at least", value };
}

export function ratioAtMost(value: number): Goal {
  return { kind: "ratio", bound: "at most", value };
}

export function atLeast(value: number): Goal {
  return { kind: "ours", bound: "at least", value };
}

export function atMost(value: number): Goal {
  return { kind: "ours", bound: "at most", value };
}

/** NaN in all fields if there are no values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  const lower = sorted[Math.ceil(middle) - 1] ?? NaN;
  return {
    min: sorted[0] ?? NaN,
    median: (lower + upper) / 2,
    max: sorted.at(-1) ?? NaN,
  };
}

/** The value below which `share` of all values lie. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[index] ?? NaN;
}

/** Ours divided by theirs, round by round. */
function ratiosOf({ ours, theirs }: Figure): number[] {
  return ours.flatMap((value, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [value / other];
  });
}

/** Whether the budget is met; undefined if there is none. */
export function isMet(figure: Figure): boolean | undefined {
  const { goal } = figure;
  if (goal.kind === "none") return undefined;
  const values = goal.kind === "ratio" ? ratiosOf(figure) : figure.ours;
  const { median } = spreadOf(values);
  return goal.bound === "at least"
    ? median >= goal.value
    : median <= goal.value;
}

const HEADINGS = [
  "what",
  "ours",
  "theirs",
  "against",
  "ratio (min … max)",
  "budget",
  "met",
] as const;

/** Cells of one line of the table, in the order of the headings. */
function cellsOf(figure: Figure): string[] {
  const { what, unit, ours, theirs, against, goal } = figure;
  const ratio = spreadOf(ratiosOf(figure));
  const own = spreadOf(ours);
  const range = ({ min, median, max }: Spread): string =>
    `${number(median)} (${number(min)} … ${number(max)})`;
  const hasTheirs = theirs.length > 0;
  const met = isMet(figure);
  return [
    what,
    `${hasTheirs ? number(own.median) : range(own)} ${unit}`,
    hasTheirs ? `${number(spreadOf(theirs).median)} ${unit}` : "",
    against,
    hasTheirs ? range(ratio) : "",
    budgetText(goal, unit),
    met === undefined ? "" : met ? "yes" : "NO",
  ];
}

function budgetText(goal: Goal, unit: string): string {
  if (goal.kind === "none") return "";
  const sign = goal.bound === "at least" ? "≥" : "≤";
  const value = number(goal.value);
  return goal.kind === "ratio"
    ? `${sign} ${value}`
    : `${sign} ${value} ${unit}`;
}

/** Three digits that count; thousands are parted. */
function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(
    /\B(?=(\d{3})+$)/g,
    digits > 0 ? "" : ",",
  );
}

/** Columns for a terminal. */
export function textTable(figures: readonly Figure[]): string {
  const rows = [[...HEADINGS], ...figures.map(cellsOf)];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
      .trimEnd()
  ).join("\n");
}

/** The same for a document. */
export function markdownTable(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(HEADINGS),
    line(HEADINGS.map(() => "---")),
    ...figures.map((figure) => line(cellsOf(figure))),
  ].join("\n");
}
