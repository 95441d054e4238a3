// Pure
/**
 * What a worker is told, and what that says about the disk.
 */
import { assert } from "../base/assert.ts";
import type { Actual, Desired } from "../dataplane/mailbox.ts";
import type { Plan } from "../resource/plan_types.ts";
import type { Position, ResourceView } from "../resource/view.ts";
import type { ReplayFacts } from "../transfer/verify.ts";

const NO_LOG: Pick<Desired, "logSequence" | "logHost"> = {
  logSequence: 0,
  logHost: "",
};

/**
 * The plan in the words of the mailbox. Replay of a log, once begun, goes on
 * from where it is: the position that moves with it is no new beginning.
 */
export function desiredOf(
  next: Plan,
  before: Desired | undefined,
  emergencyLevel: number,
): Desired {
  assert(next.role !== "detached", "a detached plan desires nothing");
  const log = next.log === undefined
    ? NO_LOG
    : { logSequence: next.log.sequence, logHost: next.log.host };
  const isGoingOn = before?.role === "replay" && next.role === "replay" &&
    before.logSequence === log.logSequence && before.logHost === log.logHost;
  return {
    role: next.role,
    ...log,
    startBytes: isGoingOn ? before.startBytes : next.startBytes,
    logEndBytes: next.logEndBytes,
    sizeBytes: next.sizeBytes,
    // Level "peer" waits for the logger to learn of peers' positions.
    level: next.level === "flush" ? "flush" : "durable",
    bypass: next.bypass,
    isShort: emergencyLevel > 0 ? 1 : 0,
  };
}

/** How far replay was told to go; undefined while nobody replays. */
export function toldBy(desired: Desired | undefined): Position | undefined {
  if (desired?.role !== "replay") return undefined;
  const { logSequence: sequence, logHost: host } = desired;
  const bytes = Math.max(desired.logEndBytes, desired.startBytes);
  return { log: { sequence, host }, bytes };
}

/**
 * What a verification relies on; undefined while nobody replays.
 *
 * @param actual as read after the worker was told `desired`
 */
export function replayFacts(
  desired: Desired | undefined,
  actual: Actual | undefined,
  view: ResourceView,
): ReplayFacts | undefined {
  const toldAt = toldBy(desired);
  if (toldAt === undefined) return undefined;
  // Of an end that it has not heard of yet it says nothing.
  const isResting = actual?.role === "replay" && actual.replayStatus > 0 &&
    actual.logSequence === toldAt.log.sequence &&
    actual.loggedBytes === toldAt.bytes;
  const source = view.members.find(({ host }) => host === view.designated)
    ?.replay;
  return {
    toldAt,
    restsAt: isResting
      ? { log: toldAt.log, bytes: actual.writtenBackBytes }
      : undefined,
    sourceAt: source && { log: source.log, bytes: source.startBytes },
  };
}

/** The plan while replay has not ended yet. */
export function withoutSync(next: Plan): Plan {
  return next.sync === undefined ? next : { ...next, sync: undefined };
}

/** A worker learns that its disk has grown when it has to. */
export function measured(
  worker: Actual | undefined,
  diskBytes: number,
): Actual | undefined {
  return worker === undefined || worker.diskBytes === 0
    ? worker
    : { ...worker, diskBytes: Math.max(worker.diskBytes, diskBytes) };
}
