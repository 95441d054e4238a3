// Pure
/**
 * Keep: how long a host keeps logs for members that are behind.
 *
 * A member that is slow, paused or dead needs all logs from its position on, on
 * the other hosts. It must not fill `/mars` there for ever. So each host gives
 * up its own files, the oldest one first, one per round, when
 *
 *   time    the log was ended longer ago than `keep-logs-time` says
 *   size    the logs below its own position have more than `keep-logs-size`
 *   quota   the logs of the resource have more than `log-quota` on this host
 *   space   less than a tenth of the space for logs is left, and this resource
 *           has no less than its share of it; what is younger than an hour
 *           goes only at level 3 of the emergency
 *
 * Never one that this host may need itself, nor its newest. Others keep their
 * files, and any of them may serve the member; only when nobody has the log any
 * more it is lost, see `holdings.ts`: then nothing is kept for it. The primary
 * says so before and after. Without an emergency nobody else would lose more:
 * one that ends logging cuts off every member.
 *
 * Short of space what nobody needs goes without waiting for cron, too.
 *
 * Source: ours. MARS keeps logs until every member has replayed them.
 */
import { formatBytes, formatCount } from "../base/figures.ts";
import type { LogName } from "../base/names.ts";
import { isLost } from "./holdings.ts";
import {
  ENDS_AT,
  type LocalLog,
  type Obstacle,
  type PlanFacts,
} from "./plan_types.ts";
import type { MemberState, ResourceView } from "./view.ts";

// Ours. A member that was away for less than an hour is no dead one.
const YOUNG_MS = 3_600_000;
/** Prescribed by MARS: links of who needs it may be on their way. */
const RECENT_MS = 120_000;
/** Below this share of the space for logs they are given up. */
const KEEP_REST_PERCENT = 10;
// Ours. When half of what is allowed is used up, it is said.
const WARNING_SHARE = 0.5;
const WARNING_REST_PERCENT = 20;
const PERCENT_STEP = 10;
/** Of a quota, each log has at most this share: only whole logs can go. */
const QUOTA_ROTATE_SHARE = 4;
const HOUR_MS = 3_600_000;

/** Logs that are kept for others only, and what goes now. */
export interface Kept {
  /** Lowest number first. */
  readonly logs: readonly LocalLog[];
  readonly bytes: number;
  /** Members that need the first of them. */
  readonly hosts: readonly MemberState[];
  /** The file that goes now; undefined if all must stay. */
  readonly going: LogName | undefined;
  /** Why it goes. */
  readonly reason: Reason | undefined;
}

export type Reason = "unneeded" | "time" | "size" | "quota" | "space";

type KeepFacts = Pick<
  PlanFacts,
  "logs" | "worker" | "emergencyLevel" | "restPercent" | "logShare"
>;

/** What this host keeps below its own position. */
export function keptLogs(view: ResourceView, facts: KeepFacts): Kept {
  const past = ownPast(view, facts);
  const behind = view.members.filter((member) =>
    member.host !== view.host && !isLost(view, member)
  );
  const lowest = Math.min(...behind.map(sequenceOf));
  const logs = past.filter(({ log }) => log.sequence >= lowest);
  const bytes = sumOf(logs);
  const unneeded = past.find((file) =>
    file.log.sequence < lowest && isShort(view, facts, file)
  );
  const first = logs[0];
  const hosts = first === undefined
    ? []
    : behind.filter((member) => sequenceOf(member) <= first.log.sequence);
  if (unneeded !== undefined) {
    return { logs, bytes, hosts, going: unneeded.log, reason: "unneeded" };
  }
  const reason = first === undefined
    ? undefined
    : reasonToGo(view, facts, { first, bytes, hosts });
  const going = reason === undefined ? undefined : first?.log;
  return { logs, bytes, hosts, going, reason };
}

/** A position that cannot be read may be anything. */
function sequenceOf({ replay }: MemberState): number {
  return replay?.log.sequence ?? 0;
}

function reasonToGo(
  view: ResourceView,
  facts: KeepFacts,
  { first, bytes, hosts }: {
    first: LocalLog;
    bytes: number;
    hosts: readonly MemberState[];
  },
): Reason | undefined {
  const { keep } = view;
  const idleMs = first.idleMs ?? 0;
  if (facts.emergencyLevel >= ENDS_AT.transfers) return "space";
  if (isOverQuota(view, facts)) return "quota";
  // It may be on its way.
  if (hosts.some(({ replay }) => replay === undefined)) return undefined;
  if (idleMs > keep.timeMs) return "time";
  if (bytes > keep.bytes) return "size";
  const isTight = facts.restPercent < KEEP_REST_PERCENT && facts.logShare >= 1;
  return isTight && idleMs > YOUNG_MS ? "space" : undefined;
}

/** Whether what nobody needs shall go at once. */
function isShort(
  view: ResourceView,
  facts: KeepFacts,
  { idleMs = 0 }: LocalLog,
): boolean {
  // A quota takes what is needed, too: not that before this.
  const isUrgent = facts.emergencyLevel >= ENDS_AT.transfers ||
    isOverQuota(view, facts);
  return isUrgent || idleMs > RECENT_MS &&
      (facts.emergencyLevel > 0 || facts.restPercent < KEEP_REST_PERCENT);
}

