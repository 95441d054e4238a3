// Pure
/** How rows of primitive macros are made. */
import type { Report } from "../report.ts";
import type { Invoke, Primitive } from "./library.ts";
import type { Run } from "./run.ts";

/** Name and meaning of one primitive macro. */
export type Row = readonly [name: string, primitive: Primitive];

export function row(name: string, about: string, invoke: Invoke): Row {
  return [name, { about, invoke }];
}

/** A macro on the resource and the host that its argument names. */
export function hostRow(
  name: string,
  about: string,
  invoke: (report: Report, run: Run) => string,
): Row {
  return row(
    name,
    `${about} {host}`,
    (run, args) => invoke(reportOf(run, run.hostOr(args)), run),
  );
}

/** The resource of the evaluation on `host`. */
export function reportOf(run: Run, host: string): Report {
  return run.world.report(run.resource(), host);
}

/** Bytes, counts, seconds: whole numbers. */
export function wholeText(value: number): string {
  return String(Math.floor(value));
}

/** Seconds for macros; -1 stands for unknown. */
export function secondsText(seconds: number | undefined): string {
  return seconds === undefined ? "-1" : wholeText(seconds);
}
