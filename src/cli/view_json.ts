// Pure
/**
 * The view as JSON: one document, described in `docs/view-json.md`.
 *
 * What is unknown is left out. Within a schema number fields are only added.
 */
import { MS_PER_S } from "../base/time.ts";
import { logFileName } from "../base/names.ts";
import type { Amount, LogAmount } from "../resource/amounts.ts";
import { isLost } from "../resource/holdings.ts";
import { keptLogs } from "../resource/keep.ts";
import { obstaclesIn, type ReportedObstacle } from "../resource/obstacles.ts";
import { splitBrainOf } from "../resource/sides.ts";
import { verifySummary } from "../resource/verify.ts";
import type { MemberState, Position } from "../resource/view.ts";
import { directoryOf, linkPath, nameOf } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseTraffic } from "../tree/traffic.ts";
import { formatReplay, formatStamp } from "../tree/values.ts";
import type { World } from "./macros/world.ts";
import { splitJson } from "./split_json.ts";
import { bytesBehind, type Pace, type Report } from "./report.ts";

/** Grows when a field changes its meaning or goes away. */
const SCHEMA = 1;

/** Something that `JSON.stringify` takes as it is. */
export type Json = { readonly [field: string]: unknown };

/** What macros say about a resource. */
export interface Words {
  /** As `diskstate` writes it, with an error in front and details behind. */
  readonly disk: string;
  readonly replication: string;
  readonly flags: string;
  readonly role: string;
  /** Empty for none. */
  readonly nbdSocket: string;
  readonly mountpoint: string;
  readonly isPrimarySilent: boolean;
  readonly hostCount: number;
}

export type WordsOf = (resource: string) => Words;

/** Whose view this is, and when. */
export interface Looking {
  readonly host: string;
  readonly nowNs: bigint;
}

/** The document of `view --json`. */
export function documentOf(
  looking: Looking,
  world: World,
  { resources, wordsOf }: {
    readonly resources: readonly string[];
    readonly wordsOf: WordsOf;
  },
): Json {
  const { snapshot } = world;
  return {
    ...headOf(looking),
    ...given("cluster", snapshot.value(linkPath.uuid)),
    isDaemonRunning: world.isDaemonRunning,
    ...given("treeTrouble", filled(world.treeTrouble)),
    traffic: trafficJson(snapshot, looking.host),
    obstacles: obstaclesIn(snapshot, `actual-${looking.host}`, looking.host)
      .filter(({ text }) => !text.includes("CONNECTED")).map(obstacleJson),
    resources: resources.map((resource) =>
      resourceJson(world.report(resource, looking.host), wordsOf(resource))
    ),
  };
}

const TRAFFIC = "traffic-";
const KIB = 1024;

/** What lines of `host` move: one object per peer and class. */
function trafficJson(snapshot: Snapshot, host: string): Json[] {
  const directory = directoryOf(linkPath.global(host, ""));
  const links = [...snapshot.children(directory)].filter(({ path }) =>
    nameOf(path).startsWith(TRAFFIC)
  );
  return links.flatMap(({ path, value }) =>
    parseTraffic(value).map((row) => ({
      peer: nameOf(path).slice(TRAFFIC.length),
      class: row.trafficClass,
      sentBytesPerSecond: row.sentKib * KIB,
      ...given("sendLimitBytesPerSecond", bytesOf(row.sendLimitKib)),
      receivedBytesPerSecond: row.receivedKib * KIB,
      ...given("receiveLimitBytesPerSecond", bytesOf(row.receiveLimitKib)),
    }))
  );
}

function bytesOf(kib: number | undefined): number | undefined {
  return kib === undefined ? undefined : kib * KIB;
}

/** The document of `view-MACRO --json`. */
export function valuesDocument(
  looking: Looking,
  values: readonly {
    readonly macro: string;
    readonly resource?: string;
    readonly value: string;
  }[],
): Json {
  return {
    ...headOf(looking),
    values: values.map(({ macro, resource, value }) => ({
      macro,
      ...given("resource", resource),
      value: value.replace(/\n$/, ""),
    })),
  };
}

function headOf(looking: Looking): Json {
  const { host, nowNs } = looking;
  return { schema: SCHEMA, host, time: formatStamp(nowNs) };
}

const DISK_WORD = /^(?:DISK_ERROR=\S* )?(\w*)(?:\[(.*)\])?$/;

