// Pure
/**
 * Resync: a copy that cannot go on by replay begins anew, without being told.
 *
 *   lost      a log that it needs is gone everywhere, or is damaged here and
 *             gone elsewhere: `holdings.ts`
 *   cut off   the primary was in emergency mode: a hole in its logs
 *
 * Both are said in any case. Where `auto-resync` is switched on, this host does
 * what `invalidate` would do, once it is safe, and in an order that a crash
 * cannot break:
 *
 *   1  everything that is here is replayed, then nothing touches the disk
 *   2  say that the copy is worth nothing; durable before anything else
 *   3  versions and position: those of the primary; the copy begins
 *
 * Safe means
 *   (1) everything this host ever had is part of the primary's history: nothing
 *       is discarded that is not elsewhere, so a split brain stays one;
 *   (2) the primary leads, and logs;
 *   (3) all switches are on, and the disk is large enough.
 *
 * Until the copy is complete this host is inconsistent, as after `invalidate`;
 * that is why it must be switched on.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay, formatSkipCheck, TOMBSTONE } from "../tree/values.ts";
import { damagedLog, hasVerdict } from "./damage.ts";
import {
  claimedBytes,
  copiedVersions,
  historyObstacles,
  holeBehind,
  versionOf,
} from "./history.ts";
import { lostLog } from "./holdings.ts";
import {
  blocked,
  ENDS_AT,
  type LinkValue,
  type Plan,
  type PlanFacts,
} from "./plan_types.ts";
import { ownLogsBehind } from "./positions.ts";
import { type MemberState, type ResourceView, sameLog } from "./view.ts";

/** `decided`, and what follows if this host cannot go on. */
export function withResync(
  view: ResourceView,
  facts: PlanFacts,
  decided: Plan,
): Plan {
  const { own, designated, resource } = view;
  const replay = own?.replay;
  const isFollowing = replay !== undefined && designated !== undefined &&
    designated !== view.host && facts.worker?.role !== "log" &&
    decided.role !== "detached";
  if (own === undefined || !isFollowing) return decided;
  // Said before: it stays so while replay rests, and after a restart.
  const isTold = own.lostLog === replay.log.sequence;
  const damaged = isTold ? replay.log : damagedLog(decided, facts.worker);
  const lost = lostLog(view, facts.logs, damaged);
  const isCutOff =
    holeBehind(view, replay.log.sequence, designated) !== undefined;
  if (lost === undefined && !isCutOff) return decided;
  // Nobody can be asked for it.
  const told: Plan = lost === undefined
    ? decided
    : { ...decided, lostLog: lost.sequence, fetch: undefined };
  const what = lost === undefined
    ? `"${designated}" was in emergency mode`
    : `Log ${lost.sequence} is gone everywhere`;
  const isHalf = stands(facts, decided) &&
    decided.logEndBytes > decided.startBytes;
  const say = (advice: string): Plan =>
    // Who has come to the hole is told of it elsewhere.
    lost === undefined && advice === "" && !isHalf ? told : blocked(
      told,
      "err-log-lost",
      `${what}, this copy cannot go on${
        advice === "" ? `; type invalidate ${resource}` : advice
      }`,
    );
  if (!view.isResyncAutomatic) return say("");
  const danger = dangerOf(view, own, facts, decided);
  if (danger !== undefined) {
    return say(
      `, nor be copied anew by itself: ${danger}; see auto-resync, or type invalidate ${resource}`,
    );
  }
  // Half a record at the end, whose rest nobody has, is never replayed; that is
  // told, so that it holds when replay has ended, too.
  const isAtEnd = isTold || stands(facts, decided);
  if (!isAtEnd && isBusy(facts, decided, damaged)) return told;
  return beginAnew(view, own, facts, {
    ...told,
    ...lost === undefined && isAtEnd && { lostLog: replay.log.sequence },
    role: "idle",
    log: undefined,
    fetch: undefined,
    sync: undefined,
  });
}

