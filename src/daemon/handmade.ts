// Pure
/**
 * Links made by hand: `ln -s` stamps with the wall clock, and the original's
 * tool with whole seconds when it finds no daemon. Such a stamp may be older
 * than that of the link it replaces, whose writer had a faster clock. Here the
 * new value stands; other hosts would take it for an old one, and bring the
 * other value back. So it gets a stamp of now.
 *
 * Kept are stamps that shall lose: an address or a uuid that somebody puts there
 * provisionally, in the first seconds of 1970.
 *
 * Source: Lamport clock and provisional links of MARS.
 */
import type { LinkValue } from "../resource/plan_types.ts";
import { ownerOf } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { NS_PER_S } from "../base/time.ts";

/** Prescribed by MARS: stamps below are provisional. */
export const PROVISIONAL_NS = 100n * NS_PER_S;

/**
 * Links to write again, with a stamp of now.
 *
 * @param before the links as they were known
 * @param found what was found on disk since: new and changed links
 */
export function outdated(
  before: Snapshot,
  found: readonly Link[],
  host: string,
): LinkValue[] {
  return found.filter((link) => {
    const old = before.get(link.path);
    const owner = ownerOf(link.path);
    return old !== undefined && old.value !== link.value &&
      link.stampNs <= old.stampNs && link.stampNs >= PROVISIONAL_NS &&
      (owner === undefined || owner === host);
  }).map(({ path, value }) => ({ path, value }));
}
