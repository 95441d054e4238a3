// Pure
/** The report of one job of fio, as JSON: what a bench wants to know of it. */
import { FormatError } from "../../src/base/errors.ts";

export interface FioReport {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** With flushes in between. */
  readonly tookMs: number;
}

/** @throws FormatError, SyntaxError */
export function readFioReport(
  text: string,
  direction: "read" | "write",
): FioReport {
  // Some engines say something in front of the report.
  const report: unknown = JSON.parse(text.slice(text.indexOf("{\n")));
  const side = at(at(at(report, "jobs"), "0"), direction);
  const percentiles = at(at(side, "lat_ns"), "percentile");
  return {
    perSecond: numberAt(side, "iops"),
    bytesPerSecond: numberAt(side, "bw_bytes"),
    count: numberAt(side, "total_ios"),
    p50Us: numberAt(percentiles, "50.000000") / 1000,
    p99Us: numberAt(percentiles, "99.000000") / 1000,
    p999Us: numberAt(percentiles, "99.900000") / 1000,
    tookMs: numberAt(side, "runtime"),
  };
}

function at(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function numberAt(value: unknown, key: string): number {
  const found = at(value, key);
  if (typeof found === "number") return found;
  throw new FormatError(`Cannot read report of fio: no number "${key}"`);
}
