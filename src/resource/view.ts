// Pure
/**
 * ResourceView: what the links say about one resource, decoded once.
 *
 * Everything that decides (plan, handover, retention, the command line) reads
 * this record and not the tree. A missing or undecodable link is `undefined`
 * or false here; nobody behind this file looks at text again, except for
 * version links, whose text itself is compared.
 *
 * Source: the links of a resource in MARS, tree version 0.1.
 */
import { isIdentifier, type LogName } from "../base/names.ts";
import { MS_PER_S } from "../base/time.ts";
import { type LogRun, parseRuns } from "../tree/log_runs.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import {
  type AcknowledgeLevel,
  isAcknowledgeLevel,
  NOBODY,
  parseCount,
  parseReplay,
  parseStamp,
  parseSwitch,
  type ReplayValue,
} from "../tree/values.ts";
import { type RewindRecord, rewindRecord } from "./rewind_record.ts";
import {
  parseRequest,
  parseState,
  type VerifyRequest,
  type VerifyState,
} from "./verify_links.ts";
import { type Versions, versionsIn } from "./versions.ts";

/** A place in the history of a resource: log and byte offset. */
export interface Position {
  readonly log: LogName;
  readonly bytes: number;
}

/** The four switches an administrator sets per host and resource. */
export interface Switches {
  readonly attach: boolean;
  readonly fetch: boolean;
  readonly sync: boolean;
  readonly replay: boolean;
}

/** What the links say about one host and this resource. */
export interface MemberState {
  readonly host: string;
  /** Path of the backing disk. */
  readonly disk: string;
  /** Name below `/dev/mars`; undefined switches the resource off there. */
  readonly device: string | undefined;
  readonly desired: Switches;
  /** Emergency mode begins when less of the tree is free; 0 for never. */
  readonly emergencyLimitPercent: number;
  /** Logs of the resource may have so many bytes there; 0 is no quota. */
  readonly logQuotaBytes: number;
  /** Hosts that shall be asked for logs before others. */
  readonly fetchFrom: readonly string[];
  readonly isAttached: boolean;
  readonly isPrimary: boolean;
  readonly isDeviceOn: boolean;
  readonly isReplaying: boolean;
  readonly isFetching: boolean;
  readonly isSyncing: boolean;
  readonly hasEmergency: boolean;
  /** Bytes that clients see; undefined if it was not told. */
  readonly deviceBytes: number | undefined;
  readonly openCount: number;
  /** Who has the device open, in words; empty if it was not told. */
  readonly openBy: string;
  /** First number of `replay-code`: 0 running, 1 done, negative: damage. */
  readonly replayCode: number;
  /** The whole text, with detail and byte. */
  readonly replayCodeText: string;
  readonly diskErrno: number;
  readonly diskBytes: number | undefined;
  readonly replay: ReplayValue | undefined;
  readonly syncedBytes: number | undefined;
  readonly syncPosition: ReplayValue | undefined;
  /** Whom it copies from, if that is not complete. */
  readonly syncFrom: string | undefined;
  /** Numbers of the logs that it has; undefined if it was not told. */
  readonly logs: readonly LogRun[] | undefined;
  /** The log that it needs and nobody has any more; 0 for none. */
  readonly lostLog: number;
  /** How fast its disk may be copied or compared, as the links say it. */
  readonly syncRate: string | undefined;
  readonly verifyRate: string | undefined;
  readonly verifyRequest: VerifyRequest | undefined;
  readonly verifyState: VerifyState | undefined;
  /** What was wrong with the disk before would have been found. */
  readonly verifiedNs: bigint | undefined;
  /** Stamp of the newest sign of life. */
  readonly aliveNs: bigint | undefined;
}

