// Pure
/**
 * Initial copy: whether the disk may be copied now, from whom, and when replay
 * has its turn in between.
 *
 * Replay and copy never run at the same time: an older block must not overwrite
 * what replay has brought already. For the same reason replay in its turn goes
 * no further than to what the primary has written back, and a copy does not
 * begin while this host is ahead of that.
 *
 * Blocks from different primaries do not make one disk: of what the first one
 * had, the second may have lost some. So it is noted whom a copy is from, and up
 * to which position of its history; it begins anew when another one is primary,
 * or the same one has another history. What is equal costs little then.
 *
 * Nothing is copied from whom this host has parted from: a disk that grew has to
 * be completed, too, and what it has may be nowhere else.
 *
 * Source: sync rules of MARS.
 */
import { linkPath } from "../tree/path.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { hasLedBeforeGrowth } from "./device.ts";
import { holeBehind, lastVersion, logIn, nextLog } from "./history.ts";
import {
  blocked,
  ENDS_AT,
  type LinkValue,
  localLog,
  type Plan,
  type PlanFacts,
} from "./plan_types.ts";
import { moveTo } from "./positions.ts";
import { partingOf } from "./parting.ts";
import { rangesFor } from "./rewind_record.ts";
import {
  comparePositions,
  isSynced,
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
  startOf,
} from "./view.ts";

/** The copy of this host is not complete, and replay is at `reached`. */
export function copying(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  reached: Position,
  base: Plan,
): Plan {
  const told = (text: string): Plan => blocked(base, "inf-sync-start", text);
  const source = view.members.find((member) => member.host === view.designated);
  if (view.designated === view.host) {
    return told(`Designated primary, but ${wayOut(view, own)}`);
  }
  if (source?.replay === undefined) return told("No primary to copy from");
  if (!own.desired.sync) return told("Sync is switched off");
  if (!source.isPrimary) return told(`"${source.host}" does not lead yet`);
  if (partingOf(view, view.host, source.host).isSplit) {
    return told(
      `Split brain with "${source.host}": nothing is copied over what only this host may have; type invalidate ${view.resource} to give it up`,
    );
  }
  if (source.hasEmergency) return told(`"${source.host}" is in emergency mode`);
  if (facts.emergencyLevel >= ENDS_AT.transfers) {
    return told("No room for the logs that come with a copy");
  }
  if (holeBehind(view, reached.log.sequence, source.host) !== undefined) {
    return told(
      `"${source.host}" was in emergency mode since the copy began; type invalidate`,
    );
  }
  if (own.syncFrom !== source.host) return begun(view, own, source.host, base);
  switch (sourceHas(view, own, source.host, reached)) {
    case "no":
      return begun(view, own, source.host, base);
    case "unknown":
      return told(`The history of "${source.host}" is not known yet`);
    case "yes":
  }
  const sourceAt = {
    log: source.replay.log,
    bytes: source.replay.startBytes,
  };
  if (comparePositions(reached, sourceAt) > 0) {
    return told("Waiting for the primary to write back up to here");
  }
  const ranges = rangesFor(view.rewind, own.replay, base.sizeBytes);
  // A copy of a few ranges holds only as long as replay stays where it is.
  const isTurn = facts.isReplaysTurn && own.desired.replay &&
    ranges === undefined;
  const turn = isTurn
    ? replayTurn(view, facts, reached, sourceAt, base)
    : undefined;
  return turn ?? {
    ...base,
    sync: {
      source: source.host,
      startBytes: own.syncedBytes ?? 0,
      sizeBytes: base.sizeBytes,
      ranges,
    },
  };
}

/** Why a designated primary cannot lead, and what to type. */
function wayOut(view: ResourceView, own: MemberState): string {
  const { resource, sizeBytes = 0 } = view;
  if (hasLedBeforeGrowth(view, own)) {
    return `the device has grown to ${sizeBytes} bytes: make the disk as large, or type set-link ${
      linkPath.size(resource)
    } ${own.syncedBytes} --force to undo that`;
  }
  const complete = view.members.find((member) => isSynced(view, member));
  return complete === undefined
    ? `no copy is complete; if the disk here has all data, type secondary ${resource}, fake-sync ${resource}, primary ${resource} --ignore-sync`
    : `its own copy is not complete; type primary ${resource} on "${complete.host}"`;
}

/**
 * Whether all that was copied is in the history of the source. It may have led
 * in another one meanwhile, and lost that to somebody who led in between: what
 * was copied then is nowhere in the logs that are replayed here.
 */
function sourceHas(
  view: ResourceView,
  own: MemberState,
  source: string,
  reached: Position,
): "yes" | "no" | "unknown" {
  if (own.syncPosition === undefined || (own.syncedBytes ?? 0) === 0) {
    return "yes";
  }
  const copied = startOf(own.syncPosition);
  const { sequence } = copied.log;
  if (sequence < reached.log.sequence) return "yes";
  if (sequence === reached.log.sequence) {
    if (!sameLog(copied.log, reached.log)) return "no";
    if (copied.bytes <= reached.bytes) return "yes";
  }
  // It has told of this log in its answers, and is about to do so in links.
  const newest = lastVersion(view, source)?.sequence ?? 0;
  if (newest < sequence) return "yes";
  const found = logIn(view, source, sequence);
  if (found === undefined) return "unknown";
  const isIn = sameLog(found.log, copied.log) &&
    (found.bytes === "open" || found.bytes >= copied.bytes);
  return isIn ? "yes" : "no";
}

/** The copy is from `source` now; what was copied before does not count. */
function begun(
  view: ResourceView,
  own: MemberState,
  source: string,
  base: Plan,
): Plan {
  const { resource, host } = view;
  const isOther = own.syncFrom !== undefined;
  return {
    ...base,
    publish: [
      ...base.publish,
      // First: a crash between both must not count them.
      ...isOther
        ? [{ path: linkPath.syncStatus(resource, host), value: "0" }]
        : [],
      ...isOther && own.syncPosition !== undefined
        ? [{ path: linkPath.syncPos(resource, host), value: TOMBSTONE }]
        : [],
      { path: linkPath.syncFrom(resource, host), value: source },
    ],
  };
}

/** A copy that is complete is from nobody. */
export function staleSource(view: ResourceView, own: MemberState): LinkValue[] {
  if (own.syncFrom === undefined || !isSynced(view, own)) return [];
  const path = linkPath.syncFrom(view.resource, view.host);
  return [{ path, value: TOMBSTONE }];
}

/** What replay can do while the copy rests; undefined if that is nothing. */
function replayTurn(
  view: ResourceView,
  facts: PlanFacts,
  reached: Position,
  sourceAt: Position,
  base: Plan,
): Plan | undefined {
  const { log, bytes } = reached;
  const fileBytes = localLog(facts.logs, log)?.bytes ?? 0;
  const isSourceLog = sameLog(log, sourceAt.log);
  if (!isSourceLog && log.sequence >= sourceAt.log.sequence) return undefined;
  const goalBytes = isSourceLog
    ? Math.min(fileBytes, sourceAt.bytes)
    : fileBytes;
  if (goalBytes > bytes) {
    return {
      ...base,
      role: "replay",
      log,
      startBytes: bytes,
      logEndBytes: goalBytes,
    };
  }
  const next = isSourceLog ? undefined : nextLog(view, reached);
  return next?.kind === "next" ? moveTo(view, next.log, base) : undefined;
}