/** Logs that this host has left behind, durably; ascending. */
function ownPast(view: ResourceView, facts: KeepFacts): LocalLog[] {
  const replay = view.own?.replay;
  const worker = facts.worker;
  if (replay === undefined) return [];
  const isBusy = worker !== undefined && worker.role !== "idle";
  const newest = Math.max(0, ...facts.logs.map(({ log }) => log.sequence));
  const floor = Math.min(
    replay.log.sequence,
    newest,
    ...(isBusy ? [worker.logSequence, worker.writtenBackSequence] : []),
  );
  return facts.logs.filter(({ log }) => log.sequence < floor)
    .sort((left, right) => left.log.sequence - right.log.sequence);
}

/** Bytes of logs that cannot be given up. */
export function boundBytes(
  view: ResourceView,
  logs: readonly LocalLog[],
): number {
  const at = view.own?.replay?.log.sequence ?? 0;
  return sumOf(logs.filter(({ log }) => log.sequence >= at));
}

function isOverQuota(view: ResourceView, { logs }: KeepFacts): boolean {
  const quotaBytes = view.own?.logQuotaBytes ?? 0;
  return quotaBytes > 0 && sumOf(logs) > quotaBytes;
}

/** A log of this size is followed by a new one. */
export function rotateBytesOf(
  view: ResourceView,
  facts: Pick<PlanFacts, "rotateBytes">,
): number {
  const quotaBytes = view.own?.logQuotaBytes ?? 0;
  return quotaBytes > 0
    ? Math.min(facts.rotateBytes, quotaBytes / QUOTA_ROTATE_SHARE)
    : facts.rotateBytes;
}

function sumOf(logs: readonly LocalLog[]): number {
  return logs.reduce((sum, { bytes }) => sum + bytes, 0);
}

// ---- what is said ---------------------------------------------------------

/** What the primary says of members that are behind, or lost. */
export function keepObstacles(
  view: ResourceView,
  facts: KeepFacts,
  kept: Kept,
): Obstacle[] {
  if (view.designated !== view.host) return [];
  const lost = view.members.filter((member) =>
    member.host !== view.host && isLost(view, member)
  );
  const warning = kept.hosts.length === 0
    ? undefined
    : whenTheyGo(view, facts, kept);
  return [
    ...lost.map(({ host, lostLog, replay }) => ({
      key: "err-logs-gone",
      text: `"${host}" cannot go on: log ${
        lostLog || (replay?.log.sequence ?? 0)
      } is gone everywhere; on "${host}" type invalidate ${view.resource}, or leave-resource ${view.resource} --host=${host} --force`,
    })),
    ...(warning === undefined ? [] : [{
      key: "wrn-logs-kept",
      text: `${formatCount(kept.logs.length, "log")}, ${
        formatBytes(kept.bytes, 1)
      }, kept for ${
        kept.hosts.map(({ host, replay }) =>
          `"${host}" in log ${replay?.log.sequence ?? "(unknown)"}`
        ).join(", ")
      } behind by ${
        ageText(kept.logs[0]?.idleMs ?? 0)
      }; they go ${warning}; let it catch up, or type leave-resource ${view.resource} --host=${
        kept.hosts[0]?.host
      } --force`,
    }]),
  ];
}

/** When the first of them goes, if that is near. */
function whenTheyGo(
  view: ResourceView,
  facts: KeepFacts,
  kept: Kept,
): string | undefined {
  const { keep, own } = view;
  const idleMs = kept.logs[0]?.idleMs ?? 0;
  if (kept.going !== undefined) return "now";
  if (kept.hosts.some(({ replay }) => replay === undefined)) return undefined;
  if (idleMs > keep.timeMs * WARNING_SHARE) {
    return `in ${ageText(keep.timeMs - idleMs)} because of keep-logs-time`;
  }
  const near = (bytes: number, limitBytes: number, by: string) =>
    bytes > limitBytes * WARNING_SHARE
      ? `beyond ${formatBytes(limitBytes, 1)} because of ${by}, ${
        coarsePercent(bytes / limitBytes)
      } percent are used`
      : undefined;
  const quotaBytes = own?.logQuotaBytes ?? 0;
  return near(kept.bytes, keep.bytes, "keep-logs-size") ??
    (quotaBytes > 0
      ? near(sumOf(facts.logs), quotaBytes, "log-quota")
      : undefined) ??
    (facts.restPercent < WARNING_REST_PERCENT
      ? `when less than ${KEEP_REST_PERCENT} percent of the space for logs is left`
      : undefined);
}

/** A text that changes all the time would travel all the time. */
function coarsePercent(share: number): number {
  return Math.floor(share * 100 / PERCENT_STEP) * PERCENT_STEP;
}

function ageText(ms: number): string {
  const hours = Math.floor(ms / HOUR_MS);
  return hours < 1
    ? "less than an hour"
    : hours < 48
    ? formatCount(hours, "hour")
    : formatCount(Math.floor(hours / 24), "day");
}
