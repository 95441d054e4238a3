// Pure
/**
 * What fio has measured inside a virtual machine, and tables of it.
 *
 * A case is what was asked of all targets in turn: a line between the hosts, a
 * pattern, a block length, a depth. Each round has one run per target, hence
 * ratios are taken round by round, and their median counts.
 */
import type { FioReport } from "./fio_report.ts";
import { type Figure, ratioAtLeast, type Spread, spreadOf } from "./figures.ts";

/** What packets between the hosts have to bear. */
export type Line = "plain" | "delay" | "loss";

export interface Run {
  /** Of the bench: all of its runs were made in one machine. */
  readonly part: string;
  readonly line: Line;
  /** As `tests/vm/bench.sh` has it: "randwrite-4k-16". */
  readonly work: string;
  readonly target: string;
  readonly round: number;
  readonly report: FioReport;
  /** Until nothing was left to be done. */
  readonly leftSeconds: number;
}

/** One target in one case. */
export interface Row {
  readonly target: string;
  /** Operations, or megabytes where blocks are large. */
  readonly rate: Spread;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly leftSeconds: number;
  /** Rate divided by that of `BASELINE`, round by round. */
  readonly ratio: Spread;
}

export interface Case {
  readonly part: string;
  readonly line: Line;
  readonly work: string;
  readonly title: string;
  readonly unit: "/s" | "MB/s";
  readonly rows: readonly Row[];
}

/** What all others are compared with. */
const BASELINE = "drbd-A";

/** How much of the baseline mars is to reach. */
const GOALS: { readonly [work: string]: number } = {
  "randwrite-4k-1": 0.5,
  "randwrite-4k-16": 1,
  "randwrite-4k-64": 1,
  "write-1m-4": 1,
};
/** How much of itself remains on a bad line. */
const UNCHANGED = 0.95;

const LINE_TITLES: { readonly [Key in Line]: string } = {
  plain: "",
  delay: ", 10 ms delay each way",
  loss: ", 1 % of the packets lost",
};

const PATTERN_TITLES: { readonly [key: string]: string } = {
  randwrite: "random write",
  randread: "random read",
  write: "sequential write",
  read: "sequential read",
};

export const TARGET_TITLES: { readonly [key: string]: string } = {
  raw: "raw disk (brd)",
  loop: "kernel loop device",
  null: "ublk, nothing behind",
  flush: "mars, flush",
  durable: "mars, durable",
  "flush+1": "mars, flush, 1 secondary",
  "durable+1": "mars, durable, 1 secondary",
  "drbd-A": "DRBD, protocol A",
  "drbd-C": "DRBD, protocol C",
};

/** Cases and their rows in the order in which they were measured. */
export function casesOf(runs: readonly Run[]): Case[] {
  const byCase = Map.groupBy(
    runs,
    ({ part, line, work }) => `${part} ${line} ${work}`,
  );
  return [...byCase.values()].flatMap((ofCase) => {
    const [first] = ofCase;
    return first === undefined ? [] : [caseOf(first, ofCase)];
  });
}

/**
 * What is hoped for: against DRBD, and on a bad line against a good one.
 */
export function goalsOf(
  cases: readonly Case[],
  runs: readonly Run[],
): Figure[] {
  const figures = cases.flatMap(({ part, line, work, title, unit }) => {
    const rates = (target: string, of: Line): number[] =>
      runs.filter((run) =>
        run.part === part && run.line === of && run.work === work &&
        run.target === target
      ).map((run) => rateOf(unit, run));
    const figure = (
      target: string,
      theirs: readonly number[],
      against: string,
      goal: number | undefined,
    ): Figure[] => {
      const ours = rates(target, line);
      if (ours.length === 0 || theirs.length === 0) return [];
      if (goal === undefined) return [];
      const what = `${TARGET_TITLES[target]}: ${title}`;
      return [{ what, unit, ours, theirs, against, goal: ratioAtLeast(goal) }];
    };
    if (line === "plain") {
      return ["flush", "flush+1"].flatMap((target) =>
        figure(target, rates(BASELINE, line), "DRBD A", GOALS[work])
      );
    }
    return ["flush+1", "durable+1"].flatMap((target) =>
      figure(target, rates(target, "plain"), "a good line", UNCHANGED)
    );
  });
  // Another part may have measured the same again.
  return figures.filter(({ what }, index) =>
    figures.findIndex((other) => other.what === what) === index
  );
}

function rateOf(unit: Case["unit"], { report }: Run): number {
  return unit === "/s" ? report.perSecond : report.bytesPerSecond / 1e6;
}

