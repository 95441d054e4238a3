// Pure
/**
 * Macros on how much is copied, fetched and replayed, how fast, and since when.
 *
 *   X is sync, fetch, replay or work; see `resource/amounts.ts`
 *
 *   X-size X-pos X-rest       bytes
 *   X-percent X-permille      of X-size; a little too much, as the original
 *   X-vector                  pos:size
 *   X-reached                 nothing is left: 1 or 0
 *   X-almost-reached          at most 0.5 % are left
 *   X-threshold-reached       at most `threshold` bytes are left
 *   X-rate X-amount-rate      bytes per second
 *   X-ops-rate                requests per second
 *   X-remain                  seconds; 0 nothing left, -1 unknown
 *   X-lognr X-logcount        last log it ends in; logs it still has to pass
 *   X-timestamp X-age X-lag   of the last step; -1 unknown
 *
 * `work` is fetch and replay together: rates are the larger one, what remains
 * is the sum, the last step is the older one.
 *
 * Source: primitive macros of `marsadm view`.
 */
import { formatDecimals } from "../../base/figures.ts";
import type { Amount, LogAmount } from "../../resource/amounts.ts";
import { linkPath } from "../../tree/path.ts";
import { formatStamp, parseCount } from "../../tree/values.ts";
import type { Pace, PaceKind, Report } from "../report.ts";
import { secondsSince } from "../report.ts";
import {
  countText,
  hostRow,
  reportOf,
  type Row,
  row,
  secondsText,
  wholeText,
} from "./rows.ts";
import type { Run } from "./run.ts";
import { primaryOf } from "./states.ts";
import { numberOf, switchText } from "./values.ts";

type Kind = "sync" | "fetch" | "replay" | "work";
type LogKind = Exclude<Kind, "sync">;

const KINDS: readonly Kind[] = ["sync", "fetch", "replay", "work"];
const LOG_KINDS: readonly LogKind[] = ["fetch", "replay", "work"];

// Prescribed by MARS: half done prints 50.25.
const PERCENT_FACTOR = 100.5;
const PERMILLE_FACTOR = 1000.5;
const SHARE_DECIMALS = 2;
/** Ours: what prints as 100 percent. */
const ALMOST = 100 / PERCENT_FACTOR;

export const AMOUNT_MACROS: readonly Row[] = [
  ...KINDS.flatMap(amountRows),
  ...LOG_KINDS.flatMap(logRows),
  ...(["fetch", "replay", "work"] as const).flatMap(stepRows),
  row(
    "alive-timestamp",
    "when {host}, else the primary, was heard of",
    (run, args) => stampText(aliveNs(run, run.text(args, 0))),
  ),
  row(
    "alive-age",
    "seconds since then, -1 unknown",
    (run, args) => secondsText(ageS(run, aliveNs(run, run.text(args, 0)))),
  ),
  row(
    "alive-lag",
    "seconds it was heard of earlier than this host",
    (run, args) => {
      const ownNs = aliveNs(run, run.host());
      const otherNs = aliveNs(run, run.text(args, 0));
      return ownNs === undefined || otherNs === undefined
        ? "-1"
        : wholeText(secondsSince(otherNs, ownNs));
    },
  ),
  hostRow(
    "replay-basenr",
    "lowest log of the chain on",
    (report) => String(report.amounts.firstSequence),
  ),
  hostRow(
    "summary-vector",
    "replayed:fetched:known, in bytes, on",
    (report) => {
      const { replay, fetch } = report.amounts;
      return `${replay.doneBytes}:${fetch.doneBytes}:${fetch.sizeBytes}`;
    },
  ),
  hostRow(
    "writeback-rest",
    "bytes that are not on the disk yet on",
    (report) => String(report.amounts.work.restBytes),
  ),
  row(
    "occupied-size",
    "bytes of logs here",
    (run) => String(reportOf(run, run.world.host).amounts.occupiedBytes),
  ),
  row(
    "deletable-size",
    "bytes of them that nobody needs",
    (run) => String(reportOf(run, run.world.host).amounts.deletableBytes),
  ),
  row(
    "resource-size",
    "bytes of the device",
    (run) => countText(run, linkPath.size(run.resource())),
  ),
  row(
    "disk-size",
    "bytes of the disk of {host}",
    (run, args) =>
      countText(run, linkPath.actsize(run.resource(), run.hostOr(args))),
  ),
  row(
    "resource-possible-size",
    "bytes that the disks of all members have",
    (run) => {
      const { snapshot } = run.world;
      const sizes = snapshot.members(run.resource()).map((host) =>
        parseCount(snapshot.value(linkPath.actsize(run.resource(), host)) ?? "")
      );
      // A member whose size is not known could have any.
      return sizes.length === 0 || sizes.includes(undefined)
        ? "0"
        : String(Math.min(...sizes.map((size) => size ?? 0)));
    },
  ),
];