/** Why the copy must not be given up; undefined if it may. */
function dangerOf(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  decided: Plan,
): string | undefined {
  const source = view.members.find(({ host }) => host === view.designated);
  if (source?.replay === undefined || !source.isPrimary) {
    return `"${view.designated}" does not lead`;
  }
  if (source.hasEmergency) return `"${source.host}" is in emergency mode`;
  if (facts.emergencyLevel >= ENDS_AT.transfers) {
    return "there is no room for the logs that come with a copy";
  }
  const { fetch, sync, replay } = own.desired;
  if (!fetch || !sync || !replay) {
    return "fetch, sync or replay is switched off";
  }
  if ((facts.worker?.diskBytes ?? 0) < decided.sizeBytes) {
    return "the disk is too small";
  }
  const { sequence } = source.replay.log;
  if (historyObstacles(view, sequence, source.host).length > 0) {
    return `the history of "${source.host}" is not known yet`;
  }
  return isPartOf(view, own, facts, source)
    ? undefined
    : `it is not certain that "${source.host}" has everything that is here`;
}

/** Whether the history of `source` leads through all that this host has. */
function isPartOf(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  source: MemberState,
): boolean {
  const { replay } = own;
  if (replay === undefined) return false;
  const { log } = replay;
  const reached = { log, bytes: replay.startBytes };
  if (ownLogsBehind(view, facts, reached).length > 0) return false;
  const haveBytes = Math.max(
    replay.startBytes + replay.dirtyBytes,
    claimedBytes(view, log, own.host),
  );
  const previous = versionOf(view, log.sequence + 1, source.host)?.value
    .previous;
  const endBytes = Math.max(
    claimedBytes(view, log, source.host),
    previous !== undefined && sameLog(previous.log, log)
      ? previous.endBytes
      : 0,
  );
  const isNamed = versionOf(view, log.sequence, source.host) !== undefined ||
    previous !== undefined;
  return isNamed && endBytes >= haveBytes;
}

/** Whether anything here is still replayed, or touches the disk. */
function isBusy(
  facts: PlanFacts,
  decided: Plan,
  damaged: LogName | undefined,
): boolean {
  const isReplaying = decided.role === "replay" && damaged === undefined &&
    decided.logEndBytes > decided.startBytes;
  return isReplaying || facts.worker === undefined;
}

function stands({ worker }: PlanFacts, { log, startBytes }: Plan): boolean {
  return worker !== undefined && log !== undefined &&
    hasVerdict(worker, log, startBytes);
}

function beginAnew(
  view: ResourceView,
  own: MemberState,
  facts: PlanFacts,
  idle: Plan,
): Plan {
  const { resource, host, designated } = view;
  const told = blocked(
    idle,
    "inf-resync",
    `Copied anew from "${designated}" by itself`,
  );
  // Only when nobody reads or writes the disk any more.
  if (facts.worker?.role !== "idle" || own.isSyncing) return told;
  const worthless: LinkValue[] = [
    { path: linkPath.syncStatus(resource, host), value: "0" },
    { path: linkPath.syncPos(resource, host), value: TOMBSTONE },
  ];
  if (own.syncedBytes !== 0 || own.syncPosition !== undefined) {
    return { ...told, publish: worthless };
  }
  return { ...told, publish: positionsOf(view) };
}

/** Where the primary writes back to: the log that is kept for a copy. */
function positionsOf(view: ResourceView): LinkValue[] {
  const { resource, host, designated } = view;
  const source = view.members.find((member) => member.host === designated);
  if (source?.replay === undefined) return [];
  const { log } = source.replay;
  const { sequence } = log;
  const versions = copiedVersions(view, { source: source.host, sequence });
  // What an earlier copy was limited to says nothing about this one.
  const limits = view.rewind === undefined
    ? []
    : [{ path: linkPath.rewind(resource, host, ""), value: TOMBSTONE }];
  return [
    ...limits,
    ...versions.map(([path, value]) => ({ path, value })),
    {
      path: linkPath.skipCheck(resource, host),
      value: formatSkipCheck(log.sequence),
    },
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({ log, startBytes: 0, dirtyBytes: 0 }),
    },
  ];
}
