// Pure
/**
 * Which log bytes a host should fetch next, and from whom.
 *
 * Fetching follows the chain from the log being replayed: a log whose final end
 * is known and here is done, the next one follows. It does not wait for replay.
 * Any member that has the log may serve it; hosts that the administrator prefers
 * are asked first, then its author, the primary, and who says that it has most.
 */
import type { LogName } from "../base/names.ts";
import { authorsOf, claimedBytes, finalEndBytes } from "./history.ts";
import { type ResourceView, sameLog } from "./view.ts";

export interface FetchPlan {
  readonly log: LogName;
  /** Hosts to ask, best first. */
  readonly sources: readonly string[];
}

/** How far fetching may run ahead of replay. */
export const LOGS_AHEAD_MAX = 1_000;

/**
 * What to fetch for the host of `view`, which replays `current`.
 *
 * @param logsAheadMax 0: nothing but the current log
 */
export function planFetch(
  view: ResourceView,
  logs: readonly { readonly log: LogName; readonly bytes: number }[],
  current: LogName,
  logsAheadMax: number,
): FetchPlan | undefined {
  let log = current;
  for (let ahead = 0; ahead <= logsAheadMax; ahead++) {
    const haveBytes = logs.find((file) => sameLog(file.log, log))?.bytes;
    const endBytes = wantedEndBytes(view, log);
    const isComplete = haveBytes !== undefined && endBytes !== undefined &&
      haveBytes >= endBytes;
    if (!isComplete) break;
    if (ahead === logsAheadMax) return undefined;
    const [author, ...rivals] = authorsOf(view, log.sequence + 1);
    if (author === undefined || rivals.length > 0) return undefined;
    log = { sequence: log.sequence + 1, host: author };
  }
  const others = view.members.map((member) => member.host)
    .filter((host) => host !== view.host);
  if (log.host === view.host) {
    // An own log is complete here, unless this host has given it up, or lost
    // some of it. Whatever others have of it was durable here once; but what
    // was written on a side that was given up does not come back.
    const haveBytes = logs.find((file) => sameLog(file.log, log))?.bytes ?? -1;
    const mostBytes = Math.max(
      ...others.map((host) => claimedBytes(view, log, host)),
    );
    const isLost = haveBytes < mostBytes &&
      (view.designated !== view.host || haveBytes < promisedBytes(view, log) ||
        log.sequence > view.usedLog);
    if (!isLost) return undefined;
  }
  const sources = sourcesOf(view, log);
  return sources.length === 0 ? undefined : { log, sources };
}

/** How much of an own log was durable when this host said so last. */
export function promisedBytes(view: ResourceView, log: LogName): number {
  return claimedBytes(view, log, view.host);
}

/** Other members who may have a log, best first. */
export function sourcesOf(view: ResourceView, log: LogName): string[] {
  const others = view.members.map((member) => member.host)
    .filter((host) => host !== view.host);
  const members = others.sort((left, right) =>
    claimedBytes(view, log, right) - claimedBytes(view, log, left)
  );
  const preferred = [
    ...view.own?.fetchFrom ?? [],
    log.host,
    view.designated ?? log.host,
    ...members,
  ];
  return [...new Set(preferred)].filter((host) => members.includes(host));
}

/**
 * Where fetching a log may end: at its final end, unless more is needed.
 * Undefined while it may grow.
 */
function wantedEndBytes(view: ResourceView, log: LogName): number | undefined {
  const endBytes = finalEndBytes(view, log);
  if (endBytes === undefined) return undefined;
  // Others have left it, its author goes on in it: a split brain.
  const leaderBytes = log.host === view.designated
    ? claimedBytes(view, log, log.host)
    : 0;
  const goal = view.own?.syncPosition;
  const copyBytes = goal !== undefined && sameLog(goal.log, log)
    ? goal.startBytes + goal.dirtyBytes
    : 0;
  return Math.max(endBytes, leaderBytes, copyBytes);
}