export interface ResourceView {
  readonly resource: string;
  readonly host: string;
  /** Bytes of the device. */
  readonly sizeBytes: number | undefined;
  /** Host that shall be primary; undefined when nobody shall. */
  readonly designated: string | undefined;
  readonly level: AcknowledgeLevel;
  /** What is kept for members that are behind; Infinity is no limit. */
  readonly keep: { readonly timeMs: number; readonly bytes: number };
  /** A member that cannot go on is copied anew without being told. */
  readonly isResyncAutomatic: boolean;
  /** Highest number that a log ever had, as far as it was noted. */
  readonly highestLog: number | undefined;
  /** Every host with a disk for this resource, sorted by name. */
  readonly members: readonly MemberState[];
  /** The member that this host is; undefined when it is none. */
  readonly own: MemberState | undefined;
  readonly versions: Versions;
  /** What a copy to this host may be limited to. */
  readonly rewind: RewindRecord | undefined;
  /** The highest number of logs that members wrote on sides that were lost. */
  readonly usedLog: number;
}

/** Ours. A side that rotated once a minute needs a week for as many. */
export const USED_AHEAD_MAX = 10_000;

/** Decodes the links of `resource` as `host` sees them. */
export function resourceView(
  snapshot: Snapshot,
  resource: string,
  host: string,
): ResourceView {
  const members = snapshot.members(resource).map((member) =>
    memberState(snapshot, resource, member)
  );
  const primary = snapshot.value(linkPath.primary(resource));
  const level = snapshot.value(linkPath.acknowledge(resource));
  return {
    resource,
    host,
    sizeBytes: count(snapshot, linkPath.size(resource)),
    designated: primary === NOBODY ? undefined : primary,
    keep: {
      timeMs: limit(snapshot, resource, "keep-logs-time") * MS_PER_S,
      bytes: limit(snapshot, resource, "keep-logs-size"),
    },
    isResyncAutomatic:
      standard(snapshot, resource, "auto-resync", parseSwitch) ?? false,
    highestLog: count(snapshot, linkPath.maxnr(resource)),
    level: level !== undefined && isAcknowledgeLevel(level) ? level : "flush",
    members,
    own: members.find((member) => member.host === host),
    versions: versionsIn(snapshot, resource),
    rewind: rewindRecord({ resource, host }, (path) => snapshot.value(path)),
    usedLog: usedLogOf(snapshot, resource, members),
  };
}

/** A leader begins each of the logs up to this one: no garbage may count. */
function usedLogOf(
  snapshot: Snapshot,
  resource: string,
  members: readonly MemberState[],
): number {
  const [newest = 0] = versionsIn(snapshot, resource).keys();
  const used = members.map(({ host }) =>
    count(snapshot, linkPath.usedLog(resource, host)) ?? 0
  );
  return Math.max(0, ...used.filter((it) => it - newest <= USED_AHEAD_MAX));
}

/** Whether `left` lies before, at or behind `right`: negative, 0, positive. */
export function comparePositions(left: Position, right: Position): number {
  return left.log.sequence - right.log.sequence || left.bytes - right.bytes;
}

/** Where what is on the disk for good ends. */
export function startOf({ log, startBytes }: ReplayValue): Position {
  return { log, bytes: startBytes };
}

/** The one that lies before the other; an unknown one does. */
export function earlierOf(
  left: Position | undefined,
  right: Position | undefined,
): Position | undefined {
  if (left === undefined || right === undefined) return undefined;
  return comparePositions(left, right) <= 0 ? left : right;
}

/** Whether both name the same log. */
export function sameLog(left: LogName, right: LogName): boolean {
  return left.sequence === right.sequence && left.host === right.host;
}

/** Whether the initial copy of `member` is complete. */
export function isSynced(view: ResourceView, member: MemberState): boolean {
  return view.sizeBytes !== undefined && member.syncedBytes !== undefined &&
    member.syncedBytes >= view.sizeBytes;
}

/**
 * Whether the disk of `member` is the state of one position: the copy is
 * complete, and everything is replayed that was on the source's disk while it
 * was copied.
 */
export function isConsistent(view: ResourceView, member: MemberState): boolean {
  const { replay, syncPosition: goal } = member;
  if (!isSynced(view, member) || replay === undefined) return false;
  if (goal === undefined) return true;
  const isElsewhere = replay.log.sequence === goal.log.sequence &&
    replay.log.host !== goal.log.host;
  return !isElsewhere && comparePositions(
        { log: replay.log, bytes: replay.startBytes },
        { log: goal.log, bytes: goal.startBytes + goal.dirtyBytes },
      ) >= 0;
}

