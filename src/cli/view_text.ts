// Pure
/**
 * The default view as text, line by line as `marsadm` writes it.
 *
 *     LocalDevice /dev/mars/<name> [Opened, 120 IOPS, 5 Flying]
 *     NbdSocket <path>                     ours: where the device really is
 *     <res> [2/3] <disk> <replication> <flags> <role> <primary> <silent for>
 *        acknowledge: durable              ours: with --verbose
 *        syncing: [====>.....]  …          until the copy is complete
 *        replaying: [===>:::....]  …       while work is left
 *   ERRORS   LNK  (1):                     messages of this host
 *   <key>: <since> <since> <text>
 *
 * Source: macro `default` of `marsadm view`.
 */
import {
  formatBar,
  formatBytes,
  formatDuration,
  formatPercent,
  formatRoughShare,
  formatShare,
} from "../base/figures.ts";
import { logFileName } from "../base/names.ts";
import type { Amount } from "../resource/amounts.ts";
import { diskText } from "../resource/status.ts";
import type {
  Pace,
  Report,
  ReportedObstacle,
  ReportedSplit,
  Severity,
} from "./report.ts";

/** How good a word is; decides its colour. */
export type Mood = "good" | "changing" | "bad";

export interface TextOptions {
  readonly verbose: boolean;
  readonly windowMs: number;
  readonly paint: (word: string, mood: Mood) => string;
  /** A moment as people read it, in local time. */
  readonly formatTime: (ns: bigint) => string;
}

/** `--------- resource res1 16.000 MiB [2/2]` */
export function headerLine(report: Counted): string {
  const { view } = report;
  const kind = view.own === undefined ? "guest" : "resource";
  return `--------- ${kind} ${view.resource} ${
    formatBytes(view.sizeBytes ?? 0)
  } ${countsOf(report)}`;
}

type Counted = Pick<Report, "view" | "hostCount">;

/** Members and hosts of the cluster. */
function countsOf(report: Counted): string {
  return `[${report.view.members.length}/${report.hostCount}]`;
}

export function resourceLines(report: Report, options: TextOptions): string[] {
  const { view, amounts } = report;
  const { own } = view;
  const isFollowing = own?.isAttached === true && !own.isPrimary;
  const ownObstacles = report.obstacles.filter(({ host }) =>
    host === view.host
  );
  return [
    ...deviceLines(report),
    statusLine(report, options),
    ...(options.verbose ? [`     acknowledge: ${view.level}`] : []),
    ...(isFollowing && amounts.sync.restBytes > 0 ? syncLines(report) : []),
    ...(isFollowing && amounts.work.restBytes > 0
      ? replayLines(report, options)
      : []),
    ...obstacleLines(ownObstacles, options),
  ];
}

function deviceLines(report: Report): string[] {
  const { own } = report.view;
  if (own?.isDeviceOn !== true || own.device === undefined) return [];
  const flying = report.requestsInFlight > 0
    ? `, ${report.requestsInFlight} Flying`
    : "";
  const stats = own.openCount > 0
    ? `Opened, ${report.deviceOpsPerSecond} IOPS${flying}`
    : "Closed";
  const socket = report.nbdSocket;
  return [
    `  LocalDevice /dev/mars/${own.device} [${stats}]`,
    ...(socket === undefined ? [] : [`  NbdSocket ${socket}`]),
  ];
}

function statusLine(report: Report, { paint }: TextOptions): string {
  const { view, status } = report;
  const primary = view.designated ?? "";
  const silentS = report.silentS.get(primary);
  const silent = report.isPrimarySilent ? ` ${formatDuration(silentS)}` : "";
  const disk = diskText(status.disk);
  return `  ${view.resource} ${countsOf(report)} ${paint(disk, moodOf(disk))} ${
    paint(status.replication, moodOf(status.replication))
  } ${status.flags} ${status.role} ${primary}${silent}`;
}

const GOOD = /^(?:UpToDate|Replicating|Replaying|WriteBack\b.*)$/;
const BAD =
  /^(?:DISK_ERROR|NotPresent|IncompleteLog|UnInit|DefectiveLog|Orphan|EmergencyMode|ModuleNotLoaded|UnResponsive|PrimaryUnreachable)/;

function moodOf(word: string): Mood {
  if (GOOD.test(word)) return "good";
  return BAD.test(word) ? "bad" : "changing";
}

function remaining(amount: Amount, pace: Pace): string {
  const { bytesPerSecond } = pace;
  if (amount.restBytes === 0) return formatDuration(0);
  return formatDuration(
    bytesPerSecond > 0 ? amount.restBytes / bytesPerSecond : undefined,
  );
}

