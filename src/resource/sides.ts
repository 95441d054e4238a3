// Pure
/**
 * Sides: who stands where in a split brain, how much each side has written, and
 * since when.
 *
 * A side is named after the host that went furthest on it; the others of a side
 * have part of what it has. Who has parted from nobody, because it has not
 * passed the place, is on no side yet.
 *
 * Everything is taken from links. A link is written when its value changes, so
 * the version that says of a host that it reached the ancestor, and no further,
 * tells when it did; and the newest version of a host tells when it wrote last,
 * up to the rate at which positions are published.
 */
import { linkPath } from "../tree/path.ts";
import { versionOf } from "./history.ts";
import { bytesSince, type Parting, partingOf } from "./parting.ts";
import {
  earlierOf,
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** One history of a resource. */
export interface SplitSide {
  /** Who went furthest. */
  readonly host: string;
  /** All that have something of it, in order. */
  readonly hosts: readonly string[];
  readonly isDesignated: boolean;
  readonly isPrimary: boolean;
  /** Log behind the ancestor, and in how many files. */
  readonly writtenBytes: number;
  readonly logCount: number;
  /** Where it is now. */
  readonly end: Position | undefined;
  /** Stamp of what it wrote last; undefined if it did not. */
  readonly lastWriteNs: bigint | undefined;
}

export interface SplitBrain {
  /** The last position that all sides have in common, if it is known. */
  readonly ancestor: Position | undefined;
  /** When it was reached; undefined if no link tells. */
  readonly sinceNs: bigint | undefined;
  /** Two or more; the designated primary's first, then by name. */
  readonly sides: readonly SplitSide[];
  /** Members that have not passed the ancestor. */
  readonly undecided: readonly string[];
}

/**
 * The split brain of a resource, if there is one.
 *
 * @param stampNs of a link; undefined if it is missing
 */
export function splitBrainOf(
  view: ResourceView,
  stampNs: (path: string) => bigint | undefined,
): SplitBrain | undefined {
  const placed = view.members.filter(({ replay }) => replay !== undefined);
  const leaders = leadersOf(view, placed);
  const [first] = leaders;
  if (first === undefined) return undefined;
  const partings = leaders.map(({ host }) =>
    earliestParting(view, host, leaders)
  );
  const ancestor = partings.map((parting) => parting?.ancestor)
    .reduce(earlierOf);
  const sides = leaders.map((leader, index) =>
    sideOf(view, leader, { parting: partings[index], leaders, placed, stampNs })
  );
  const taken = new Set(sides.flatMap(({ hosts }) => hosts));
  return {
    ancestor,
    sinceNs: ancestor && reachedNs(view, ancestor, stampNs),
    sides: sides.sort(byWeight),
    undecided: placed.map(({ host }) => host).filter((host) =>
      !taken.has(host)
    ),
  };
}

/** Who went furthest on each side; none if nobody has parted. */
function leadersOf(
  view: ResourceView,
  placed: readonly MemberState[],
): MemberState[] {
  const parted = placed.filter(({ host }) =>
    placed.some((other) =>
      other.host !== host && partingOf(view, host, other.host).isSplit
    )
  );
  return parted.filter((member) =>
    !parted.some((other) => isAheadOf(view, other, member))
  );
}

/** Whether `left` has all that `right` has, and comes first. */
function isAheadOf(
  view: ResourceView,
  left: MemberState,
  right: MemberState,
): boolean {
  if (left.host === right.host) return false;
  const { isSplit, ancestor, sides } = partingOf(view, left.host, right.host);
  if (isSplit) return false;
  const more = bytesSince(sides[0], ancestor) - bytesSince(sides[1], ancestor);
  if (more !== 0) return more > 0;
  const logs = sides[0].logs.length - sides[1].logs.length;
  if (logs !== 0) return logs > 0;
  const rank = rankOf(view, left) - rankOf(view, right);
  return rank === 0 ? left.host < right.host : rank > 0;
}

/** Of hosts that have the same, who it is that writes. */
function rankOf(view: ResourceView, member: MemberState): number {
  return (member.isPrimary ? 4 : 0) +
    (member.host === view.designated ? 2 : 0) +
    (member.replay?.log.host === member.host ? 1 : 0);
}

/** With the side from which it parted first. */
function earliestParting(
  view: ResourceView,
  host: string,
  leaders: readonly MemberState[],
): Parting | undefined {
  let earliest: Parting | undefined;
  for (const other of leaders) {
    if (other.host === host) continue;
    const parting = partingOf(view, host, other.host);
    const isEarlier = earliest === undefined ||
      earlierOf(parting.ancestor, earliest.ancestor) === parting.ancestor;
    if (isEarlier) earliest = parting;
  }
  return earliest;
}

function sideOf(
  view: ResourceView,
  leader: MemberState,
  { parting, leaders, placed, stampNs }: {
    readonly parting: Parting | undefined;
    readonly leaders: readonly MemberState[];
    readonly placed: readonly MemberState[];
    readonly stampNs: (path: string) => bigint | undefined;
  },
): SplitSide {
  const { host } = leader;
  const goesWith = (member: MemberState, other: MemberState): boolean =>
    member.host === other.host ||
    !partingOf(view, member.host, other.host).isSplit;
  const hosts = placed.filter((member) =>
    goesWith(member, leader) &&
    !leaders.some((other) => other !== leader && goesWith(member, other))
  ).map((member) => member.host);
  const side = parting?.sides[0];
  const newer = newerLogs(view, leader);
  const known = side === undefined ? 0 : bytesSince(side, parting?.ancestor);
  const writtenBytes = newer.reduce((sum, { bytes }) => sum + bytes, known);
  const [newest = side?.logs[0] ?? side?.left] = newer;
  return {
    host,
    hosts,
    isDesignated: host === view.designated,
    isPrimary: leader.isPrimary,
    writtenBytes,
    logCount: newer.length + (side?.logs.length ?? 0) +
      (isBeyond(side?.left, parting?.ancestor) ? 1 : 0),
    end: newest,
    lastWriteNs: newest === undefined || writtenBytes === 0
      ? undefined
      : stampNs(linkPath.version(view.resource, newest.log.sequence, host)),
  };
}

function isBeyond(
  left: Position | undefined,
  ancestor: Position | undefined,
): boolean {
  return left !== undefined && ancestor !== undefined &&
    left.bytes > ancestor.bytes;
}

/**
 * Logs that a host writes, or wrote, behind the one of its replay link, which
 * stays at the lowest that is not written back; the newest first.
 */
function newerLogs(
  view: ResourceView,
  { host, replay }: MemberState,
): Position[] {
  const logs: Position[] = [];
  for (const [sequence, links] of view.versions) {
    if (sequence <= (replay?.log.sequence ?? 0)) break;
    const value = links.get(host)?.value;
    if (value?.self.log.host !== host || value.previous === undefined) continue;
    logs.push({ log: value.self.log, bytes: value.self.endBytes });
  }
  return logs;
}

/** When the first host reached `ancestor` that went no further in its log. */
function reachedNs(
  view: ResourceView,
  ancestor: Position,
  stampNs: (path: string) => bigint | undefined,
): bigint | undefined {
  const { sequence } = ancestor.log;
  let earliestNs: bigint | undefined;
  for (const { host } of view.members) {
    const self = versionOf(view, sequence, host)?.value.self;
    const isThere = self !== undefined && sameLog(self.log, ancestor.log) &&
      self.endBytes === ancestor.bytes;
    if (!isThere) continue;
    const ns = stampNs(linkPath.version(view.resource, sequence, host));
    if (ns === undefined) continue;
    if (earliestNs === undefined || ns < earliestNs) earliestNs = ns;
  }
  return earliestNs;
}

function byWeight(left: SplitSide, right: SplitSide): number {
  if (left.isDesignated !== right.isDesignated) {
    return left.isDesignated ? -1 : 1;
  }
  return left.host < right.host ? -1 : 1;
}