function amountRows(kind: Kind): Row[] {
  const make = (
    name: string,
    about: string,
    write: (amount: Amount, run: Run) => string,
  ): Row =>
    hostRow(
      `${kind}-${name}`,
      about,
      (report, run) => write(report.amounts[kind], run),
    );
  return [
    make("size", "bytes there are on", ({ sizeBytes }) => String(sizeBytes)),
    make("pos", "bytes that are done on", ({ doneBytes }) => String(doneBytes)),
    make(
      "rest",
      "bytes that are left on",
      ({ restBytes }) => String(restBytes),
    ),
    make(
      "vector",
      "pos:size on",
      ({ doneBytes, sizeBytes }) => `${doneBytes}:${sizeBytes}`,
    ),
    make(
      "percent",
      "percent done on",
      (amount) => shareText(amount, PERCENT_FACTOR, 100),
    ),
    make(
      "permille",
      "permille done on",
      (amount) => shareText(amount, PERMILLE_FACTOR, 1000),
    ),
    make(
      "reached",
      "whether nothing is left on",
      ({ restBytes }) => switchText(restBytes === 0),
    ),
    make(
      "almost-reached",
      "whether at most 0.5 % are left on",
      (amount) => switchText(shareOf(amount) >= ALMOST),
    ),
    make(
      "threshold-reached",
      "whether less than --threshold is left on",
      ({ restBytes }, run) =>
        switchText(restBytes <= numberOf(run.variable("threshold"))),
    ),
    ...["rate", "amount-rate"].map((name) =>
      hostRow(
        `${kind}-${name}`,
        "bytes per second on",
        (report) => String(rateOf(report, kind)),
      )
    ),
    hostRow(
      `${kind}-ops-rate`,
      "requests per second on",
      (report) =>
        String(
          Math.max(...pacesOf(report, kind).map((pace) => pace.opsPerSecond)),
        ),
    ),
    hostRow(
      `${kind}-remain`,
      "seconds until it is done on",
      (report) => remainText(report, kind),
    ),
  ];
}

function logRows(kind: LogKind): Row[] {
  const amountOf = (report: Report): LogAmount => report.amounts[kind];
  return [
    hostRow(
      `${kind}-lognr`,
      "number of the log it ends in on",
      (report) => String(amountOf(report).sequence),
    ),
    hostRow(`${kind}-logcount`, "logs that are left on", (report) => {
      const { replay, fetch, work } = report.amounts;
      const from = kind === "fetch" ? fetch : replay;
      const to = kind === "replay" ? fetch : work;
      return String(to.sequence - from.sequence);
    }),
  ];
}

function stepRows(kind: LogKind): Row[] {
  const pace = (report: Report): Pace => lastPace(report, kind);
  return [
    hostRow(
      `${kind}-timestamp`,
      "when the last step was done on",
      (report) => stampText(pace(report).stampNs),
    ),
    hostRow(
      `${kind}-age`,
      "seconds since then on",
      (report) => secondsText(pace(report).ageS),
    ),
    hostRow(
      `${kind}-lag`,
      "seconds it was later than on the primary on",
      (report) => {
        const { stampNs, lagS } = pace(report);
        return stampNs === undefined ? "-1" : wholeText(lagS);
      },
    ),
  ];
}

/** Of `work` the one whose last step is older. */
function lastPace(report: Report, kind: LogKind): Pace {
  if (kind !== "work") return report.pace(kind);
  const [fetch, replay] = [report.pace("fetch"), report.pace("replay")];
  return (replay.stampNs ?? 0n) < (fetch.stampNs ?? 0n) ? replay : fetch;
}

function pacesOf(report: Report, kind: Kind): Pace[] {
  const kinds: readonly PaceKind[] = kind === "work"
    ? ["fetch", "replay"]
    : [kind];
  return kinds.map((each) => report.pace(each));
}

function rateOf(report: Report, kind: Kind): number {
  return Math.max(...pacesOf(report, kind).map((pace) => pace.bytesPerSecond));
}

function remainText(report: Report, kind: Kind): string {
  if (kind !== "work") return secondsText(remainS(report, kind));
  const fetch = remainS(report, "fetch");
  const replay = remainS(report, "replay");
  return secondsText(
    fetch === undefined || replay === undefined ? undefined : fetch + replay,
  );
}

function remainS(report: Report, kind: PaceKind): number | undefined {
  const { restBytes } = report.amounts[kind];
  if (restBytes === 0) return 0;
  const rate = report.pace(kind).bytesPerSecond;
  return rate > 0 ? restBytes / rate : undefined;
}

/** All of nothing is done. */
function shareOf({ doneBytes, sizeBytes }: Amount): number {
  return sizeBytes > 0 ? doneBytes / sizeBytes : 1;
}

function shareText(amount: Amount, factor: number, most: number): string {
  return formatDecimals(
    Math.min(most, shareOf(amount) * factor),
    SHARE_DECIMALS,
  );
}

/** Stamp of the sign of life of `host`; of the primary if that is empty. */
function aliveNs(run: Run, host: string): bigint | undefined {
  const wanted = host === "" ? primaryOf(run) : host;
  return wanted === ""
    ? undefined
    : run.world.snapshot.stampNs(linkPath.global(wanted, "time"));
}

function ageS(run: Run, stampNs: bigint | undefined): number | undefined {
  return stampNs === undefined
    ? undefined
    : secondsSince(stampNs, run.world.lamportNs);
}

function stampText(stampNs: bigint | undefined): string {
  return stampNs === undefined ? "-1" : formatStamp(stampNs);
}
