// Pure
/**
 * Plan: what this host should be doing for one resource, now.
 *
 * `plan()` is called whenever something may have changed and compares no
 * history of its own: the same input gives the same plan, a missed call is
 * harmless, and a crash between any two effects of a plan is repaired by the
 * next one. An effect that others rely on is ordered by links: a new log is
 * first created, then named by the replay link, and only the next plan, which
 * sees that link, writes to it.
 *
 *   own device link missing ............ nothing (the worker is stopped)
 *   attach off ......................... leave the role, then close the disk
 *   the worker logs
 *     it fails, or there is no room .... serve without a log: `emergency.ts`
 *     designated ....................... go on; rotate into an empty next log
 *     not designated ................... leave: drain once nobody has it open
 *   copy incomplete
 *     led when the device grew ......... say that the disk has all of it
 *     otherwise ........................ sync, if a source may be read
 *   log shorter than the position ...... fetch; lead, if forced
 *   log longer than the position ....... replay (recovery is just that)
 *   log applied to its end
 *     designated, own empty log ........ log into it
 *     designated, history complete ..... begin an own log n+1
 *     the next log is known ............ move the position to its beginning
 *     otherwise ........................ wait for more
 *
 * How a host comes to lead is decided in `lead.ts`; what is given up when space
 * runs out in `emergency.ts`, for who logs, in `scarcity.ts` and `keep.ts`; what
 * a copy does that cannot go on, in `resync.ts`.
 *
 * Source: tables of the logger decision of MARS, without its mistakes.
 */
