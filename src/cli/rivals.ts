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
 * than half a window. Then its claim, if there is one, is not seen.
 *
 * Source: ours, after Lamport's mutual exclusion.
 */
import { RefusedError } from "../base/errors.ts";
import { NS_PER_MS } from "../base/time.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Desk } from "./command.ts";

/** Ours: an older claim belongs to a command that has crashed. */
const CLAIM_WINDOWS = 2;

export function claimLink(resource: string, host: string): LinkWrite {
  return { path: claimPath(resource, host), value: "1" };
}

export function noClaimLink(resource: string, host: string): LinkWrite {
  return { path: claimPath(resource, host), value: TOMBSTONE };
}

function claimPath(resource: string, host: string): string {
  return linkPath.userspace(resource, `claim-${host}`);
}

/** When a host was heard of; nanoseconds since 1970. */
export function signOf(snapshot: Snapshot, host: string): bigint {
  return snapshot.stampNs(linkPath.global(host, "time")) ?? 0n;
}

/**
 * Members that may not have seen the claim of this host yet.
 *
 * @param needed who must answer, however long it takes
 */
export function unanswered(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  needed: string | undefined,
): string[] {
  const claimNs = snapshot.stampNs(claimPath(view.resource, view.host)) ?? 0n;
  const patienceNs = BigInt(Math.round(desk.options.windowMs / 2)) * NS_PER_MS;
  const isOver = desk.nowNs() > claimNs + patienceNs;
  return view.members.filter(({ host }) => {
    const signNs = signOf(snapshot, host);
    if (host === view.host || signNs > claimNs) return false;
    return host === needed || !(isOver || signNs + patienceNs < claimNs);
  }).map(({ host }) => `"${host}" has not answered`);
}

/** @throws RefusedError if another host takes over, or has */
export function checkRivals(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): void {
  const { resource, host: own, designated } = view;
  const obstacles: string[] = [];
  if (designated !== undefined && designated !== own) {
    obstacles.push(`"${designated}" was designated meanwhile`);
  }
  const ownNs = snapshot.stampNs(claimPath(resource, own)) ?? 0n;
  for (const { host } of view.members) {
    const path = claimPath(resource, host);
    const stampNs = snapshot.stampNs(path) ?? 0n;
    const isFirst = stampNs < ownNs || (stampNs === ownNs && host < own);
    const isClaim = host !== own && snapshot.value(path) !== undefined &&
      desk.isRecentStamp(stampNs, CLAIM_WINDOWS);
    if (isClaim && isFirst) {
      obstacles.push(`"${host}" takes over, and was first`);
    }
  }
  if (obstacles.length === 0) return;
  throw new RefusedError(
    `Cannot make this host primary of "${resource}"`,
    obstacles,
  );
}