function memberState(
  snapshot: Snapshot,
  resource: string,
  host: string,
): MemberState {
  const desired = (name: string): boolean =>
    parseSwitch(snapshot.value(linkPath.todo(resource, host, name)) ?? "") ===
      true;
  const actualText = (name: string): string =>
    snapshot.value(linkPath.actual(resource, host, name)) ?? "";
  const actual = (name: string): boolean =>
    parseSwitch(actualText(name)) === true;
  const replayCodeText = actualText("replay-code");
  return {
    host,
    disk: snapshot.value(linkPath.data(resource, host)) ?? "",
    device: snapshot.value(linkPath.device(resource, host)),
    desired: {
      attach: desired("attach"),
      fetch: desired("connect"),
      sync: desired("sync"),
      replay: desired("allow-replay"),
    },
    emergencyLimitPercent:
      count(snapshot, linkPath.todo(resource, host, "emergency-limit")) ?? 0,
    logQuotaBytes:
      count(snapshot, linkPath.todo(resource, host, "log-quota")) ?? 0,
    fetchFrom: (snapshot.value(linkPath.connect(resource, host)) ?? "")
      .split(",").filter(isIdentifier),
    isAttached: actual("is-attached"),
    isPrimary: actual("is-primary"),
    isDeviceOn: actual("if-on"),
    isReplaying: actual("is-replaying"),
    isFetching: actual("is-copying"),
    isSyncing: actual("is-syncing"),
    hasEmergency: actual("has-emergency"),
    deviceBytes: parseCount(actualText("device-size")),
    openCount: parseCount(actualText("open-count")) ?? 0,
    openBy: openByOf(actualText("open-by")),
    replayCode: Number.parseInt(replayCodeText, 10) || 0,
    replayCodeText,
    diskErrno: Math.abs(Number.parseInt(actualText("disk-error"), 10) || 0),
    diskBytes: count(snapshot, linkPath.actsize(resource, host)),
    replay: decoded(
      snapshot.value(linkPath.replay(resource, host)),
      parseReplay,
    ),
    syncedBytes: count(snapshot, linkPath.syncStatus(resource, host)),
    syncPosition: decoded(
      snapshot.value(linkPath.syncPos(resource, host)),
      parseReplay,
    ),
    syncFrom: snapshot.value(linkPath.syncFrom(resource, host)),
    logs: parseRuns(actualText("logs")),
    lostLog: parseCount(actualText("lost-log")) ?? 0,
    syncRate: snapshot.value(linkPath.todo(resource, host, "sync-rate")),
    verifyRate: snapshot.value(linkPath.todo(resource, host, "verify-rate")),
    verifyRequest: decoded(
      snapshot.value(linkPath.todo(resource, host, "verify")),
      parseRequest,
    ),
    verifyState: decoded(
      snapshot.value(linkPath.actual(resource, host, "verify")),
      parseState,
    ),
    verifiedNs: decoded(
      snapshot.value(linkPath.actual(resource, host, "verified")),
      parseStamp,
    ),
    aliveNs: snapshot.stampNs(linkPath.global(host, "time")),
  };
}

function openByOf(text: string): string {
  return text === NOBODY ? "" : text;
}

/** A limit; 0 and what cannot be read are none. */
function limit(snapshot: Snapshot, resource: string, name: string): number {
  return standard(snapshot, resource, name, parseCount) || Infinity;
}

/** A setting of the resource, or what holds in the whole cluster. */
function standard<T>(
  snapshot: Snapshot,
  resource: string,
  name: string,
  parse: (text: string) => T | undefined,
): T | undefined {
  return decoded(
    snapshot.value(linkPath.resourceDefaults(resource, name)),
    parse,
  ) ??
    decoded(snapshot.value(linkPath.defaults(name)), parse);
}

function count(snapshot: Snapshot, path: string): number | undefined {
  return decoded(snapshot.value(path), parseCount);
}

function decoded<T>(
  text: string | undefined,
  parse: (text: string) => T | undefined,
): T | undefined {
  return text === undefined ? undefined : parse(text);
}
