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
import { authorsOf, finalEndBytes, versionOf } from "./history.ts";
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
    const endBytes = finalEndBytes(view, log);
    const isComplete = haveBytes !== undefined && endBytes !== undefined &&
      haveBytes >= endBytes;
    if (!isComplete) break;
    if (ahead === logsAheadMax) return undefined;
    const [author, ...others] = authorsOf(view, log.sequence + 1);
    if (author === undefined || others.length > 0) return undefined;
    log = { sequence: log.sequence + 1, host: author };
  }
  if (log.host === view.host) return undefined;
  const saysBytes = (host: string): number => {
    const said = versionOf(view, log.sequence, host)?.value.self;
    return said !== undefined && sameLog(said.log, log) ? said.endBytes : 0;
  };
  const members = view.members.map((member) => member.host)
    .sort((left, right) => saysBytes(right) - saysBytes(left));
  const preferred = [
    ...view.own?.fetchFrom ?? [],
    log.host,
    view.designated ?? log.host,
    ...members,
  ];
  const sources = [...new Set(preferred)].filter((host) =>
    host !== view.host && members.includes(host)
  );
  return sources.length === 0 ? undefined : { log, sources };
}
