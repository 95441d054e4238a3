// Pure
/**
 * Damage: what is done where replay has stopped before the end of a log.
 *
 *   behind the promised end of an own log ... cut: it never was promised
 *   a foreign log ends inside of a record ... wait: the rest is on its way
 *   forced to lead without fetching ......... cut: what is here shall count
 *   other members say to have it ............ ask them for these records
 *   others went on, and nobody has it ....... this copy is lost: `resync.ts`
 *   a foreign log that can be fetched ....... cut, and fetch the rest again
 *   otherwise ............................... an administrator must look
 */
import type { LogName } from "../base/names.ts";
import { claimedBytes } from "./history.ts";
import { promisedBytes, sourcesOf } from "./fetch.ts";
import { holds } from "./holdings.ts";
import {
  blocked,
  type LogFileChange,
  type Plan,
  type WorkerState,
} from "./plan_types.ts";
import { nameOf } from "./positions.ts";
import {
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/**
 * Whether replay has ended at this place, and has not only reached it: at the
 * end of the file, at damage, in a record that is not complete.
 */
export function hasVerdict(
  worker: WorkerState,
  { sequence }: LogName,
  startBytes: number,
): boolean {
  return worker.role === "replay" && worker.logSequence === sequence &&
    worker.writtenBackSequence === sequence &&
    worker.writtenBackBytes === startBytes && worker.replayStatus !== 0;
}

/** Damage of the log that is replayed now. */
export function damagedLog(
  { role, log, startBytes }: Plan,
  worker: WorkerState | undefined,
): LogName | undefined {
  const isDamaged = role === "replay" && log !== undefined &&
    worker !== undefined && worker.replayStatus < 0 &&
    hasVerdict(worker, log, startBytes);
  return isDamaged ? log : undefined;
}

/**
 * Replay has stopped at `reached`, before the end of the file.
 *
 * What lies behind the last published durable position of an own log never was
 * promised to anybody: a crash may leave anything there, and it is cut off.
 * Damage before it is real, and what is damaged is asked of other members, of
 * an own log as well. If nobody says to have it, a foreign log is cut at the
 * damage, because its rest can be fetched again.
 */
export function stopped(
  view: ResourceView,
  own: MemberState,
  reached: Position,
  base: Plan,
  worker: WorkerState,
): Plan {
  // One that this host had given up comes back like any other.
  const isComing = base.fetch !== undefined &&
    sameLog(base.fetch.log, reached.log);
  const isOwnLog = reached.log.host === view.host && !isComing;
  const isTorn = worker.replayStatus === 2;
  const isForced = view.designated === view.host && !own.desired.fetch;
  // A foreign log may end inside a record: the rest is on its way.
  if (isTorn && !isOwnLog && !isForced) return base;
  const cut: LogFileChange = {
    kind: "truncate",
    log: reached.log,
    bytes: reached.bytes,
  };
  const idle: Plan = { ...base, role: "idle", log: undefined };
  const holders = sourcesOf(view, reached.log).filter((host) =>
    view.members.some((member) =>
      member.host === host && holds(member, reached.log.sequence)
    )
  );
  const sources = holders.filter((host) =>
    claimedBytes(view, reached.log, host) > reached.bytes
  );
  if (isOwnLog && reached.bytes >= promisedBytes(view, reached.log)) {
    return { ...idle, logFiles: [cut] };
  }
  const text = `Log ${nameOf(reached.log)} is ${
    isTorn ? "incomplete" : "damaged"
  } at ${reached.bytes}: status ${worker.replayStatus}, detail ${worker.replayDetail}`;
  const told = blocked(idle, "err-replay-stop", text);
  if (isForced) return { ...told, logFiles: [cut] };
  if (!isTorn && sources.length > 0) {
    // The worker stays where it is: it says what is to be repaired.
    return {
      ...blocked(base, "err-replay-stop", text),
      repair: { log: reached.log, offsetBytes: reached.bytes, sources },
    };
  }
  if (!isOwnLog && base.fetch !== undefined && holders.length > 0) {
    return { ...told, logFiles: [cut] };
  }
  return blocked(base, "err-replay-stop", text);
}
