// Pure
/** Tombstones: what is written so that links go away everywhere. */
import { directoryOf } from "./path.ts";
import type { Link, Snapshot } from "./snapshot.ts";
import { TOMBSTONE } from "./values.ts";

export interface Tombstone {
  readonly path: string;
  readonly value: typeof TOMBSTONE;
}

/** Of those links that are none themselves. */
export function tombstonesOf(links: Iterable<Link>): Tombstone[] {
  const tombstones: Tombstone[] = [];
  for (const { path, value } of links) {
    if (value !== TOMBSTONE) tombstones.push({ path, value: TOMBSTONE });
  }
  return tombstones;
}

/** Of all links of one directory whose paths begin with `head`. */
export function tombstonesUnder(snapshot: Snapshot, head: string): Tombstone[] {
  return tombstonesOf(
    [...snapshot.children(directoryOf(head))]
      .filter(({ path }) => path.startsWith(head)),
  );
}
