// Pure
/**
 * Handover: may this host become primary, and if not, why not?
 *
 * `preconditions` are reasons in plain words; no reason is a permission. What
 * `avoidSplit` finds may vanish by waiting, because the old primary finishes or
 * the last bytes arrive; so may `consistencyGaps`, while logs come.
 *
 * Source: phases 1 and 4 of `marsadm primary`. It also goes on where replay has
 * stopped at damage; we refuse, because what lies behind would be lost.
 */
import { formatCount } from "../base/figures.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay, formatStep } from "../tree/values.ts";
import { authorsOf, highestSequence, versionOf } from "./history.ts";
import { findSplits } from "./parting.ts";
import type { LinkValue } from "./plan_types.ts";
import { lasting, passing, type Reason } from "./reasons.ts";
import type { VersionLink } from "./versions.ts";
import {
  isConsistent,
  isSynced,
  type MemberState,
  type ResourceView,
  sameLog,
} from "./view.ts";

export interface HandoverOptions {
  readonly isForced: boolean;
  readonly ignoreSync: boolean;
  /** The host that was primary last, if anybody knows. */
  readonly oldPrimary: string | undefined;
  /** Whether a host has been heard of within the liveness window. */
  readonly isRecent: (host: string) => boolean;
  /** Units of systemd let go of the device first. */
  readonly hasUnits: boolean;
}

/** Why this host must not become primary. */
export function preconditions(
  view: ResourceView,
  options: HandoverOptions,
): Reason[] {
  const { own } = view;
  if (own === undefined) return [lasting(`"${view.host}" has no disk for it`)];
  const { isForced, oldPrimary } = options;
  const reasons: Reason[] = [];
  const last = (text: string): void => void reasons.push(lasting(text));
  if (isForced && own.desired.fetch) {
    last("fetch is on; type pause-fetch first");
  }
  if (!own.desired.attach) last("the disk is detached; type up");
  if (!isForced && !own.desired.fetch) last("fetch is off; type resume-fetch");
  if (!own.desired.replay) last("replay is off; type resume-replay");
  if (own.replayCode < 0 && !isForced) {
    last(`replay has stopped with ${own.replayCodeText}`);
  }
  if (oldPrimary !== view.host) {
    if (!isSynced(view, own)) last("its own copy is not complete");
    // Without force more logs come, and it is waited for.
    else if (isForced) reasons.push(...consistencyGaps(view).map(passing));
  }
  if (isForced || oldPrimary === view.host) return reasons;
  reasons.push(...splitObstacles(view).map(lasting));
  for (const member of view.members) {
    if (member.host === view.host) continue;
    const mustBeClosed = member.host === oldPrimary && !options.hasUnits;
    if (mustBeClosed) reasons.push(...openObstacles(member).map(passing));
    // Who is primary needs no copy.
    const isLeftBehind = !options.ignoreSync && view.members.length > 2 &&
      member.host !== oldPrimary && !member.isPrimary &&
      options.isRecent(member.host);
    if (!isLeftBehind || isConsistent(view, member)) continue;
    reasons.push(
      isSynced(view, member)
        ? passing(`"${member.host}" is not consistent yet: it replays`)
        : lasting(
          `"${member.host}" is still copying the disk; wait, or type --ignore-sync`,
        ),
    );
  }
  return reasons;
}

/** Why the disk of this host, all of which is copied, is of no use yet. */
export function consistencyGaps(view: ResourceView): string[] {
  return view.own === undefined || isConsistent(view, view.own)
    ? []
    : ["its disk is not consistent yet: replay is behind"];
}

/** Why the device must not be taken away. */
export function openObstacles(member: MemberState | undefined): string[] {
  if (member === undefined || member.openCount === 0) return [];
  return [`the device is ${openText(member, ` on "${member.host}"`)}`];
}

/** How often the device is open, and by whom. */
export function openText(
  { openCount, openBy }: MemberState,
  where: string,
): string {
  const by = openBy === "" ? "" : `: ${openBy}`;
  return `open ${formatCount(openCount, "time")}${where}${by}`;
}

/**
 * Who has parted from the designated primary has nothing to be handed over:
 * taking the role would decide which side is lost, without saying so.
 */
function splitObstacles(view: ResourceView): string[] {
  const { designated, host, resource } = view;
  if (designated === undefined || designated === host) return [];
  const isParted = findSplits(view).some(({ hosts }) =>
    hosts.includes(host) && hosts.includes(designated)
  );
  return isParted
    ? [
      `split brain with "${designated}", see split show; type invalidate ${resource} to give up what this host wrote, or pause-fetch and primary --force to keep it`,
    ]
    : [];
}

/** Why this host may not go on yet, or what it may do. */
export type Avoidance =
  /** Nothing would be lost; or it is lost already. */
  | { readonly kind: "safe" }
  /** May vanish by waiting. */
  | { readonly kind: "wait"; readonly gaps: readonly string[] }
  /** Only version links differ: these of this host are to be written. */
  | { readonly kind: "heal"; readonly links: readonly LinkValue[] }
  | { readonly kind: "never"; readonly obstacle: string };

export interface AvoidanceFacts {
  /** The host that was primary last, if anybody knows. */
  readonly oldPrimary: string | undefined;
  /** It has not been asked to end: what it writes back does not matter yet. */
  readonly isBefore: boolean;
  /** Whether the link has not changed for a quarter of the window. */
  readonly isQuiet: (path: string) => boolean;
}

/**
 * Whether going on here would begin a split brain: this host needs all of the
 * history of the old primary, and must have replayed exactly as far.
 *
 * If nobody knows the old primary it is the author of the newest log; if there
 * are several, all members must agree. Two members that replayed the same log
 * to the same end and only tell its version differently agree: one of the links
 * is old, or lost its predecessor.
 */
