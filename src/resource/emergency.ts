// Pure
/**
 * Emergency mode: what a primary does that cannot log any more.
 *
 *   logging ──► prepare ──► hole ──► serve ──► resume: logging behind the hole
 *
 *   prepare  the worker writes back everything, clients wait
 *   hole     the replay link of this host moves to an empty log, eleven numbers
 *            higher; a version link before it follows nothing
 *   serve    the worker serves the device without a log
 *   resume   there is room again: the worker logs behind the hole
 *
 * The order is what makes it safe. Once the replay link is durable, this host
 * never replays the old log again, whose records are older than what is written
 * from then on; and its position is in a log that no other history reaches, so
 * that a host that took over meanwhile is not mistaken for a successor. Not
 * before that the worker is told to serve. Secondaries end with the old log:
 * consistent, outdated, until they copy again (`invalidate`).
 *
 * When the file system is full, links that need no block can be written still,
 * others cannot. So the replay link, which is short, comes first and waits for
 * nothing; the rest is tried again in each round. Whatever is missing after a
 * crash, the replay link suffices: the log it names is made, and logged into.
 * Only if not even that link can be written (the file system is read-only, say)
 * the position is kept elsewhere, see `daemon/vows.ts`; where that fails, too,
 * clients wait until it can, as for a disk whose cable is out.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { ANCHOR_DIGEST, formatReplay } from "../tree/values.ts";
import { versionOf, versionText } from "./history.ts";
import { boundBytes } from "./keep.ts";
import {
  blocked,
  ENDS_AT,
  type LinkValue,
  localLog,
  type Plan,
  type PlanFacts,
  type WorkerState,
} from "./plan_types.ts";
import { type ResourceView, USED_AHEAD_MAX } from "./view.ts";

// Ours. One that has much more than the others goes before all have to.
const GREEDY_LEVEL = ENDS_AT.transfers;
const GREEDY_SHARE = 1.5;
// Ours. A quota that is just kept would be broken again at once.
const QUOTA_RESUME_SHARE = 0.75;
/** Distance of the version link that follows nothing, and of the log behind. */
const HOLE_VERSION = 10;
const HOLE_LOG = 11;

/** What the space of the tree allows; see `roomFor`. */
export type Room = "enough" | "little" | "none";

/**
 * Room for logs of a resource. "none" ends logging, "enough" lets it begin
 * again; between the two everything stays as it is.
 *
 * @param isInEmergency logging has ended for want of space
 */
export function roomFor(
  view: ResourceView,
  facts: Pick<
    PlanFacts,
    "emergencyLevel" | "restPercent" | "logs" | "logShare"
  >,
  isInEmergency: boolean,
): Room {
  if (facts.emergencyLevel >= ENDS_AT.logging) return "none";
  const bytes = boundBytes(view, facts.logs);
  const isGreedy = facts.logShare > GREEDY_SHARE &&
    bytes === facts.logs.reduce((sum, log) => sum + log.bytes, 0);
  if (facts.emergencyLevel >= GREEDY_LEVEL && isGreedy) return "none";
  const quotaBytes = view.own?.logQuotaBytes ?? 0;
  if (quotaBytes > 0 && bytes > quotaBytes) return "none";
  const isNear = quotaBytes > 0 && bytes > quotaBytes * QUOTA_RESUME_SHARE;
  if (isNear && isInEmergency) return "little";
  if (facts.emergencyLevel > 0 && isInEmergency) return "little";
  const limitPercent = view.own?.emergencyLimitPercent ?? 0;
  if (facts.restPercent < limitPercent) return "none";
  return facts.emergencyLevel === 0 ? "enough" : "little";
}

/**
 * The plan for a host whose worker has left its log, or shall leave it.
 *
 * @param base the plan if it were not for the emergency
 */
