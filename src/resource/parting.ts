// Pure
/**
 * Parting: where the histories of two hosts were one for the last time.
 *
 * Both are followed back, log by log, along the predecessors that version links
 * name, until both stand in the same log:
 *
 *   alpha  1 ── 2 ── 3 of beta, 12540 ── 4 of alpha
 *   beta   1 ── 2 ── 3 of beta ───────── 33440 ── 4 of beta
 *                            └ the ancestor: the shorter of both
 *
 * It is a split brain if both have gone on from there, or stand in different
 * logs of one number. Who is only behind, in the same log or in an earlier one
 * that the other has finished, has not parted.
 *
 * Where a link of the host is missing, another's of the same log leads on: a log
 * follows one other, whoever has replayed it.
 *
 * Where one history leads over a log that follows nothing, and they do not meet
 * before it, because links are deleted, who is before that log counts as behind;
 * but the designated primary is not: it does not go there, and nobody can follow
 * it from there.
 *
 * Source: ancestor search of MARS.
 */
import type { LogName } from "../base/names.ts";
import type { VersionStep } from "../tree/values.ts";
import { lastVersion, versionOf } from "./history.ts";
import type { VersionLink } from "./versions.ts";
import {
  earlierOf,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** No history is followed further than this; longer ones count as unknown. */
const STEPS_MAX = 100_000;

/** Where the histories of two hosts part. */
export interface Split {
  readonly hosts: readonly [string, string];
  /** The last position both have in common. */
  readonly ancestor: Position | undefined;
  /** Bytes each wrote since: the whole of the log in which they parted. */
  readonly amountBytes: readonly [number, number];
}

/** What one host has behind the ancestor. */
export interface Side {
  readonly host: string;
  /** How far it went in the log of the ancestor. */
  readonly left: Position | undefined;
  /** Ends of its logs behind that one, the newest first. */
  readonly logs: readonly Position[];
  /** Something that it wrote is in no log, or its links are incomplete. */
  readonly hasGap: boolean;
}

export interface Parting {
  readonly isSplit: boolean;
  readonly ancestor: Position | undefined;
  readonly sides: readonly [Side, Side];
}

/** All pairs of members whose histories have parted. */
export function findSplits(view: ResourceView): Split[] {
  const hosts = view.members.filter((member) => member.replay !== undefined)
    .map((member) => member.host);
  const splits: Split[] = [];
  for (const [index, left] of hosts.entries()) {
    for (const right of hosts.slice(index + 1)) {
      const { isSplit, ancestor, sides } = partingOf(view, left, right);
      if (!isSplit) continue;
      const amountBytes: [number, number] = [
        amountOf(sides[0]),
        amountOf(sides[1]),
      ];
      splits.push({ hosts: [left, right], ancestor, amountBytes });
    }
  }
  return splits;
}

/** Bytes of the log of the ancestor, and of all behind. */
function amountOf({ left, logs }: Side): number {
  return logs.reduce((sum, { bytes }) => sum + bytes, left?.bytes ?? 0);
}

/** Bytes that `side` has behind the ancestor. */
export function bytesSince(
  { left, logs }: Side,
  ancestor: Position | undefined,
): number {
  const before = ancestor?.bytes ?? 0;
  return logs.reduce(
    (sum, { bytes }) => sum + bytes,
    Math.max(0, (left?.bytes ?? 0) - before),
  );
}

/** How the histories of two members are related. */
export function partingOf(
  view: ResourceView,
  leftHost: string,
  rightHost: string,
): Parting {
  const left = tipOf(view, leftHost);
  const right = tipOf(view, rightHost);
  let isSplit = false;
  for (let step = 0; step < STEPS_MAX; step++) {
    if (left.at === undefined || right.at === undefined) break;
    const ahead = left.at.log.sequence - right.at.log.sequence;
    if (ahead > 0) {
      stepBack(view, left, right);
    } else if (ahead < 0) {
      stepBack(view, right, left);
    } else if (!sameLog(left.at.log, right.at.log)) {
      isSplit = true;
      stepBack(view, left, right);
      stepBack(view, right, left);
    } else {
      // The same log: the shorter one is the ancestor. It is a split when
      // both have gone on from there.
      const isLeftShorter = left.at.bytes <= right.at.bytes;
      const isRightShorter = right.at.bytes <= left.at.bytes;
      isSplit ||= (isLeftShorter && left.logs.length > 0) &&
          (!isRightShorter || right.logs.length > 0) ||
        !isLeftShorter && right.logs.length > 0;
      break;
    }
  }
  const haveMet = left.at !== undefined && right.at !== undefined;
  isSplit ||= !haveMet && (left.hasPassed || right.hasPassed);
  return {
    isSplit,
    ancestor: earlierOf(left.at, right.at),
    sides: [sideOf(left), sideOf(right)],
  };
}

interface Walk {
  readonly host: string;
  at: Position | undefined;
  readonly logs: Position[];
  hasGap: boolean;
  /** It went over a hole before which the designated primary stands. */
  hasPassed: boolean;
}

function sideOf({ host, at, logs, hasGap }: Walk): Side {
  return { host, left: at, logs, hasGap: hasGap || at === undefined };
}

function tipOf(view: ResourceView, host: string): Walk {
  const replay = view.members.find((member) => member.host === host)?.replay;
  return {
    host,
    at: replay && endOfDirty(view, host, {
      log: replay.log,
      bytes: replay.startBytes + replay.dirtyBytes,
    }),
    logs: [],
    hasGap: false,
    hasPassed: false,
  };
}

/**
 * What is dirty may reach into later logs: `untoldLinks` counts all that a
 * stopped host has behind its position.
 */
function endOfDirty(
  view: ResourceView,
  host: string,
  from: Position,
): Position {
  let at = from;
  for (;;) {
    const next = versionOf(view, at.log.sequence + 1, host)?.value;
    const end = next?.previous;
    const isPassed = end !== undefined && sameLog(end.log, at.log) &&
      at.bytes > end.endBytes;
    if (next === undefined || !isPassed) return at;
    at = { log: next.self.log, bytes: at.bytes - end.endBytes };
  }
}

function stepBack(view: ResourceView, walk: Walk, other: Walk): void {
  if (walk.at === undefined) return;
  const { log } = walk.at;
  const own = versionOf(view, log.sequence, walk.host);
  const link = own ?? versionOfLog(view, log);
  let previous = link?.value.previous;
  if (own === undefined || previous === undefined) walk.hasGap = true;
  if (previous === undefined) {
    const isHole = link !== undefined;
    walk.hasPassed ||= isHole && !other.hasGap &&
      other.host === view.designated;
    previous = lastBefore(view, walk);
  }
  walk.logs.push(walk.at);
  walk.at = previous && { log: previous.log, bytes: previous.endBytes };
}

/** What anybody tells of `log`; its author before all. */
function versionOfLog(
  view: ResourceView,
  log: LogName,
): VersionLink | undefined {
  const said = versionOf(view, log.sequence, log.host);
  const links = view.versions.get(log.sequence)?.values() ?? [];
  return [...said === undefined ? [] : [said], ...links]
    .find(({ value }) => sameLog(value.self.log, log));
}

/**
 * What came before a log that follows nothing: where its author left off. Who
 * has copied behind it may have links of an earlier life, which count only if
 * the author has none.
 */
function lastBefore(view: ResourceView, walk: Walk): VersionStep | undefined {
  const sequence = walk.at?.log.sequence ?? 0;
  const author = walk.at?.log.host ?? walk.host;
  const last = lastVersion(view, author, sequence) ??
    lastVersion(view, walk.host, sequence);
  return last?.self;
}
