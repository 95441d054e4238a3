// Pure
/**
 * Which resources of a host may copy their disks at the same time.
 *
 * Those that copy already go on, as far as the limit allows; then others begin.
 * Both in the order of their names, so that it is the same every time.
 *
 * Source: `sync-limit` of MARS.
 */

export interface SyncWish {
  readonly resource: string;
  readonly isSyncing: boolean;
}

/** @param limit 0 for none */
export function syncsAllowed(
  wishes: readonly SyncWish[],
  limit: number,
): ReadonlySet<string> {
  const ordered = [...wishes].sort((left, right) =>
    Number(right.isSyncing) - Number(left.isSyncing) ||
    (left.resource < right.resource ? -1 : 1)
  );
  const allowed = limit === 0 ? ordered : ordered.slice(0, limit);
  return new Set(allowed.map(({ resource }) => resource));
}

/** Why a resource may not copy now; undefined for those that may. */
export function obstacleToSync(
  wishes: readonly SyncWish[],
  limit: number,
): (resource: string) => string | undefined {
  const allowed = syncsAllowed(wishes, limit);
  const first = [...allowed].map((resource) => `"${resource}"`).join(", ");
  return (resource) =>
    limit === 0 || allowed.has(resource)
      ? undefined
      : `Waiting for its turn, only ${limit} at a time: ${
        first || "nobody yet"
      }`;
}
