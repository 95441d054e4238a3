// Pure
/**
 * Scarcity: what a resource gives up before logging ends for want of space.
 *
 *   level 1  nothing; it is said
 *   level 2  hosts without the role keep no copies of logs that they are not
 *            working on: the oldest one goes per round, and only the log at
 *            the position is fetched
 *   level 3  they do not fetch or copy at all
 *   level 4  primaries leave their logs: `emergency.ts`
 *
 * A copy that was given up is fetched again when it is needed, from its author
 * or whoever has it. If nobody has it any more the resource must be copied anew
 * (`invalidate`); without room for logs nothing better can be had.
 *
 * Source: emergency levels of MARS, as they are documented.
 */
import { logFileName, type LogName } from "../base/names.ts";
import { roomFor } from "./emergency.ts";
import { claimedBytes } from "./history.ts";
import { holds } from "./holdings.ts";
import { keepObstacles, type Kept, keptLogs } from "./keep.ts";
import {
  ENDS_AT,
  type LocalLog,
  type Obstacle,
  type Plan,
  type PlanFacts,
} from "./plan_types.ts";
import type { ResourceView } from "./view.ts";

/** `decided`, and what the space of the tree demands. */
export function withinSpace(
  view: ResourceView,
  facts: PlanFacts,
  decided: Plan,
): Plan {
  const { worker, emergencyLevel } = facts;
  const isInEmergency = decided.bypass !== "off" || (worker?.bypass ?? 0) !== 0;
  const room = roomFor(view, facts, isInEmergency);
  const obstacles: Obstacle[] = [];
  // In emergency mode more has been said already.
  if (emergencyLevel >= ENDS_AT.ease && !isInEmergency) {
    obstacles.push({
      key: emergencyLevel < ENDS_AT.copies ? "wrn-space-low" : "err-space-low",
      text: `Space for logs runs out: level ${emergencyLevel} of 4`,
    });
  } else if (room === "none" && !isInEmergency) {
    obstacles.push({
      key: "err-space-low",
      text: `Less than ${
        view.own?.emergencyLimitPercent ?? 0
      } percent of the space for logs is left`,
    });
  }
  const kept = keptLogs(view, facts);
  obstacles.push(...keepObstacles(view, facts, kept));
  const going = decided.logFiles.length > 0
    ? undefined
    : leaving(view, facts, kept);
  if (going !== undefined) obstacles.push(...toldOf(going, kept));
  return {
    ...decided,
    hasEmergency: isInEmergency || room === "none",
    obstacles: [...decided.obstacles, ...obstacles],
    logFiles: going === undefined
      ? decided.logFiles
      : [{ kind: "delete", log: going }],
  };
}

/** The one log that goes in this round. */
function leaving(
  view: ResourceView,
  facts: PlanFacts,
  kept: Kept,
): LogName | undefined {
  const { going } = kept;
  if (going !== undefined || facts.emergencyLevel < ENDS_AT.copies) {
    return going;
  }
  return sacrifice(view, facts.logs, numbersInUse(view, facts));
}

/** What was needed by nobody is not missed. */
function toldOf(log: LogName, { reason }: Kept): Obstacle[] {
  if (reason === "unneeded") return [];
  return [{
    key: "wrn-copy-given-up",
    text: `Copy of "${logFileName(log)}" given up${
      reason === undefined ? ", to be fetched again" : ` ${WORDS[reason]}`
    }`,
  }];
}

const WORDS = {
  time: "because of keep-logs-time",
  size: "because of keep-logs-size",
  quota: "because of log-quota",
  space: "for want of space",
} as const;

/**
 * The oldest log that this host is not working on. Never one that it has
 * written itself, which may be the only one of its kind. What is still to be
 * replayed may go only if somebody leads who has all of it, and keeps it for
 * this host: who leads by force may lack it.
 *
 * @param inUse numbers of logs that replay is at
 */
function sacrifice(
  view: ResourceView,
  logs: readonly LocalLog[],
  inUse: readonly number[],
): LogName | undefined {
  if (view.designated === view.host || inUse.length === 0) return undefined;
  const leader = view.members.find(({ host }) => host === view.designated);
  const isKept = ({ log, bytes }: LocalLog): boolean =>
    leader !== undefined && holds(leader, log.sequence) &&
    claimedBytes(view, log, leader.host) >= bytes;
  const mayGo = (file: LocalLog): boolean =>
    file.log.host !== view.host && !inUse.includes(file.log.sequence) &&
    (file.log.sequence < Math.min(...inUse) || isKept(file));
  return logs.filter(mayGo).map(({ log }) => log)
    .sort((left, right) => left.sequence - right.sequence)[0];
}

/** Numbers of logs that this host is working on, or will next. */
function numbersInUse(view: ResourceView, facts: PlanFacts): number[] {
  const replay = view.own?.replay;
  if (replay === undefined) return [];
  const worker = facts.worker;
  return worker === undefined || worker.role === "idle"
    ? [replay.log.sequence]
    : [replay.log.sequence, worker.logSequence, worker.writtenBackSequence];
}