function syncLines(report: Report): string[] {
  const { sync } = report.amounts;
  const pace = report.pace.sync;
  const bar = formatBar({ ...sync, presentBytes: sync.doneBytes });
  const rest = `remaining: ${remaining(sync, pace)} hrs`;
  const { doneBytes, sizeBytes } = sync;
  return [
    `     syncing: [${bar}]  ${formatPercent(doneBytes, sizeBytes)}  ${
      formatRoughShare(doneBytes, sizeBytes)
    }  rate: ${formatBytes(pace.bytesPerSecond, 2)}/sec  ${rest}`,
    `       > sync: ${formatShare(doneBytes, sizeBytes)} rate: ${
      formatBytes(pace.bytesPerSecond)
    }/sec  ${rest}`,
  ];
}

function replayLines(report: Report, options: TextOptions): string[] {
  const { fetch, replay, work } = report.amounts;
  const bar = formatBar({ ...work, presentBytes: fetch.doneBytes });
  const { doneBytes, sizeBytes } = work;
  const share = formatRoughShare(doneBytes, sizeBytes);
  return [
    `     replaying: [${bar}]  ${
      formatPercent(doneBytes, sizeBytes)
    }  ${share}  logs: [${logNumbers(report)}]`,
    stepLine("fetch", fetch, report.pace.fetch, options),
    stepLine("replay", replay, report.pace.replay, options),
  ];
}

/** `1::2..3`: being replayed, last one here, last one known. */
function logNumbers({ amounts: { replay, fetch, work } }: Report): string {
  const here = fetch.sequence > replay.sequence ? `::${fetch.sequence}` : "";
  const known = work.sequence > fetch.sequence ? `..${work.sequence}` : "";
  return `${replay.sequence}${here}${known}`;
}

function stepLine(
  name: string,
  amount: Amount,
  pace: Pace,
  options: TextOptions,
): string {
  const ageS = pace.ageS ?? 0;
  const age = ageS * 1_000 >= options.windowMs
    ? ` age: ${formatDuration(ageS)}`
    : "";
  const lag = pace.lagS > 0 ? ` lag: ${formatDuration(pace.lagS)}` : "";
  return `       > ${name}: ${formatBytes(amount.restBytes)} rate: ${
    formatBytes(pace.bytesPerSecond)
  }/s remaining: ${remaining(amount, pace)}${age}${lag}`;
}

const TITLES: readonly (readonly [Severity, string, Mood])[] = [
  ["error", "ERRORS   LNK ", "bad"],
  ["warning", "WARNINGS LNK ", "changing"],
  ["notice", "INFOS    LNK ", "changing"],
];

/** A title per severity; notices only with --verbose. */
export function obstacleLines(
  obstacles: readonly ReportedObstacle[],
  options: TextOptions,
): string[] {
  return TITLES.flatMap(([severity, title, mood]) => {
    const found = obstacles.filter((each) => each.severity === severity);
    const isShown = severity !== "notice" || options.verbose;
    if (found.length === 0 || !isShown) return [];
    return [
      options.paint(`${title} (${found.length}):`, mood),
      ...found.map(({ key, realNs, stampNs, text }) =>
        `${key}: ${options.formatTime(realNs)} ${
          options.formatTime(stampNs)
        } ${text}`
      ),
    ];
  });
}

/** Warnings for stderr. */
export function splitLines(report: Report): string[] {
  return report.splits.flatMap((split) => [
    `WARNING: SPLIT BRAIN of resource '${report.view.resource}' after logfile '${
      ancestorOf(split)
    }' age ~${formatDuration(split.ageS)}`,
    ...split.hosts.map((host, index) => {
      const bytes = split.amountBytes[index] ?? 0;
      return `WARNING:    host${index + 1} = '${host}' ${
        claimOf(report, host)
      } logfile_amount='${bytes}' (${formatBytes(bytes)})`;
    }),
  ]);
}

function ancestorOf({ ancestor }: ReportedSplit): string {
  return ancestor === undefined
    ? "(unknown)"
    : `${logFileName(ancestor.log)},${ancestor.bytes}`;
}

/** What a host says it is; of others we only have heard. */
function claimOf({ view }: Report, host: string): string {
  const member = view.members.find((each) => each.host === host);
  const claim = member?.isPrimary === true ? "primary" : "secondary";
  return host === view.host ? claim : `reported-${claim}`;
}