import {
  DEVICE_STEP,
  deviceTroubleKey,
  deviceTroubleText,
} from "../base/device_trouble.ts";
import { copying, staleSource } from "./copying.ts";
import {
  growthLinks,
  hasLedBeforeGrowth,
  leaderLinks,
  sized,
} from "./device.ts";
import { emergency, mustBypass, roomFor } from "./emergency.ts";
import { hasVerdict, stopped } from "./damage.ts";
import { LOGS_AHEAD_MAX, planFetch } from "./fetch.ts";
import { openText } from "./handover.ts";
import { mostClaimedBytes, nextLog } from "./history.ts";
import {
  blocked,
  ENDS_AT,
  localLog,
  NOTHING,
  type Plan,
  type PlanFacts,
  type WorkerState,
} from "./plan_types.ts";
import { rotateBytesOf } from "./keep.ts";
import { copyGap, leading, messageKey, without } from "./lead.ts";
import {
  moveTo,
  nameOf,
  ownLogsBehind,
  positionLinks,
  reachedBy,
  untoldLinks,
} from "./positions.ts";
import { withResync } from "./resync.ts";
import { withinSpace } from "./scarcity.ts";
import { withVerify } from "./verify.ts";
import {
  isSynced,
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** What the host of `view` should be doing, given `facts`. */
export function plan(view: ResourceView, facts: PlanFacts): Plan {
  const decided = decide(view, facts);
  return view.own?.device === undefined ? decided : withVerify(
    view,
    facts,
    withinSpace(view, facts, withResync(view, facts, decided)),
  );
}

function decide(view: ResourceView, facts: PlanFacts): Plan {
  const own = view.own;
  const worker = facts.worker;
  if (own === undefined || own.device === undefined) {
    return leave(worker, NOTHING);
  }
  const base = sized(view, own, worker);
  const reached = reachedBy(own, facts);
  const positions = reached === undefined
    ? []
    : positionLinks(view, reached, facts);
  if (!own.desired.attach || !facts.isRunning) {
    // Once nobody works on the disk, the position is the command line's. But who
    // wants to go on behind this host must know of what it has not told yet.
    const isLeft = worker === undefined && !own.desired.attach;
    const publish = isLeft && reached !== undefined
      ? untoldLinks(view, reached, facts.logs)
      : positions;
    const leaving: Plan = { ...base, publish };
    // Busy clients must be able to finish.
    return worker !== undefined && mustBypass(worker, "enough", false)
      ? emergency(view, facts, leaving, worker)
      : leave(worker, leaving);
  }
  if (view.sizeBytes === undefined || view.sizeBytes === 0) {
    return blocked(base, "inf-replay-start", "Size of the device unknown");
  }
  if (reached === undefined) {
    return blocked(
      base,
      "err-replaylink-not-readable",
      "No replay position; type invalidate, or leave-resource",
    );
  }
  if (worker?.role === "log") {
    return logging(view, own, facts, { ...base, publish: positions });
  }
  const logsAheadMax = facts.emergencyLevel < ENDS_AT.copies
    ? LOGS_AHEAD_MAX
    : 0;
  const mayFetch = own.desired.fetch &&
    (facts.emergencyLevel < ENDS_AT.transfers || view.designated === view.host);
  const fetch = mayFetch
    ? planFetch(view, facts.logs, reached.log, logsAheadMax)
    : undefined;
  return following(view, own, facts, reached, {
    ...base,
    publish: [...positions, ...staleSource(view, own)],
    fetch,
  });
}

/** Leaves the role first; only an idle worker may go. */
function leave(worker: WorkerState | undefined, base: Plan): Plan {
  const isDone = worker === undefined || worker.role === "idle" ||
    worker.role === "stopped";
  return { ...base, role: isDone ? "detached" : "idle" };
}

/** The worker writes to a log of this host. */
function logging(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  base: Plan,
): Plan {
  const worker = facts.worker;
  if (worker === undefined) return base;
  const isDesignated = view.designated === view.host;
  const room = roomFor(view, facts, worker.bypass !== 0);
  if (mustBypass(worker, room, isDesignated)) {
    const role = isDesignated ? "log" : "idle";
    return emergency(view, facts, { ...base, role }, worker);
  }
  if (!isDesignated) {
    if (worker.openCount === 0) return base;
    const text = openText({ ...own, openCount: worker.openCount }, "");
    return blocked(
      base,
      "inf-replay-start",
      `Remains primary: the device is ${text}`,
    );
  }
  const current = { sequence: worker.logSequence, host: view.host };
  const plain: Plan = {
    ...base,
    role: "log",
    log: current,
    publish: [...base.publish, ...leaderLinks(view, own, base, worker)],
  };
  const { deviceStep, deviceErrno } = worker;
  const going = deviceStep === DEVICE_STEP.none ? plain : blocked(
    plain,
    deviceTroubleKey(deviceStep),
    deviceTroubleText(deviceStep, deviceErrno),
  );
  const next = { sequence: current.sequence + 1, host: view.host };
  const nextBytes = localLog(facts.logs, next)?.bytes;
  if (worker.writtenBackSequence < worker.logSequence) return going;
  if (nextBytes === 0) return { ...going, log: next };
  // Names that were used on a lost side must not come again.
  const isOver = current.sequence < view.usedLog ||
    worker.durableBytes >= rotateBytesOf(view, facts);
  return nextBytes === undefined && isOver
    ? { ...going, logFiles: [{ kind: "create", log: next }] }
    : going;
}

/** The worker does not log: it copies, replays, waits, or is about to log. */
function following(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
): Plan {
  const isDesignated = view.designated === view.host;
  if (!isSynced(view, own)) {
    const grown = hasLedBeforeGrowth(view, own)
      ? growthLinks(view, own, base, facts.worker)
      : [];
    return grown.length === 0
      ? copying(view, own, facts, reached, base)
      : { ...base, publish: [...base.publish, ...grown] };
  }
  const file = localLog(facts.logs, reached.log);
  if (file === undefined) {
    // One that had something in it was lost; to begin it anew would hide that.
    const isOwnStart = isDesignated && reached.log.host === view.host &&
      reached.bytes === 0 && mostClaimedBytes(view, reached.log) === 0;
    if (isOwnStart) {
      return { ...base, logFiles: [{ kind: "create", log: reached.log }] };
    }
    const text = `Log ${nameOf(reached.log)} is not here`;
    return without(view, own, facts, reached, blocked(base, "inf-fetch", text));
  }
  if (file.bytes < reached.bytes) {
    const text = `Log ${
      nameOf(reached.log)
    } ends at ${file.bytes}, replay is at ${reached.bytes}`;
    return without(view, own, facts, reached, blocked(base, "inf-fetch", text));
  }
  if (file.bytes > reached.bytes) {
    return replaying(view, own, facts, reached, base, file.bytes);
  }
  // The rest of an own log was lost here, and others have it.
  const isComing = base.fetch !== undefined && isDesignated &&
    reached.log.host === view.host && sameLog(base.fetch.log, reached.log);
  if (isComing) {
    return blocked(
      base,
      "inf-fetch",
      `Log ${
        nameOf(reached.log)
      } ends at ${file.bytes} here, others have more; to go on without it type pause-fetch, then primary --force`,
    );
  }
  const gap = copyGap(own, reached);
  if (gap !== undefined) return blocked(atEnd(base, reached), "inf-sync", gap);
  return isDesignated
    ? leading(view, own, facts, reached, base)
    : waiting(view, facts, reached, base);
}

/** Part of the log is not on the disk yet. */
function replaying(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
  endBytes: number,
): Plan {
  const isRecovery = view.designated === view.host;
  if (!own.desired.replay && !isRecovery) {
    return blocked(base, "inf-replay-start", "Replay is switched off");
  }
  const going: Plan = {
    ...base,
    role: "replay",
    log: reached.log,
    startBytes: reached.bytes,
    logEndBytes: endBytes,
  };
  const worker = facts.worker;
  const hasStopped = worker !== undefined && worker.replayStatus !== 1 &&
    hasVerdict(worker, reached.log, reached.bytes);
  return hasStopped ? stopped(view, own, reached, going, worker) : going;
}

/** Everything here is applied; more may come. */
function atEnd(base: Plan, reached: Position): Plan {
  return {
    ...base,
    role: "replay",
    log: reached.log,
    startBytes: reached.bytes,
    logEndBytes: reached.bytes,
  };
}

/** Everything here is applied, and this host is a secondary. */
function waiting(
  view: ResourceView,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
): Plan {
  const next = nextLog(view, reached);
  switch (next.kind) {
    case "next":
      return moveTo(view, next.log, base);
    case "none": {
      // This host was primary, and has rotated; nobody else knows of that yet.
      const own = ownLogsBehind(view, facts, reached).find((file) =>
        file.log.sequence === reached.log.sequence + 1
      );
      return own === undefined
        ? atEnd(base, reached)
        : moveTo(view, own.log, base);
    }
    default:
      return blocked(
        atEnd(base, reached),
        messageKey(next.kind),
        next.obstacle,
      );
  }
}