function resourceJson(report: Report, words: Words): Json {
  const { view, amounts, facts } = report;
  const [, disk = words.disk, detail] = DISK_WORD.exec(words.disk) ?? [];
  const { designated } = view;
  const brain = splitBrainOf(view, (path) => report.snapshot.stampNs(path));
  return {
    resource: view.resource,
    ...given("sizeBytes", view.sizeBytes),
    acknowledge: view.level,
    disk,
    ...given("diskDetail", detail),
    diskErrno: view.own?.diskErrno ?? 0,
    replication: words.replication,
    flags: words.flags,
    role: words.role,
    ...given("primary", designated),
    isPrimarySilent: words.isPrimarySilent,
    ...deviceJson(report, words),
    amounts: {
      sync: { ...amountJson(amounts.sync), ...paceJson(report.pace("sync")) },
      fetch: {
        ...logAmountJson(amounts.fetch),
        ...paceJson(report.pace("fetch")),
      },
      replay: {
        ...logAmountJson(amounts.replay),
        ...paceJson(report.pace("replay")),
      },
      work: logAmountJson(amounts.work),
      firstSequence: amounts.firstSequence,
      occupiedBytes: amounts.occupiedBytes,
      deletableBytes: amounts.deletableBytes,
    },
    hostCount: words.hostCount,
    members: view.members.map((member) => memberJson(member, report)),
    obstacles: facts.obstacles.map(obstacleJson),
    keep: keepJson(report),
    ...given("splitBrain", brain && splitJson(brain)),
    splits: facts.splits.map((split) => ({
      ...given("ancestor", split.ancestor && positionJson(split.ancestor)),
      sides: split.hosts.map((host, index) => ({
        host,
        amountBytes: split.amountBytes[index],
        behindBytes: bytesBehind(split, index),
      })),
    })),
    doubledSequences: facts.doubledSequences,
  };
}

function deviceJson(report: Report, words: Words): Json {
  const { own } = report.view;
  if (own?.isDeviceOn !== true || own.device === undefined) return {};
  return {
    device: {
      path: `/dev/mars/${own.device}`,
      ...given("nbdSocket", filled(words.nbdSocket)),
      ...given("mountpoint", filled(words.mountpoint)),
      openCount: own.openCount,
      ...given("openBy", filled(own.openBy)),
      opsPerSecond: report.counted("ops-if_rate"),
      requestsInFlight: report.counted("if-flying"),
    },
  };
}

/** What is kept here for members that are behind, and for how long. */
function keepJson({ view, facts }: Report): Json {
  const { keep } = view;
  const { logs, bytes, hosts } = keptLogs(view, {
    logs: facts.local.logs,
    worker: undefined,
    // What goes now is not asked for.
    emergencyLevel: 0,
    restPercent: 100,
    logShare: 0,
  });
  const quotaBytes = view.own?.logQuotaBytes ?? 0;
  return {
    ...given("timeLimitSeconds", limitOf(keep.timeMs / MS_PER_S)),
    ...given("limitBytes", limitOf(keep.bytes)),
    ...given("quotaBytes", quotaBytes === 0 ? undefined : quotaBytes),
    logCount: logs.length,
    bytes,
    ...given("firstSequence", logs[0]?.log.sequence),
    hosts: hosts.map(({ host }) => host),
    lostHosts: view.members.filter((member) => isLost(view, member))
      .map(({ host }) => host),
    isResyncAutomatic: view.isResyncAutomatic,
  };
}

function limitOf(limit: number): number | undefined {
  return limit === Infinity ? undefined : limit;
}

function memberJson(member: MemberState, report: Report): Json {
  const { replay, syncPosition } = member;
  return {
    host: member.host,
    disk: member.disk,
    ...given("device", member.device),
    ...given("silentSeconds", report.facts.silentS(member.host)),
    desired: member.desired,
    isAttached: member.isAttached,
    isPrimary: member.isPrimary,
    isDeviceOn: member.isDeviceOn,
    isFetching: member.isFetching,
    isReplaying: member.isReplaying,
    isSyncing: member.isSyncing,
    hasEmergency: member.hasEmergency,
    openCount: member.openCount,
    ...given("openBy", filled(member.openBy)),
    replayCode: member.replayCode,
    diskErrno: member.diskErrno,
    ...given("diskBytes", member.diskBytes),
    ...given("syncedBytes", member.syncedBytes),
    ...given("syncPosition", syncPosition && formatReplay(syncPosition)),
    ...given("lostSequence", member.lostLog || undefined),
    ...given("verify", verifyJson(member, report)),
    ...given(
      "provenUntil",
      member.verifiedNs === undefined
        ? undefined
        : formatStamp(member.verifiedNs),
    ),
    ...given(
      "verifiedSeconds",
      report.facts.sinceS(member.verifiedNs),
    ),
    ...given(
      "replay",
      replay && {
        ...positionJson({ log: replay.log, bytes: replay.startBytes }),
        dirtyBytes: replay.dirtyBytes,
      },
    ),
  };
}

function verifyJson(
  member: MemberState,
  { facts }: Report,
): Json | undefined {
  const summary = verifySummary(member, facts.local.nowNs);
  if (summary === undefined) return undefined;
  const { state, phase, bytesPerSecond, remainS } = summary;
  const { source, doneBytes, sizeBytes, differingBytes, repairedBytes } = state;
  return {
    phase,
    source,
    ...amountJson({ doneBytes, sizeBytes, restBytes: sizeBytes - doneBytes }),
    bytesPerSecond,
    ...given("remainSeconds", remainS),
    differingBytes,
    repairedBytes,
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

function filled(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** One field, or none. */
function given(field: string, value: unknown): Json {
  return value === undefined ? {} : { [field]: value };
}