export function emergency(
  view: ResourceView,
  facts: PlanFacts,
  base: Plan,
  worker: WorkerState,
): Plan {
  const log = { sequence: worker.logSequence, host: view.host };
  const room = roomFor(view, facts, worker.bypass !== 0);
  const told = blocked(
    // A worker whose log has failed prepares without being told.
    { ...base, log, bypass: room === "none" ? "prepare" : "off" },
    "err-emergency",
    worker.logErrno === 0
      ? "No room for logs: serving without replication"
      : `Log failed with errno ${worker.logErrno}: serving without replication`,
  );
  if (worker.bypass === 0) return told;
  const behind = logBehind(view, facts, worker);
  const isBehind = view.own?.replay?.log.sequence === behind.sequence;
  const isThere = localLog(facts.logs, behind) !== undefined;
  const isOver = room === "enough" && base.role === "log";
  if (isBehind && isThere && isOver) {
    return { ...base, log: behind, bypass: "off" };
  }
  return {
    ...told,
    bypass: isBehind ? "serve" : "prepare",
    publish: holeLinks(view, base.publish, worker, behind),
    logFiles: isThere ? [] : [{ kind: "create", log: behind }],
  };
}

/** The log to be written next: where the replay link is, or will be. */
function logBehind(
  view: ResourceView,
  facts: PlanFacts,
  worker: WorkerState,
): LogName {
  const replay = view.own?.replay;
  if (replay !== undefined && replay.log.sequence > worker.logSequence) {
    return replay.log;
  }
  // Behind all numbers in use; what nobody can have written is garbage.
  const used = [
    ...facts.logs.map((file) => file.log.sequence),
    ...view.versions.keys(),
  ].filter((sequence) => sequence - worker.logSequence <= USED_AHEAD_MAX);
  const highest = Math.max(worker.logSequence, ...used);
  return { sequence: highest + HOLE_LOG, host: view.host };
}

/** The links around the hole, the most important one first. */
function holeLinks(
  view: ResourceView,
  positions: readonly LinkValue[],
  worker: WorkerState,
  behind: LogName,
): LinkValue[] {
  const { resource, host } = view;
  const first: LinkValue[] = [
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({ log: behind, startBytes: 0, dirtyBytes: 0 }),
    },
    ...holeVersions(view, behind),
  ];
  return [...first, ...positions, endOfLog(view, worker)]
    .filter((link, index, links) =>
      links.findIndex((other) => other.path === link.path) === index
    );
}

/** The versions at a hole, for an empty log `behind` it. */
export function holeVersions(
  { resource, host }: ResourceView,
  behind: LogName,
): LinkValue[] {
  const hole = {
    sequence: behind.sequence - (HOLE_LOG - HOLE_VERSION),
    host,
  };
  return [
    {
      path: linkPath.version(resource, hole.sequence, host),
      value: anchorText(hole),
    },
    {
      path: linkPath.version(resource, behind.sequence, host),
      value: versionText({ log: behind, bytes: 0 }, anchorText(hole)),
    },
  ];
}

/** Secondaries go as far as the log that was left. */
function endOfLog(view: ResourceView, worker: WorkerState): LinkValue {
  const { resource, host } = view;
  const log = { sequence: worker.logSequence, host };
  return {
    path: linkPath.version(resource, log.sequence, host),
    value: versionText(
      { log, bytes: worker.durableBytes },
      versionOf(view, log.sequence - 1, host)?.text,
    ),
  };
}

/** Whether the device has to be served although logging is impossible. */
export function mustBypass(
  worker: WorkerState | undefined,
  room: Room,
  mayLog: boolean,
): boolean {
  if (worker?.role !== "log") return false;
  // Whoever leaves the role anyway may do so in order, as long as he can.
  return worker.logErrno !== 0 || worker.bypass !== 0 ||
    (mayLog && room === "none");
}

/** The text of a version link that follows nothing. */
export function anchorText(log: LogName): string {
  return versionText({ log, bytes: 0 }, undefined).replace(
    /^[0-9a-f]{32}/,
    ANCHOR_DIGEST,
  );
}
