// Pure
/**
 * Retention: which logs and version links nobody needs any more.
 *
 * Two questions, and one list of hosts that have a say in both: a claim is the
 * position of a host that may still replay.
 *
 *   old          (log-delete)  every claim has passed it: its number is below
 *                the lowest one that a claim names, and it is not the highest
 *                that exists. Version links stay one number longer, because the
 *                digest of a log covers the link before it.
 *   unreachable  (log-purge)   no claim comes from it or leads to it: the
 *                discarded side of a split brain. Version links are the edges
 *                of that graph.
 *
 * Rules:
 *   (1) Members always have a claim, and so has whoever else left a replay
 *       link: it may be a host whose membership has not arrived here yet. Hosts
 *       that left the cluster lose it as `--ignore-deleted-peers` says.
 *   (2) A claim that cannot be read may be anything: nothing goes then (I7).
 *   (3) Without any claim nothing is old; all is unreachable.
 *   (4) Whoever cannot go on with any log that is left, keeps none; only version
 *       links, and those not for ever.
 *   (5) The claims must have been read before the list of files; then a race
 *       can only keep too much.
 *
 * Source: `log-delete` and `log-purge-all` of MARS; (1), (2) and (4) are ours.
 */
import type { LogName } from "../base/names.ts";
import { linkPath, nameOf } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseReplay } from "../tree/values.ts";
import { isLost } from "./holdings.ts";
import type { ResourceView } from "./view.ts";

// Ours. As far as fetching may run ahead of replay.
const LOST_VERSIONS_MAX = 1_000;

/** A host that may still replay. */
export interface Claim {
  readonly host: string;
  /** The log it is in; undefined if its replay link cannot be read. */
  readonly log: LogName | undefined;
  /** It is the designated primary, or acts as one. */
  readonly isPrimary: boolean;
  /** It cannot go on, with whatever logs: see `holdings.ts`. */
  readonly isLost: boolean;
}

/** Who is not asked. */
export interface Forgetting {
  /**
   * Hosts without an address: 0 count, 1 do not count unless they are members,
   * 2 do not count.
   */
  readonly ignoreDeletedPeers: number;
  /** Those heard of lately count in any case. */
  readonly isRecent: (host: string) => boolean;
}

/** All claims on logs of the view's resource, by host. */
export function claimsOf(
  snapshot: Snapshot,
  view: ResourceView,
  forgetting: Forgetting,
): Claim[] {
  const directory = linkPath.resource(view.resource);
  const hosts = new Set(view.members.map(({ host }) => host));
  for (const { path } of snapshot.children(directory)) {
    const name = nameOf(path);
    const isAlive = name.startsWith(REPLAY) &&
      snapshot.value(path) !== undefined;
    if (isAlive) hosts.add(name.slice(REPLAY.length));
  }
  return [...hosts].sort()
    .filter((host) => hasSay(snapshot, view, host, forgetting))
    .map((host) => ({
      host,
      log: parseReplay(
        snapshot.value(linkPath.replay(view.resource, host)) ?? "",
      )?.log,
      isPrimary: view.designated === host ||
        view.members.some((member) => member.host === host && member.isPrimary),
      isLost: isLostHost(view, host),
    }));
}

function isLostHost(view: ResourceView, host: string): boolean {
  const member = view.members.find((other) => other.host === host);
  return member !== undefined && isLost(view, member);
}

const REPLAY = "replay-";

/** Claims of members alone, for amounts that are only shown. */
export function memberClaims(view: ResourceView): Claim[] {
  return view.members.map(({ host, replay, isPrimary }) => ({
    host,
    log: replay?.log,
    isPrimary: isPrimary || view.designated === host,
    isLost: isLostHost(view, host),
  }));
}

function hasSay(
  snapshot: Snapshot,
  view: ResourceView,
  host: string,
  { ignoreDeletedPeers, isRecent }: Forgetting,
): boolean {
  const isKnown = host === view.host || ignoreDeletedPeers <= 0 ||
    snapshot.value(linkPath.ip(host)) !== undefined;
  if (isKnown || isRecent(host)) return true;
  return ignoreDeletedPeers === 1 &&
    view.members.some((member) => member.host === host);
}

/** Hosts because of which nothing may go. */
export function unreadableClaims(claims: readonly Claim[]): string[] {
  return claims.filter(({ log }) => log === undefined).map(({ host }) => host);
}

export interface Deletable {
  readonly logs: readonly LogName[];
  /** Sequence and host of version links. */
  readonly versions: readonly LogName[];
}

// ---- old ------------------------------------------------------------------

/** What every claim has passed, lowest number first. */
export function oldOnes(
  view: ResourceView,
  claims: readonly Claim[],
  existing: readonly LogName[],
): Deletable {
  const lost = claims.filter(({ isLost }) => isLost);
  const limit = Math.min(
    limitOf(claims, existing),
    // By them it is known whether a copy may be given up.
    ...lost.map(({ log }) =>
      Math.max(
        log?.sequence ?? 0,
        limitOf(claims, existing) - LOST_VERSIONS_MAX,
      )
    ),
  );
  return {
    logs: oldLogs(claims, existing),
    versions: versionNames(view).filter(({ sequence }) => sequence < limit - 1)
      .sort(ascending),
  };
}

/** The logs among it, without a look at all those version links. */
export function oldLogs(
  claims: readonly Claim[],
  existing: readonly LogName[],
): LogName[] {
  const limit = limitOf(claims, existing);
  return existing.filter((log) => log.sequence < limit).sort(ascending);
}

