// Pure
/** Macros on the comparison of disks; ours, the original compares none. */
import { formatDecimals } from "../../base/figures.ts";
import { type VerifySummary, verifySummary } from "../../resource/verify.ts";
import { formatStamp } from "../../tree/values.ts";
import type { Report } from "../report.ts";
import { hostRow, type Row, secondsText } from "./rows.ts";
import { switchText } from "./values.ts";

const PERCENT = 100;
const PERCENT_DECIMALS = 2;

export const VERIFY_MACROS: readonly Row[] = [
  summaryRow(
    "verify-running",
    "whether disks are compared on",
    (summary) => switchText(summary?.phase === "running"),
  ),
  summaryRow(
    "verify-phase",
    "running, done or canceled; empty: never asked for on",
    (summary) => summary?.phase ?? "",
  ),
  countRow("pos", "bytes that are compared on", ({ state }) => state.doneBytes),
  countRow("size", "bytes to compare on", ({ state }) => state.sizeBytes),
  countRow(
    "rate",
    "bytes per second, on average, on",
    ({ bytesPerSecond }) => bytesPerSecond,
  ),
  countRow(
    "differing",
    "bytes of pages that differed on",
    ({ state }) => state.differingBytes,
  ),
  countRow(
    "repaired",
    "bytes of them that were repaired on",
    ({ state }) => state.repairedBytes,
  ),
  summaryRow("verify-percent", "percent compared on", (summary) => {
    const { doneBytes = 0, sizeBytes = 0 } = summary?.state ?? {};
    const share = sizeBytes > 0 ? doneBytes / sizeBytes : 0;
    return formatDecimals(PERCENT * share, PERCENT_DECIMALS);
  }),
  summaryRow(
    "verify-remain",
    "seconds until all is compared on",
    (summary) => secondsText(summary?.remainS),
  ),
  hostRow(
    "verify-differs",
    "offset+length of what differed, the first ones, on",
    (report) => (report.actual("verify-differs") ?? "-").replace(/^-$/, ""),
  ),
  hostRow(
    "verified",
    "whether the disk is proven to be right on",
    (report) => switchText(report.own?.verifiedNs !== undefined),
  ),
  hostRow("verified-timestamp", "up to when, -1 unknown, on", (report) => {
    const stampNs = report.own?.verifiedNs;
    return stampNs === undefined ? "-1" : formatStamp(stampNs);
  }),
  hostRow(
    "verified-age",
    "seconds since then, -1 unknown, on",
    (report) => secondsText(report.facts.sinceS(report.own?.verifiedNs)),
  ),
];

function summaryRow(
  name: string,
  about: string,
  write: (summary: VerifySummary | undefined) => string,
): Row {
  return hostRow(name, about, (report) => write(summaryOf(report)));
}

function countRow(
  name: string,
  about: string,
  count: (summary: VerifySummary) => number,
): Row {
  return summaryRow(
    `verify-${name}`,
    about,
    (summary) => String(summary === undefined ? 0 : count(summary)),
  );
}

function summaryOf({ own, facts }: Report): VerifySummary | undefined {
  return own && verifySummary(own, facts.local.nowNs);
}
