// Pure
/**
 * Left links: what a host has told of a resource that it takes no part in any
 * more.
 *
 * Another host may make one leave that is away. When that comes back, it tells
 * of itself before it hears of that, and what it tells is newer than what the
 * other has deleted; or it refuses that deletion, because it comes before that
 * of its device. So a host takes back itself whatever only it may write, as
 * long as
 *   (1) its device is deleted, not only missing: a tree may be incomplete
 *   (2) it has no disk there: one that is about to leave does that by itself
 *
 * Versions of logs that it wrote stay as long as members may reach these: they
 * are what others compare with.
 */
import { linkPath, matchPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { type Tombstone, tombstonesOf } from "../tree/tombstones.ts";
import { parseVersion } from "../tree/values.ts";
import { type Reach, reachOf } from "./reach.ts";
import { resourceView } from "./view.ts";

/** What takes back all that `host` has told of `resource`. */
export function leftLinks(
  snapshot: Snapshot,
  resource: string,
  host: string,
): Tombstone[] {
  if (!hasLeft(snapshot, resource, host)) return [];
  const own = tombstonesOf(snapshot.under(linkPath.resource(resource)))
    .filter(({ path }) => isOwn(path, host));
  if (own.length === 0) return [];
  const view = resourceView(snapshot, resource, host);
  const reach = reachOf(view, view.members.map((member) => member.host));
  return own.filter(({ path }) =>
    !isNeededVersion(snapshot.value(path) ?? "", host, reach)
  );
}

/** (1) and (2) */
function hasLeft(
  snapshot: Snapshot,
  resource: string,
  host: string,
): boolean {
  return snapshot.isTombstone(linkPath.device(resource, host)) &&
    snapshot.value(linkPath.data(resource, host)) === undefined;
}

/** Whether `host` has the resource, its device, or is about to leave. */
export function takesPart(
  snapshot: Snapshot,
  resource: string,
  host: string,
): boolean {
  return snapshot.value(linkPath.device(resource, host)) !== undefined ||
    snapshot.value(linkPath.data(resource, host)) !== undefined;
}

/** Whether nobody but `host` may write it. */
function isOwn(path: string, host: string): boolean {
  // Most are of others, and a match costs more.
  if (!path.includes(host)) return false;
  const match = matchPath(path);
  return match?.host === host && match.kind.owner !== "any";
}

/** @param text of a link; only that of a version can be one */
function isNeededVersion(text: string, host: string, reach: Reach): boolean {
  const log = parseVersion(text)?.self.log;
  return log?.host === host && reach.needsVersion(log);
}
