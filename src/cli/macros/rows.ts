// Pure
/** How rows of primitive macros are made. */
import { parseCount } from "../../tree/values.ts";
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

/** The count that a link states; 0 if it states none. */
export function countText(run: Run, path: string): string {
  return String(parseCount(run.world.snapshot.value(path) ?? "") ?? 0);
}

/** Seconds for macros; -1 stands for unknown. */
export function secondsText(seconds: number | undefined): string {
  return seconds === undefined ? "-1" : wholeText(seconds);
}
