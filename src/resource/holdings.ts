// Pure
/**
 * Holdings: which logs each host has, and who cannot go on with them.
 *
 *   actual-<host>/logs      1-3,7-9   numbers of the logs that it has files of
 *   actual-<host>/lost-log  4, or 0   it needs this one, and nobody has it
 *
 * A host may give up its own copies of logs (`keep.ts`, `scarcity.ts`), so that
 * a log may be gone although some member still needs it. Such a member is lost:
 * it stays the consistent state that it is, and must be copied anew. Whoever has
 * said nothing, as hosts of the original, may have everything.
 */
import type { LogName } from "../base/names.ts";
import { finalEndBytes } from "./history.ts";
import type { LocalLog } from "./plan_types.ts";
import { type MemberState, type ResourceView, sameLog } from "./view.ts";

/** Whether `member` has, or may have, a log of this number. */
export function holds(member: MemberState, sequence: number): boolean {
  return member.logs === undefined ||
    member.logs.some(({ first, last }) =>
      first <= sequence && sequence <= last
    );
}

/** Whether anybody but `host` has a log of this number, or may have one. */
export function isHeld(
  view: ResourceView,
  host: string,
  sequence: number,
): boolean {
  return view.members.some((member) =>
    member.host !== host && holds(member, sequence)
  );
}

/** Whether anybody but `host` goes on behind `sequence`. */
function isPassed(view: ResourceView, host: string, sequence: number): boolean {
  return view.members.some((member) =>
    member.host !== host && (member.replay?.log.sequence ?? 0) > sequence
  );
}

/**
 * The log that the host of `view` needs next and that nobody has any more,
 * though others went on behind it. Undefined if there is no such log.
 *
 * @param damaged where replay has stopped: the copy here is of no use
 */
export function lostLog(
  view: ResourceView,
  logs: readonly LocalLog[],
  damaged: LogName | undefined,
): LogName | undefined {
  const { host, own } = view;
  if (own?.replay === undefined || view.designated === host) return undefined;
  let log = own.replay.log;
  for (;;) {
    const haveBytes = logs.find((file) => sameLog(file.log, log))?.bytes;
    if (haveBytes === undefined) break;
    const endBytes = finalEndBytes(view, log);
    const isDamaged = damaged !== undefined && sameLog(damaged, log);
    const isHere = endBytes !== undefined && haveBytes >= endBytes &&
      !isDamaged;
    if (!isHere && isHeld(view, host, log.sequence)) return undefined;
    // Its rest is gone.
    if (!isHere && (endBytes !== undefined || isDamaged)) break;
    log = { sequence: log.sequence + 1, host: log.host };
    if (!isHere) break;
  }
  const isGone = !isHeld(view, host, log.sequence) &&
    isPassed(view, host, log.sequence);
  return isGone ? log : undefined;
}

/**
 * Whether `member` cannot go on with the logs that are left, as far as links
 * tell. It may have replayed more than it could say: in doubt it can.
 */
export function isLost(view: ResourceView, member: MemberState): boolean {
  const { host, replay, logs } = member;
  if (replay === undefined || view.designated === host) return false;
  const at = replay.log.sequence;
  if (member.lostLog > 0 && member.lostLog >= at) return true;
  const run = logs?.find(({ first, last }) => first <= at && at <= last);
  if (logs === undefined) return false;
  const needed = run === undefined ? [at] : [run.last, run.last + 1];
  return needed.every((sequence) => !isHeld(view, host, sequence)) &&
    isPassed(view, host, needed.at(-1) ?? at);
}
