// Pure
/**
 * Rehearsal: what a change of the primary would cost, as far as links tell.
 *
 *   here     the end of all that this host has, replayed or not
 *   missing  log of another member behind that: a handover waits for it, a
 *            failover loses it
 *
 * What a host has written since it was heard of last, nobody can know.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { authorsOf, finalEndBytes, lastVersion, versionOf } from "./history.ts";
import { type LocalLog, localLog } from "./plan_types.ts";
import {
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** Longer chains of logs count as unknown. */
const LOGS_MAX = 100_000;

/** What a member has that this host has not. */
export interface SourceGap {
  readonly host: string;
  readonly isPrimary: boolean;
  /** Undefined if its history is not that of this host. */
  readonly missingBytes: number | undefined;
  /** From the newest that is here to its newest; 0 if nothing is missing. */
  readonly missingNs: bigint;
}

/** Where the logs end that this host has; undefined without a position. */
export function endHere(
  view: ResourceView,
  logs: readonly LocalLog[],
): Position | undefined {
  const replay = view.own?.replay;
  if (replay === undefined) return undefined;
  const bytesOf = (log: LogName): number => localLog(logs, log)?.bytes ?? 0;
  let end = {
    log: replay.log,
    bytes: Math.max(replay.startBytes, bytesOf(replay.log)),
  };
  for (let count = 0; count < LOGS_MAX; count++) {
    const finalBytes = finalEndBytes(view, end.log);
    if (finalBytes === undefined || end.bytes < finalBytes) break;
    const sequence = end.log.sequence + 1;
    const [author, ...others] = authorsOf(view, sequence);
    if (author === undefined || others.length > 0) break;
    const next = { sequence, host: author };
    const file = localLog(logs, next);
    if (file === undefined) break;
    end = { log: next, bytes: file.bytes };
  }
  return end;
}

/** What is here and not on the disk yet. */
export function replayBytes(
  { own }: ResourceView,
  logs: readonly LocalLog[],
  end: Position | undefined,
): number {
  if (own?.replay === undefined || end === undefined) return 0;
  const { log, startBytes } = own.replay;
  if (sameLog(log, end.log)) return Math.max(0, end.bytes - startBytes);
  let bytes = end.bytes + (localLog(logs, log)?.bytes ?? 0) - startBytes;
  for (const file of logs) {
    const { sequence } = file.log;
    const isBetween = sequence > log.sequence && sequence < end.log.sequence;
    if (isBetween) bytes += file.bytes;
  }
  return Math.max(0, bytes);
}

/** Every other member with a position, by name. */
export function sourceGaps(
  view: ResourceView,
  end: Position,
  stampNs: (path: string) => bigint | undefined,
): SourceGap[] {
  return view.members.filter(({ host, replay }) =>
    host !== view.host && replay !== undefined
  ).map((member) => {
    const missingBytes = behindBytes(view, member, end);
    const newestNs = newestVersionNs(view, member.host, stampNs) ?? 0n;
    const hereNs = newestVersionNs(view, view.host, stampNs) ?? newestNs;
    return {
      host: member.host,
      isPrimary: member.isPrimary,
      missingBytes,
      missingNs: missingBytes !== 0 && newestNs > hereNs
        ? newestNs - hereNs
        : 0n,
    };
  });
}

/** Log that `member` tells of behind `end`; undefined if it leads elsewhere. */
function behindBytes(
  view: ResourceView,
  { host, replay }: MemberState,
  end: Position,
): number | undefined {
  const newest = lastVersion(view, host)?.self;
  let at = newest !== undefined
    ? { log: newest.log, bytes: newest.endBytes }
    : replay && {
      log: replay.log,
      bytes: replay.startBytes + replay.dirtyBytes,
    };
  let bytes = 0;
  for (let count = 0; count < LOGS_MAX && at !== undefined; count++) {
    if (sameLog(at.log, end.log)) {
      return bytes + Math.max(0, at.bytes - end.bytes);
    }
    // It is behind, in a log that this host may have left long ago.
    if (at.log.sequence < end.log.sequence) return bytes === 0 ? 0 : undefined;
    if (at.log.sequence === end.log.sequence) return undefined;
    bytes += at.bytes;
    const previous = versionOf(view, at.log.sequence, host)?.value.previous;
    at = previous && { log: previous.log, bytes: previous.endBytes };
  }
  return undefined;
}

function newestVersionNs(
  view: ResourceView,
  host: string,
  stampNs: (path: string) => bigint | undefined,
): bigint | undefined {
  const last = lastVersion(view, host);
  return last &&
    stampNs(linkPath.version(view.resource, last.sequence, host));
}
