// Pure
/**
 * Lead: how a host that shall be primary comes to a log of its own, and what
 * keeps it from that.
 *
 *   everything here is applied
 *     own empty log ........................ log into it
 *     a foreign log, history complete ...... begin an own log n+1
 *     own log .............................. begin an own log n+1
 *   what was copied last is newer .......... wait for the logs that it needs
 *   the own log n+1 is known, and is gone .. wait until it is fetched again
 *
 * The log `n` of a host is one log, wherever there is a copy of it. So nothing
 * is ever written to one of which somebody says that it had something in it.
 * Who is forced to lead, without fetching, leaves that name out.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { mostClaimedBytes, nextLog, versionOf } from "./history.ts";
import { blocked, localLog, type Plan, type PlanFacts } from "./plan_types.ts";
import { moveTo, nameOf, ownLogsBehind } from "./positions.ts";
import {
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** Everything at `reached` is applied, and this host shall be primary. */
export function leading(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
): Plan {
  if (!facts.mayLead) {
    return blocked(base, "inf-replay-start", "Waiting for news from peers");
  }
  const isOwnLog = reached.log.host === view.host;
  if (!isOwnLog && own.desired.fetch) {
    const successor = nextLog(view, reached);
    if (successor.kind === "next") return moveTo(view, successor.log, base);
    if (successor.kind !== "none") {
      return blocked(base, messageKey(successor.kind), successor.obstacle);
    }
    const author = versionOf(view, reached.log.sequence, reached.log.host);
    const authorBytes = author?.value.self.endBytes ?? 0;
    if (authorBytes > reached.bytes) {
      return blocked(
        base,
        "inf-versionlink-not-equal",
        `Log ${
          nameOf(reached.log)
        } is not complete here: have ${reached.bytes} of ${authorBytes} bytes`,
      );
    }
  }
  const goal = own.syncPosition;
  if (goal !== undefined && isCopyAhead(own, reached)) {
    return blocked(
      base,
      "inf-sync",
      `The copy needs log ${nameOf(goal.log)}, replay is at the end of log ${
        nameOf(reached.log)
      }`,
    );
  }
  // A crash behind a rotation may leave data in the next log of this host.
  const isNewest = ownLogsBehind(view, facts, reached).length === 0;
  const isEmpty = isOwnLog && reached.bytes === 0 && isNewest;
  return isEmpty && !isUsed(view, reached.log)
    ? { ...base, role: "log", log: reached.log, fetch: undefined }
    : beginOwnLog(view, own, facts, reached, base);
}

/** Whether there may be other copies of an own log, with something in them. */
function isUsed(view: ResourceView, log: LogName): boolean {
  return log.sequence <= view.usedLog || mostClaimedBytes(view, log) > 0;
}

/**
 * Begins an own log behind `reached`. One that a crash left behind is taken as
 * it is: an empty one is written to, one with data is recovered first. One that
 * had data, and is gone, is not begun anew, for that would hide the loss.
 */
function beginOwnLog(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
): Plan {
  const log = { sequence: reached.log.sequence + 1, host: view.host };
  if (localLog(facts.logs, log) !== undefined) {
    const end = versionOf(view, log.sequence, view.host)?.value.previous;
    const isTorn = end !== undefined && sameLog(end.log, reached.log) &&
      end.endBytes > reached.bytes;
    // Between both something is missing: that would be no state at all.
    return isTorn && own.desired.fetch
      ? blocked(
        base,
        "inf-fetch",
        `Log ${
          nameOf(reached.log)
        } ends at ${reached.bytes}, and log ${log.sequence} follows at ${end.endBytes}; to go on nevertheless type pause-fetch, then primary --force`,
      )
      : moveTo(view, log, base);
  }
  if (!isUsed(view, log) || log.sequence <= view.usedLog) {
    return { ...base, logFiles: [{ kind: "create", log }] };
  }
  const lostBytes = lostBehind(view, reached, log);
  if (lostBytes > 0 && own.desired.fetch) {
    return blocked(
      base,
      "inf-fetch",
      `Log ${
        nameOf(log)
      } is not here, and had ${lostBytes} bytes; to go on without it type pause-fetch, then primary --force`,
    );
  }
  // What it had is given up, here or on a side that was lost; and its name.
  const used = {
    path: linkPath.usedLog(view.resource, view.host),
    value: String(log.sequence),
  };
  return { ...base, publish: [...base.publish, used] };
}

/** What members say to have of an own log that follows `reached`. */
function lostBehind(
  view: ResourceView,
  reached: Position,
  log: LogName,
): number {
  let bytes = 0;
  for (const { value } of view.versions.get(log.sequence)?.values() ?? []) {
    const { self, previous } = value;
    const isNext = sameLog(self.log, log) && previous !== undefined &&
      sameLog(previous.log, reached.log) && previous.endBytes === reached.bytes;
    if (isNext) bytes = Math.max(bytes, self.endBytes);
  }
  return bytes;
}

/**
 * The log at the position is not here, or not up to there. Who is forced to
 * lead without fetching goes on behind what is on its disk nevertheless.
 */
export function without(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  told: Plan,
): Plan {
  const isForced = view.designated === view.host && !own.desired.fetch;
  const isWhole = copyGap(own, reached) === undefined &&
    !isCopyAhead(own, reached);
  return isForced && facts.mayLead && isWhole
    ? beginOwnLog(view, own, facts, reached, told)
    : told;
}

/** Whether what was copied last is newer than all of the log at `reached`. */
function isCopyAhead(own: MemberState, reached: Position): boolean {
  return (own.syncPosition?.log.sequence ?? 0) > reached.log.sequence;
}

/**
 * Why the disk is not the state of one position although everything here is
 * applied: what was copied last is newer. Undefined if it is.
 */
export function copyGap(
  own: MemberState,
  reached: Position,
): string | undefined {
  const goal = own.syncPosition;
  if (goal === undefined || goal.log.sequence !== reached.log.sequence) {
    return undefined;
  }
  const goalBytes = goal.startBytes + goal.dirtyBytes;
  if (!sameLog(goal.log, reached.log)) {
    return `The copy needs log ${
      nameOf(goal.log)
    }, replay is in that of "${reached.log.host}"; type invalidate`;
  }
  return reached.bytes < goalBytes
    ? `The copy needs log ${
      nameOf(goal.log)
    } up to ${goalBytes}, have ${reached.bytes}`
    : undefined;
}

/** Name of the message for what keeps a host from the next log. */
export function messageKey(kind: "wait" | "hole" | "split"): string {
  switch (kind) {
    case "split":
      return "err-splitbrain-detected";
    case "hole":
      return "wrn-log-consecutive";
    case "wait":
      return "inf-versionlink-not-yet-exist";
  }
}
