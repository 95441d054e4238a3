/**
 * Only copies: what is here that others need, and that they get from nobody else.
 *
 *   its own     nobody else has all that this host wrote
 *   any         who is behind has not fetched it, nor has anybody else
 *   the disk    nobody else has a complete copy that has come as far, or has the
 *               logs for it: what an emergency kept from the log is on disks only
 *
 * What this host alone wrote since a split brain began is given up, as long as
 * nobody else could still follow it, or the designated primary has parted from
 * it: then it is the side that has lost.
 */
import type { LogName } from "../base/names.ts";
import type { LogFile } from "../log/files.ts";
import { versionOf } from "../resource/history.ts";
import { isHeld, isLost } from "../resource/holdings.ts";
import { type Parting, partingOf } from "../resource/parting.ts";
import { type Reach, reachOf } from "../resource/reach.ts";
import {
  isConsistent,
  isSynced,
  type MemberState,
  type Position,
  type ResourceView,
  resourceView,
  sameLog,
} from "../resource/view.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

/**
 * Why logs of this host must not go yet.
 *
 * @param isSideKept what this host wrote since a split brain began stays
 * elsewhere, so that nobody needs it from here
 */
export async function onlyCopies(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
  { isSideKept }: { readonly isSideKept: boolean },
): Promise<string[]> {
  if (isActingForAnother(desk, snapshot)) return [];
  const view = resourceView(snapshot, resource, desk.host);
  const others = view.members.filter(({ host }) => host !== view.host)
    .map((member) => ({
      member,
      parting: partingOf(view, view.host, member.host),
    }));
  const reach = reachOf(view, others.map(({ member }) => member.host));
  // What comes behind all that they know is theirs to be replayed, too.
  const followers = isSideKept || isLostSide(view) ? [] : others.filter(
    ({ parting }) => !parting.isSplit,
  );
  const ahead = reachOf(view, followers.map(({ member }) => member.host));
  const isNext = (log: LogName): boolean =>
    followers.length > 0 && log.sequence > ahead.highestSequence;
  const files = (await desk.logs.list(resource)).filter(({ sizeBytes }) =>
    sizeBytes > 0
  );
  const untold = files.filter((file) =>
    file.log.host === view.host &&
    (reach.needsLog(file.log) || isNext(file.log)) &&
    !others.some((other) => hasAll(view, other, file))
  );
  const advice = others.some(({ parting }) => parting.isSplit)
    ? "; to give up this side of the split brain, let the other have the primary"
    : "";
  const needed = isSideKept || isLostSide(view) ? [] : others;
  return [
    ...untold.length > 0 || isElsewhere(view, needed) ? [] : [
      `nobody else has all that is on its disk; let another host catch up, or make it copy with invalidate${advice}`,
    ],
    ...untold.map(({ log }) =>
      `nobody else has all of its log ${log.sequence} yet${advice}`
    ),
    ...files.filter((file) => !untold.includes(file)).flatMap((file) =>
      lastCopyObstacles(view, reach, file)
    ),
  ];
}

/** Whether one of `others` has all that is on the disk here, or can have it. */
function isElsewhere(view: ResourceView, others: readonly Other[]): boolean {
  const { own } = view;
  const isHere = own?.replay !== undefined && isConsistent(view, own);
  if (!isHere || others.length === 0) return true;
  const { log, startBytes } = own.replay;
  let at: Position = { log, bytes: startBytes };
  // An empty log adds nothing to the one before.
  while (at.bytes === 0) {
    const before = versionOf(view, at.log.sequence, view.host)?.value.previous;
    if (before === undefined || before.log.sequence >= at.log.sequence) break;
    at = { log: before.log, bytes: before.endBytes };
  }
  return others.some(({ member, parting }) => {
    if (parting.isSplit || !isSynced(view, member)) return false;
    if ((member.replay?.log.sequence ?? 0) > at.log.sequence) return true;
    const isThere = member.replay !== undefined &&
      sameLog(member.replay.log, at.log) &&
      member.replay.startBytes >= at.bytes;
    const known = versionOf(view, at.log.sequence, member.host)?.value.self;
    return isThere || known !== undefined && sameLog(known.log, at.log) &&
        known.endBytes >= at.bytes;
  });
}

/** Whether the designated primary goes on where this host did not. */
function isLostSide(view: ResourceView): boolean {
  const { host, designated } = view;
  return designated !== undefined && designated !== host &&
    partingOf(view, host, designated).isSplit;
}

interface Other {
  readonly member: MemberState;
  readonly parting: Parting;
}

/** Whether all that is in a log of this host is on the disk of another, or there. */
function hasAll(
  view: ResourceView,
  { member: { host, replay }, parting: { isSplit, ancestor } }: Other,
  { log, sizeBytes }: LogFile,
): boolean {
  const commonSequence = isSplit ? ancestor?.log.sequence ?? 0 : Infinity;
  const isBehind = (replay?.log.sequence ?? 0) > log.sequence;
  if (isBehind && log.sequence < commonSequence) return true;
  const known = versionOf(view, log.sequence, host)?.value.self;
  return known !== undefined && sameLog(known.log, log) &&
    known.endBytes >= sizeBytes;
}

/** Who is behind, and gets a log from nobody but this host. */
function lastCopyObstacles(
  view: ResourceView,
  reach: Reach,
  file: LogFile,
): string[] {
  const { sequence } = file.log;
  if (!reach.needsLog(file.log) || isHeld(view, view.host, sequence)) return [];
  return view.members
    .filter((member) =>
      member.host !== view.host && !isLost(view, member) &&
      isBefore(member, file)
    )
    .map(({ host }) =>
      `"${host}" has yet to replay log ${sequence}, and nobody else has it`
    );
}

/** Whether a host has not replayed all of a log. */
function isBefore(
  { replay }: MemberState,
  { log, sizeBytes }: LogFile,
): boolean {
  if (replay === undefined || replay.log.sequence < log.sequence) return true;
  return sameLog(replay.log, log) && replay.startBytes < sizeBytes;
}