export function avoidSplit(
  view: ResourceView,
  facts: AvoidanceFacts,
): Avoidance {
  const { own, host } = view;
  if (own === undefined) return { kind: "safe" };
  if (own.hasEmergency) {
    return { kind: "never", obstacle: `"${host}" is in emergency mode` };
  }
  if (findSplits(view).length > 0) return { kind: "safe" };
  const positions = view.members.filter(({ replay }) => replay !== undefined);
  if (positions.length < 2) return { kind: "safe" };
  const sequence = highestSequence(view);
  const other = memberOf(view, facts.oldPrimary) ?? authorOf(view, sequence);
  if (other?.host === host) return { kind: "safe" };
  if (other === undefined) return allAgree(view, sequence);
  const gaps = [
    ...versionGaps(view, sequence, other.host),
    ...(facts.isBefore && isLevel(own, other) ? [] : replayGaps(own, other)),
  ];
  if (gaps.length === 0) return { kind: "safe" };
  return healing(view, sequence, other, facts) ?? { kind: "wait", gaps };
}

/**
 * Why the next log of this host might have a name that was used on a side of a
 * split brain that was lost. The primary that leads rotates past such numbers.
 */
export function numberGaps(
  view: ResourceView,
  oldPrimary: string | undefined,
): string[] {
  const old = memberOf(view, oldPrimary);
  if (old?.isPrimary !== true || view.designated !== old.host) return [];
  for (const [sequence, links] of view.versions) {
    if (!links.has(old.host)) continue;
    return sequence >= view.usedLog ? [] : [
      `"${old.host}" is in log ${sequence}, and must be in log ${view.usedLog} first`,
    ];
  }
  return [];
}

function memberOf(
  view: ResourceView,
  host: string | undefined,
): MemberState | undefined {
  return view.members.find((member) => member.host === host);
}

/** The one who wrote log `sequence`, if it is one. */
function authorOf(
  view: ResourceView,
  sequence: number,
): MemberState | undefined {
  const [author, ...others] = authorsOf(view, sequence);
  return others.length > 0 ? undefined : memberOf(view, author);
}

function allAgree(view: ResourceView, sequence: number): Avoidance {
  const texts = new Set(
    view.members.map(({ host }) => versionOf(view, sequence, host)?.text),
  );
  return texts.size === 1
    ? { kind: "safe" }
    : { kind: "wait", gaps: [`log ${sequence} differs between members`] };
}

function versionGaps(
  view: ResourceView,
  sequence: number,
  other: string,
): string[] {
  const own = versionOf(view, sequence, view.host);
  const theirs = versionOf(view, sequence, other);
  if (own !== undefined && own.text === theirs?.text) return [];
  const bytesOf = (version: VersionLink | undefined): string =>
    version === undefined ? "nothing" : `${version.value.self.endBytes} bytes`;
  return [
    `log ${sequence} differs: have ${bytesOf(own)}, "${other}" has ${
      bytesOf(theirs)
    }`,
  ];
}

/** Whether everything is replayed here that the other one has logged. */
function isLevel(own: MemberState, other: MemberState): boolean {
  const [mine, theirs] = [own.replay, other.replay];
  return mine !== undefined && theirs !== undefined &&
    sameLog(mine.log, theirs.log) && mine.dirtyBytes === 0 &&
    mine.startBytes === theirs.startBytes + theirs.dirtyBytes;
}

function replayGaps(own: MemberState, other: MemberState): string[] {
  const textOf = ({ replay }: MemberState): string =>
    replay === undefined ? "nowhere" : formatReplay(replay);
  if (textOf(own) === textOf(other) && own.replay !== undefined) return [];
  const gaps = [
    `replay is at ${textOf(own)}, "${other.host}" at ${textOf(other)}`,
  ];
  // Only recovery tells how much of it is good.
  const isLocked = !other.desired.attach && (other.replay?.dirtyBytes ?? 0) > 0;
  if (isLocked) {
    gaps.push(`its log has more than was replayed there; type up on it`);
  }
  return gaps;
}

/** Links as the other host has them, if that is what is wrong here. */
function healing(
  view: ResourceView,
  sequence: number,
  other: MemberState,
  { isQuiet }: AvoidanceFacts,
): Avoidance | undefined {
  const { own, resource, host } = view;
  if (own === undefined || replayGaps(own, other).length > 0) return undefined;
  const mine = versionOf(view, sequence, host);
  const theirs = versionOf(view, sequence, other.host);
  if (theirs === undefined || own.replay === undefined) return undefined;
  const { self, previous } = theirs.value;
  const isSameEnd = sameLog(self.log, own.replay.log) &&
    self.endBytes === own.replay.startBytes + own.replay.dirtyBytes;
  if (!isSameEnd) return undefined;
  // A different predecessor is a different history.
  const before = mine?.value.previous ??
    versionOf(view, sequence - 1, host)?.value.self;
  const isSameHistory = before === undefined ||
    (previous !== undefined && formatStep(before) === formatStep(previous));
  if (!isSameHistory) return undefined;
  const paths = [
    linkPath.replay(resource, host),
    linkPath.replay(resource, other.host),
    linkPath.version(resource, sequence, other.host),
    ...(mine === undefined ? [] : [linkPath.version(resource, sequence, host)]),
  ];
  if (!paths.every(isQuiet)) return undefined;
  const links = [{
    path: linkPath.version(resource, sequence, host),
    value: theirs.text,
  }];
  const lost = versionOf(view, sequence - 1, other.host);
  if (before === undefined && lost !== undefined) {
    links.unshift({
      path: linkPath.version(resource, sequence - 1, host),
      value: lost.text,
    });
  }
  return { kind: "heal", links };
}
