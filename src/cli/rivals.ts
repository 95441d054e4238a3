/**
 * Rivals: two hosts that take over one resource at once.
 *
 * A claim, the link `userspace/claim-<host>`, says that a host takes over. Who
 * has claimed goes on when all members have answered, each with a sign of life
 * that is newer than the claim. Links travel in order, and a host's stamps are
 * past all that it has seen: so a claim that is older than the answer of its
 * host has arrived, too. Of two claims the older one holds; both hosts see the
 * same one as the older.
 *
 * A host that is cut off or dead does not answer, and is not waited for longer
 * than half a window; not at all if the others were heard of that much later:
 * without an answer of the primary it gets nowhere. But where nobody is primary
 * all must answer, and whose claim is known must be heard of: they may have got
 * through.
 *
 * A claim whose command died is taken back by the daemon of its host
 * (`daemon/left_claims.ts`). Without one it counts until its host was heard of
 * much later.
 *
 * Source: ours, after Lamport's mutual exclusion.
 */
import { RefusedError } from "../base/errors.ts";
import { NS_PER_MS } from "../base/time.ts";
import { lasting, passing, type Reason } from "../resource/reasons.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Desk } from "./command.ts";

/** Ours: a host that has lived on so long has a command that crashed. */
const CLAIM_WINDOWS = 2;

export function claimLink(resource: string, host: string): LinkWrite {
  return { path: linkPath.claim(resource, host), value: "1" };
}

export function noClaimLink(resource: string, host: string): LinkWrite {
  return { path: linkPath.claim(resource, host), value: TOMBSTONE };
}

/** When a host was heard of; nanoseconds since 1970. */
export function signOf(snapshot: Snapshot, host: string): bigint {
  return snapshot.stampNs(linkPath.global(host, "time")) ?? 0n;
}

/**
 * Members that may not have seen the claim of this host yet.
 *
 * @param needed who must answer, however long it takes
 * @param waitedMs since the claim; wall clocks may jump meanwhile
 */
export function unanswered(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  { needed, waitedMs }: {
    readonly needed: readonly string[];
    readonly waitedMs: number;
  },
): string[] {
  const claimNs = snapshot.stampNs(linkPath.claim(view.resource, view.host)) ??
    0n;
  const patienceMs = desk.options.windowMs / 2;
  const patienceNs = BigInt(Math.round(patienceMs)) * NS_PER_MS;
  const others = view.members.filter(({ host }) => host !== view.host);
  // Not the own clock, which may be wrong.
  const latestNs = others.map(({ host }) => signOf(snapshot, host))
    .reduce((left, right) => left > right ? left : right, 0n);
  return others.filter(({ host }) => {
    const signNs = signOf(snapshot, host);
    if (signNs > claimNs) return false;
    const isGone = waitedMs >= patienceMs || signNs + patienceNs < latestNs;
    return needed.includes(host) || !isGone;
  }).map(({ host }) => `"${host}" has not answered`);
}

/**
 * @param other who was designated since, and perhaps is not any more: what it
 * has written meanwhile may be unknown here
 * @throws RefusedError if another host takes over, or has
 */
export function checkRivals(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  other: string | undefined,
): void {
  const { resource, host: own, designated } = view;
  const obstacles: string[] = [];
  if (other !== undefined && other !== own && other !== designated) {
    obstacles.push(`"${other}" was primary meanwhile; type primary again`);
  }
  if (designated !== undefined && designated !== own) {
    obstacles.push(`"${designated}" was designated meanwhile`);
  }
  const ownNs = snapshot.stampNs(linkPath.claim(resource, own)) ?? 0n;
  for (const { host, stampNs } of claimsOf(desk, snapshot, view)) {
    const isFirst = stampNs < ownNs || (stampNs === ownNs && host < own);
    if (isFirst) obstacles.push(`"${host}" takes over, and was first`);
  }
  if (obstacles.length === 0) return;
  throw new RefusedError(
    `Cannot make this host primary of "${resource}"`,
    obstacles,
  );
}

/**
 * Why nobody should begin to take over now. A claim may be one that was taken
 * back a moment ago; but who has got through since this command began has won.
 *
 * @param sinceNs when it began
 */
export function claimReasons(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  sinceNs: bigint,
): Reason[] {
  const { resource, host: own, designated } = view;
  const changedNs = snapshot.stampNs(linkPath.primary(resource)) ?? 0n;
  const hasWon = designated !== undefined && designated !== own &&
    changedNs > sinceNs;
  return [
    ...(hasWon ? [lasting(`"${designated}" was designated meanwhile`)] : []),
    ...claimsOf(desk, snapshot, view).map(({ host }) =>
      passing(
        `"${host}" takes over, or has; if it is lost, type pause-fetch and primary --force`,
      )
    ),
  ];
}

/** Claims of other members that may still hold. */
function claimsOf(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): { readonly host: string; readonly stampNs: bigint }[] {
  const spanNs = BigInt(Math.round(CLAIM_WINDOWS * desk.options.windowMs)) *
    NS_PER_MS;
  return view.members.filter(({ host }) => host !== view.host)
    .map(({ host }) => ({ host, path: linkPath.claim(view.resource, host) }))
    .filter(({ path }) => snapshot.value(path) !== undefined)
    .map(({ host, path }) => ({ host, stampNs: snapshot.stampNs(path) ?? 0n }))
    .filter(({ host, stampNs }) => signOf(snapshot, host) <= stampNs + spanNs);
}
