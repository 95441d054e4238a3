// Pure
/**
 * The view as JSON: one document, described in `docs/view-json.md`.
 *
 * What is unknown is left out. Within a schema number fields are only added.
 */
import { logFileName } from "../base/names.ts";
import type { Amount, LogAmount } from "../resource/amounts.ts";
import type { MemberState, Position } from "../resource/view.ts";
import { formatReplay, formatStamp } from "../tree/values.ts";
import type { Pace, Report, ReportedObstacle } from "./report.ts";

/** Grows when a field changes its meaning or goes away. */
export const SCHEMA = 1;

/** What holds for the whole host. */
export interface HostReport {
  readonly host: string;
  readonly cluster: string | undefined;
  readonly isDaemonRunning: boolean;
  readonly nowNs: bigint;
  readonly obstacles: readonly ReportedObstacle[];
}

/** Something that `JSON.stringify` takes as it is. */
export type Json = { readonly [field: string]: unknown };

export function documentOf(
  host: HostReport,
  reports: readonly Report[],
): Json {
  return {
    schema: SCHEMA,
    host: host.host,
    ...given("cluster", host.cluster),
    time: formatStamp(host.nowNs),
    isDaemonRunning: host.isDaemonRunning,
    obstacles: host.obstacles.map(obstacleJson),
    resources: reports.map(resourceJson),
  };
}

function resourceJson(report: Report): Json {
  const { view, status, amounts, pace } = report;
  return {
    resource: view.resource,
    ...given("sizeBytes", view.sizeBytes),
    acknowledge: view.level,
    disk: status.disk.state,
    diskErrno: status.disk.errno,
    replication: status.replication,
    flags: status.flags,
    role: status.role,
    ...given("primary", view.designated),
    isPrimarySilent: report.isPrimarySilent,
    ...deviceJson(report),
    amounts: {
      sync: { ...amountJson(amounts.sync), ...paceJson(pace.sync) },
      fetch: { ...logAmountJson(amounts.fetch), ...paceJson(pace.fetch) },
      replay: { ...logAmountJson(amounts.replay), ...paceJson(pace.replay) },
      work: logAmountJson(amounts.work),
      firstSequence: amounts.firstSequence,
      occupiedBytes: amounts.occupiedBytes,
      deletableBytes: amounts.deletableBytes,
    },
    hostCount: report.hostCount,
    members: view.members.map((member) => memberJson(member, report)),
    obstacles: report.obstacles.map(obstacleJson),
    splits: report.splits.map(({ hosts, ancestor, amountBytes }) => ({
      ...given("ancestor", ancestor && positionJson(ancestor)),
      sides: hosts.map((host, index) => ({
        host,
        amountBytes: amountBytes[index],
      })),
    })),
  };
}

function deviceJson(report: Report): Json {
  const { own } = report.view;
  if (own?.isDeviceOn !== true || own.device === undefined) return {};
  return {
    device: {
      path: `/dev/mars/${own.device}`,
      ...given("nbdSocket", report.nbdSocket),
      openCount: own.openCount,
      opsPerSecond: report.deviceOpsPerSecond,
    },
  };
}

function memberJson(member: MemberState, report: Report): Json {
  const { replay, syncPosition } = member;
  return {
    host: member.host,
    disk: member.disk,
    ...given("device", member.device),
    ...given("silentSeconds", report.silentS.get(member.host)),
    desired: member.desired,
    isAttached: member.isAttached,
    isPrimary: member.isPrimary,
    isDeviceOn: member.isDeviceOn,
    isFetching: member.isFetching,
    isReplaying: member.isReplaying,
    isSyncing: member.isSyncing,
    hasEmergency: member.hasEmergency,
    openCount: member.openCount,
    replayCode: member.replayCode,
    diskErrno: member.diskErrno,
    ...given("diskBytes", member.diskBytes),
    ...given("syncedBytes", member.syncedBytes),
    ...given("syncPosition", syncPosition && formatReplay(syncPosition)),
    ...given(
      "replay",
      replay && {
        ...positionJson({ log: replay.log, bytes: replay.startBytes }),
        dirtyBytes: replay.dirtyBytes,
      },
    ),
  };
}

function positionJson({ log, bytes }: Position): Json {
  return { log: logFileName(log), bytes };
}

function amountJson({ doneBytes, sizeBytes, restBytes }: Amount): Json {
  return { doneBytes, sizeBytes, restBytes };
}

function logAmountJson(amount: LogAmount): Json {
  return { ...amountJson(amount), sequence: amount.sequence };
}

function paceJson({ bytesPerSecond, ageS, lagS }: Pace): Json {
  return { bytesPerSecond, ...given("ageSeconds", ageS), lagSeconds: lagS };
}

function obstacleJson(obstacle: ReportedObstacle): Json {
  const { host, key, severity, text, stampNs } = obstacle;
  return { host, key, severity, text, since: formatStamp(stampNs) };
}

/** One field, or none. */
function given(field: string, value: unknown): Json {
  return value === undefined ? {} : { [field]: value };
}
