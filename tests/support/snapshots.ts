/** Links of tests as a snapshot, whose stamps do not matter. */
import { Snapshot } from "../../src/tree/snapshot.ts";

/** @param links values by path; an empty one is no link */
export function snapshotOf(links: Readonly<Record<string, string>>): Snapshot {
  return snapshotBelow("", links);
}

/** @param links values by their names below the resource "r" */
export function snapshotOfR(links: Readonly<Record<string, string>>): Snapshot {
  return snapshotBelow("resource-r/", links);
}

function snapshotBelow(
  head: string,
  links: Readonly<Record<string, string>>,
): Snapshot {
  return new Snapshot(
    Object.entries(links).filter(([, value]) => value !== "")
      .map(([name, value]) => ({ path: head + name, value, stampNs: 1n })),
  );
}