function caseOf({ part, line, work }: Run, runs: readonly Run[]): Case {
  const [pattern = "", block = "", depth = ""] = work.split("-");
  const unit = block.endsWith("m") ? "MB/s" : "/s";
  const baseline = new Map(
    runs.filter(({ target }) => target === BASELINE)
      .map((run) => [run.round, rateOf(unit, run)] as const),
  );
  const byTarget = Map.groupBy(runs, ({ target }) => target);
  const rows = [...byTarget].map(([target, ofTarget]): Row => {
    const median = (of: (run: Run) => number): number =>
      spreadOf(ofTarget.map(of)).median;
    return {
      target,
      rate: spreadOf(ofTarget.map((run) => rateOf(unit, run))),
      p50Us: median(({ report }) => report.p50Us),
      p99Us: median(({ report }) => report.p99Us),
      p999Us: median(({ report }) => report.p999Us),
      leftSeconds: median(({ leftSeconds }) => leftSeconds),
      ratio: spreadOf(ofTarget.flatMap((run) => {
        const other = baseline.get(run.round);
        return other === undefined ? [] : [rateOf(unit, run) / other];
      })),
    };
  });
  const size = block.replace("k", " KiB").replace("m", " MiB");
  const title = `${size} ${PATTERN_TITLES[pattern] ?? pattern}, ` +
    `depth ${depth}${LINE_TITLES[line]}`;
  return { part, line, work, title, unit, rows };
}

/** Less is what it takes to look. */
const LEFT_SECONDS_MIN = 0.1;

const HEADINGS = ["rate", "p50", "p99", "p99.9", "of DRBD A", "left"] as const;

function cellsOf({ unit }: Case, row: Row): string[] {
  const { rate, p50Us, p99Us, p999Us, ratio, leftSeconds } = row;
  return [
    `${range(rate)} ${unit}`,
    ...[p50Us, p99Us, p999Us].map((us) => `${amountText(us)} µs`),
    range(ratio),
    leftSeconds < LEFT_SECONDS_MIN ? "" : `${leftSeconds.toFixed(1)} s`,
  ];
}

/** Columns for a terminal. */
export function textOf(cases: readonly Case[]): string {
  return cases.map((each) => {
    const rows = [
      [each.title, ...HEADINGS],
      ...each.rows.map((row) => [titleOf(row), ...cellsOf(each, row)]),
    ];
    const widths = rows[0]?.map((_, column) =>
      Math.max(...rows.map((row) =>
        row[column]?.length ?? 0
      ))
    ) ?? [];
    return rows.map((row) =>
      row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
        .trimEnd()
    ).join("\n");
  }).join("\n\n");
}

/** One table per group: a row per target, a column per case. */
export function markdownOf(groups: readonly (readonly Case[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return groups.map((group) => {
    const targets = group[0]?.rows.map(({ target }) => target) ?? [];
    return [
      line(["", ...group.map(({ title }) => title)]),
      line(["---", ...group.map(() => "---")]),
      ...targets.map((target) =>
        line([
          TARGET_TITLES[target] ?? target,
          ...group.map((each) => {
            const row = each.rows.find((row) => row.target === target);
            return row === undefined ? "" : cellOf(each, row);
          }),
        ])
      ),
    ].join("\n");
  }).join("\n\n");
}

/** A row of the other table in one cell. */
function cellOf(each: Case, row: Row): string {
  const { rate, p50Us, p99Us, p999Us, ratio, leftSeconds } = row;
  const least = amountText(rate.min);
  const latencies = [p50Us, p99Us, p999Us].map(amountText).join(" / ");
  return [
    `**${amountText(rate.median)}** ${each.unit} ` +
    `(${least} … ${amountText(rate.max)})`,
    `${latencies} µs`,
    ...(Number.isFinite(ratio.median) && row.target !== BASELINE
      ? [`${ratio.median.toFixed(2)} × A`]
      : []),
    ...(leftSeconds < LEFT_SECONDS_MIN
      ? []
      : [`left ${leftSeconds.toFixed(1)} s`]),
  ].join("<br>");
}

/** Cases side by side: those of a part with the same line. */
export function groupsOf(cases: readonly Case[]): Case[][] {
  const groups = Map.groupBy(cases, ({ part, line }) => `${part} ${line}`);
  return [...groups.values()];
}

function titleOf({ target }: Row): string {
  return TARGET_TITLES[target] ?? target;
}

function range({ min, median, max }: Spread): string {
  if (!Number.isFinite(median)) return "";
  return `${amountText(median)} (${amountText(min)} … ${amountText(max)})`;
}

/** Three digits that count; thousands are parted. */
export function amountText(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const text = value.toFixed(digits);
  return digits > 0 ? text : text.replace(/\B(?=(\d{3})+$)/g, ",");
}
