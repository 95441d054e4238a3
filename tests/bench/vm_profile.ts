// Pure
/**
 * Where the time of one write goes: stages that `profile_shim.c` has noted, in
 * their order, beside what fio saw.
 */
import { FormatError } from "../../src/base/errors.ts";
import type { FioReport } from "./fio_report.ts";
import { percentileOf } from "./figures.ts";

/** In the order of the columns of a sample. */
const STAGES = [
  "in the ring: result to the kernel, client, next request, waking up",
  "request decoded, stamped, copied into a record",
  "checksums of record and header",
  "batch closed",
  "log write, a system call",
  "dirty map, answer, the rest of a turn",
] as const;

/** Microseconds. */
export interface Profile {
  readonly stages: readonly {
    readonly name: string;
    readonly p50Us: number;
    readonly meanUs: number;
    readonly p99Us: number;
  }[];
  /** What fio saw of them. */
  readonly clock: FioReport;
  /** What it sees without the clock, and of a device with nothing behind. */
  readonly plain: FioReport;
  readonly empty: FioReport;
}

/** @param text a line per write @throws FormatError */
export function profileOf(
  text: string,
  reports: Pick<Profile, "clock" | "plain" | "empty">,
): Profile {
  const samples = text.trim().split("\n")
    .map((line) => line.split(" ").map(Number));
  const isGood = samples.every((sample) =>
    sample.length === STAGES.length && sample.every(Number.isFinite)
  );
  if (!isGood) throw new FormatError("Cannot read stages: a line is damaged");
  const stages = STAGES.map((name, index) => {
    const values = samples.map((sample) => sample[index] ?? NaN);
    return {
      name,
      p50Us: percentileOf(values, 0.5),
      meanUs: values.reduce((sum, value) => sum + value, 0) / values.length,
      p99Us: percentileOf(values, 0.99),
    };
  });
  return { stages, ...reports };
}

/** As a table of a document. */
export function profileTable({ stages, ...seen }: Profile): string {
  const us = (value: number): string => `${value.toFixed(1)} µs`;
  const rows = stages.map(({ name, p50Us, meanUs, p99Us }) => [
    name,
    us(p50Us),
    us(meanUs),
    us(p99Us),
  ]);
  const fio = (name: string, report: FioReport): string[] => [
    name,
    us(report.p50Us),
    us(1e6 / report.perSecond),
    us(report.p99Us),
  ];
  return [
    ["stage of one 4 KiB write, depth 1", "p50", "mean", "p99"],
    ["---", "---", "---", "---"],
    ...rows,
    fio("all of it, as fio sees it; its own time is in the mean", seen.clock),
    fio("the same without the clock", seen.plain),
    fio("ublk with nothing behind", seen.empty),
  ].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
