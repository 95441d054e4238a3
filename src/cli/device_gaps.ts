/** Why the device of a new primary is not there yet, and what will not help. */
import { RefusedError } from "../base/errors.ts";
import { obstaclesIn } from "../resource/obstacles.ts";
import { findSplits } from "../resource/parting.ts";
import type { ResourceView } from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk } from "./command.ts";

// Ours. Errors of the first seconds may still vanish by themselves.
const PATIENCE_MS = 10_000;

/**
 * What is in the way of the device; nothing also where a split brain is, which
 * is told, and is not waited for.
 *
 * @param sinceNs when it was told to come; older errors mean nothing
 * @throws RefusedError for an error that stays
 */
export function deviceGaps(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  { isPlanned, sinceNs, waitedMs }: {
    readonly isPlanned: boolean;
    readonly sinceNs: bigint;
    readonly waitedMs: number;
  },
): string[] {
  if (view.own?.isDeviceOn === true) return [];
  const [split] = findSplits(view);
  if (split !== undefined && isPlanned) {
    desk.warn(
      `WARNING: split brain; the device may not come before all but one of "${
        split.hosts.join('", "')
      }" did invalidate`,
    );
    return [];
  }
  const directory = directoryOf(linkPath.actual(view.resource, view.host, ""));
  const told = obstaclesIn(snapshot, directory, view.host);
  const errors = told.filter(({ severity, stampNs }) =>
    severity === "error" && stampNs > sinceNs
  ).map(({ text }) => text);
  if (errors.length > 0 && waitedMs >= PATIENCE_MS) {
    throw new RefusedError(`No device of "${view.resource}"`, errors);
  }
  return told.length > 0
    ? told.map(({ text }) => text)
    : ["the device is not there"];
}
