// Pure
/**
 * Rewind: how the losing side of a split brain comes back without a full copy.
 *
 *   common history ──── parting ──── own logs        what only this host wrote
 *                          └──────── logs of the winner
 *
 * Outside of what its own logs behind the parting name, the disk of the loser is
 * the state of the parting, or of a position before. So those ranges alone are
 * copied from the winner; then its logs are replayed from the parting on, up to
 * where the winner was at the end of the copy, as after every copy (I6). What
 * both sides wrote is right then because replay writes it again.
 *
 * That needs certainty: the disk was consistent, every own log behind the
 * parting is here and intact, and the logs of the winner were not deleted. In
 * doubt the whole disk is compared.
 *
 * What is found is kept in links, see `rewind_record.ts`.
 */
import { logFileName, type LogName } from "../base/names.ts";
import { authorsOf, historyObstacles } from "./history.ts";
import { isHeld } from "./holdings.ts";
import { partingOf, type Side } from "./parting.ts";
import { type LocalLog, localLog } from "./plan_types.ts";
import {
  comparePositions,
  isConsistent,
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** A piece of a log that this host must read to know what it wrote. */
export interface LogPart {
  readonly log: LogName;
  readonly fromBytes: number;
}

export type Rewind =
  | {
    readonly kind: "rewind";
    /** Where replay begins again; not behind the parting. */
    readonly to: Position;
    readonly parting: Position;
    /** All that may have been written here since. */
    readonly parts: readonly LogPart[];
  }
  /** Why the whole disk must be compared. */
  | { readonly kind: "whole"; readonly reason: string };

export interface RewindFacts {
  /** Log files of this host. */
  readonly logs: readonly LocalLog[];
  /** Whether a log was deleted everywhere. */
  readonly isDeleted: (log: LogName) => boolean;
}

/** How the host of `view` can get what `source` has. */
export function rewindTo(
  view: ResourceView,
  source: string,
  { logs, isDeleted }: RewindFacts,
): Rewind {
  const { own, host } = view;
  const whole = (reason: string): Rewind => ({ kind: "whole", reason });
  if (own?.replay === undefined) return whole("its position is not known");
  if (!isConsistent(view, own)) return whole("its copy was not complete");
  const trouble = troubleOf(own);
  if (trouble !== undefined) return whole(trouble);
  const { isSplit, ancestor, sides } = partingOf(view, host, source);
  // Without one there is a reason to distrust the disk that nobody has told.
  if (!isSplit) return whole(`it has not parted from "${source}"`);
  if (ancestor === undefined || sides.some(({ hasGap }) => hasGap)) {
    return whole("the common history is not known");
  }
  const [mine, theirs] = sides;
  const lost = missingOf(mine, logs) ??
    (fileBytes(logs, ancestor.log) < ancestor.bytes ? ancestor.log : undefined);
  if (lost !== undefined) {
    return whole(`its "${logFileName(lost)}" is not complete here`);
  }
  // Hosts give up copies of logs, too, without a tombstone.
  const gone = neededOf(theirs, ancestor)
    .find((log) => isDeleted(log) || !isHeld(view, host, log.sequence));
  if (gone !== undefined) {
    return whole(`"${logFileName(gone)}" is gone already`);
  }
  const other = rivalOf(view, source, ancestor, theirs);
  if (other !== undefined) return whole(other);
  const start = { log: own.replay.log, bytes: own.replay.startBytes };
  const to = comparePositions(start, ancestor) < 0 ? start : ancestor;
  const isTold = historyObstacles(view, to.log.sequence, source).length === 0;
  if (!isTold) return whole(`the history of "${source}" is not known`);
  return {
    kind: "rewind",
    to,
    parting: ancestor,
    parts: partsOf(logs, ancestor, theirs),
  };
}

/** Why nobody can know what is on the disk. */
function troubleOf(own: MemberState): string | undefined {
  if (own.hasEmergency) return "it was in emergency mode";
  if (own.diskErrno !== 0) return "its disk had errors";
  return own.replayCode < 0 ? "its replay had stopped" : undefined;
}

function fileBytes(logs: readonly LocalLog[], log: LogName): number {
  return localLog(logs, log)?.bytes ?? 0;
}

/** The first log of a side that is not here as far as its end was told. */
function missingOf(
  { left, logs: ends }: Side,
  logs: readonly LocalLog[],
): LogName | undefined {
  return [...ends, ...left === undefined ? [] : [left]]
    .find((end) => fileBytes(logs, end.log) < end.bytes)?.log;
}

/** Logs of the winner that must come from others. */
function neededOf({ left, logs }: Side, parting: Position): LogName[] {
  const isLonger = left !== undefined && left.bytes > parting.bytes;
  return [
    ...(isLonger ? [left.log] : []),
    ...logs.map(({ log }) => log),
  ];
}

/**
 * Who else claims a log that the winner wrote: replay would stop in front of it.
 */
function rivalOf(
  view: ResourceView,
  source: string,
  parting: Position,
  { logs }: Side,
): string | undefined {
  const others: ResourceView = {
    ...view,
    versions: withoutHost(view.versions, view.host),
  };
  for (const { log } of logs) {
    if (log.sequence <= parting.log.sequence) continue;
    if (authorsOf(others, log.sequence).length > 1) {
      return `others than "${source}" have a log ${log.sequence}, too`;
    }
  }
  return undefined;
}

function withoutHost(
  versions: ResourceView["versions"],
  host: string,
): ResourceView["versions"] {
  return {
    keys: () => versions.keys(),
    [Symbol.iterator]: () => versions[Symbol.iterator](),
    get: (sequence) => {
      const links = versions.get(sequence);
      if (links === undefined) return undefined;
      const left = new Map([...links].filter(([name]) => name !== host));
      return left;
    },
  };
}

/**
 * Also of logs that nobody may know of, because they may be on the disk; not of
 * what the other side wrote and this host has only fetched.
 */
function partsOf(
  logs: readonly LocalLog[],
  parting: Position,
  theirs: Side,
): LogPart[] {
  const { log: common, bytes } = parting;
  const isTheirs = (log: LogName): boolean =>
    theirs.logs.some((end) => sameLog(end.log, log));
  return logs.filter(({ log }) =>
    sameLog(log, common) || (log.sequence > common.sequence && !isTheirs(log))
  ).map(({ log }) => ({
    log,
    fromBytes: sameLog(log, common) ? bytes : 0,
  }));
}