/** The lowest log that must stay; 0 if all must. */
function limitOf(
  claims: readonly Claim[],
  existing: readonly LogName[],
): number {
  if (claims.length === 0 || unreadableClaims(claims).length > 0) return 0;
  const highest = Math.max(0, ...existing.map(({ sequence }) => sequence));
  const needed = claims.filter(({ isLost }) => !isLost);
  return Math.min(highest, ...needed.map(({ log }) => log?.sequence ?? 0));
}

function ascending(left: LogName, right: LogName): number {
  return left.sequence - right.sequence ||
    (left.host < right.host ? -1 : left.host === right.host ? 0 : 1);
}

// ---- unreachable ----------------------------------------------------------

/**
 * What no claim comes from or leads to, lowest number first. From a claim the
 * way leads back to all logs before it, and ahead to all that may follow, on
 * every branch.
 */
export function unreachable(
  view: ResourceView,
  claims: readonly Claim[],
  existing: readonly LogName[],
): Deletable {
  if (unreadableClaims(claims).length > 0) return { logs: [], versions: [] };
  const steps = stepsOf(view);
  const seeds = claims.flatMap((claim) => seedsOf(claim, existing));
  const reached = new Set([
    ...closure(seeds, steps.before),
    ...closure(seeds, steps.after),
  ]);
  return {
    logs: existing.filter((log) => !reached.has(keyOf(log))).sort(ascending),
    versions: versionNames(view).filter(({ sequence, host }) => {
      const log = view.versions.get(sequence)?.get(host)?.value.self.log;
      return log !== undefined && !reached.has(keyOf(log));
    }).sort(ascending),
  };
}

/** A primary may have begun a log that no link tells of yet. */
function seedsOf(
  { host, log, isPrimary }: Claim,
  existing: readonly LogName[],
): string[] {
  if (log === undefined) return [];
  const begun = existing.filter((other) =>
    isPrimary && other.host === host && other.sequence >= log.sequence
  );
  return [log, ...begun].map(keyOf);
}

/** Names of logs, to those right before and right after them. */
interface Steps {
  readonly before: ReadonlyMap<string, ReadonlySet<string>>;
  readonly after: ReadonlyMap<string, ReadonlySet<string>>;
}

function stepsOf(view: ResourceView): Steps {
  const before = new Map<string, Set<string>>();
  const after = new Map<string, Set<string>>();
  for (const [, links] of view.versions) {
    for (const { value } of links.values()) {
      if (value.previous === undefined) continue;
      const self = keyOf(value.self.log);
      const previous = keyOf(value.previous.log);
      addTo(before, self, previous);
      addTo(after, previous, self);
    }
  }
  return { before, after };
}

function addTo(
  sets: Map<string, Set<string>>,
  key: string,
  value: string,
): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

/** Everything that `steps` lead to from `seeds`, these included. */
function closure(
  seeds: readonly string[],
  steps: ReadonlyMap<string, ReadonlySet<string>>,
): Set<string> {
  const reached = new Set(seeds);
  // A set gives also what is added while it is walked.
  for (const key of reached) {
    for (const next of steps.get(key) ?? []) reached.add(next);
  }
  return reached;
}

function keyOf({ sequence, host }: LogName): string {
  return `${sequence}-${host}`;
}

function versionNames(view: ResourceView): LogName[] {
  return [...view.versions].flatMap(([sequence, links]) =>
    [...links.keys()].map((host) => ({ sequence, host }))
  );
}

// ---- rotation -------------------------------------------------------------

/** Above this many own logs, small ones are not rotated any more. */
export const ROTATE_LOGS_MAX = 10;
export const ROTATE_BYTES_MIN = 5_000_000_000;

export interface RotationLimits {
  readonly logsMax: number;
  readonly bytesMin: number;
  /** Also where this host is no primary. */
  readonly isForced: boolean;
}

export type Rotation =
  | { readonly kind: "rotate"; readonly log: LogName }
  | { readonly kind: "skip"; readonly reason: string };

/** The empty log that makes the primary of `view` go on in a new file. */
export function nextRotation(
  view: ResourceView,
  logs: readonly { readonly log: LogName; readonly bytes: number }[],
  limits: RotationLimits,
): Rotation {
  const skip = (reason: string): Rotation => ({ kind: "skip", reason });
  const own = logs.filter((file) => file.log.host === view.host)
    .sort((left, right) => ascending(left.log, right.log));
  const newest = own.at(-1);
  const isPrimary = view.own?.isPrimary === true;
  if (!isPrimary && !limits.isForced) return skip("not primary here");
  if (newest === undefined) return skip("there is no own log");
  if (newest.bytes === 0) return skip(`log ${newest.log.sequence} is empty`);
  if (own.length >= limits.logsMax && newest.bytes < limits.bytesMin) {
    return skip(`there are ${own.length} logs and the newest is small`);
  }
  const sequence = newest.log.sequence + 1;
  const later = isPrimary ? undefined : laterThan(view, logs, newest.log);
  // A second log of one number would look like a split brain.
  if (later !== undefined) {
    return skip(`"${later.host}" went on in log ${later.sequence}`);
  }
  return { kind: "rotate", log: { sequence, host: view.host } };
}

/** A log of another host behind `log`, as far as files and links tell. */
function laterThan(
  view: ResourceView,
  logs: readonly { readonly log: LogName }[],
  log: LogName,
): LogName | undefined {
  const known = [
    ...logs.map((file) => file.log),
    ...[...view.versions].flatMap(([, links]) =>
      [...links.values()].map(({ value }) => value.self.log)
    ),
  ];
  return known.find(({ sequence }) => sequence > log.sequence);
}
