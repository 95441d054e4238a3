// Pure
/**
 * Which cluster a tree belongs to, and which clusters were merged into it.
 *
 *   uuid                      the name of the cluster, alpha_1795351445.000000000
 *                             or `(any)` while a host waits to learn it
 *   todo-global/merged-NAME   a cluster of this name was merged into this one
 *
 * Two hosts belong together if they have a name in common, be it one of those
 * that are not in use any more. So a host that was away during a merge comes
 * in with the old name, and learns the new one.
 *
 * Source: `uuid` of MARS; merged names are ours.
 */
import { linkPath, nameOf } from "./path.ts";
import type { Snapshot } from "./snapshot.ts";
import { ANY_UUID } from "./values.ts";

/** The name of the cluster; undefined without one, or while it is unknown. */
export function clusterOf(snapshot: Snapshot): string | undefined {
  const uuid = snapshot.value(linkPath.uuid);
  return uuid === ANY_UUID ? undefined : uuid;
}

/** Names of clusters that were merged into this one, sorted. */
export function mergedClusters(snapshot: Snapshot): string[] {
  const prefix = nameOf(linkPath.merged(""));
  return [...snapshot.children("todo-global")]
    .map(({ path }) => path)
    .filter((path) =>
      nameOf(path).startsWith(prefix) && snapshot.value(path) !== undefined
    )
    .map((path) => nameOf(path).slice(prefix.length)).sort();
}

/** Whether two hosts belong together, by all names their clusters ever had. */
export function isSameCluster(
  own: readonly string[],
  theirs: readonly string[],
): boolean {
  if (own.length === 0 || theirs.length === 0) return false;
  return own.includes(ANY_UUID) || theirs.includes(ANY_UUID) ||
    own.some((name) => theirs.includes(name));
}

/** Whether a cluster of this name can be merged: it becomes part of a path. */
export function isClusterName(name: string): boolean {
  return CLUSTER_NAME.test(name);
}

const CLUSTER_NAME = /^[A-Za-z0-9_][-A-Za-z0-9_.]{0,100}$/;
