// Pure
/**
 * Status: what is true of a host, though no single link says so.
 *
 * The words for it (`UpToDate`, `OutDated[FR]`, …) are macros of `mars view`:
 * see `cli/macros/texts_states.ts`.
 *
 * Source: primitive macros of `marsadm view`.
 */
import { holeBehind } from "./history.ts";
import type { LocalLog } from "./plan_types.ts";
import {
  isConsistent,
  type MemberState,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** Whether replay could not even begin: its log is not here. */
export function isOrphan(
  own: MemberState,
  logs: readonly LocalLog[],
): boolean {
  const { replay } = own;
  if (own.isPrimary || replay === undefined) return false;
  const file = logs.find(({ log }) => sameLog(log, replay.log));
  return file === undefined || file.bytes < replay.startBytes;
}

/** Consistent, and for a primary also written back. */
export function isClean(view: ResourceView, own: MemberState): boolean {
  const isWriting = view.designated === own.host && own.isPrimary &&
    (own.replay?.dirtyBytes ?? 0) > 0;
  return isConsistent(view, own) && !isWriting;
}

/** Whether a hole of the emergency mode lies between here and the newest log. */
export function isCutOff(view: ResourceView, own: MemberState): boolean {
  const { replay } = own;
  return replay !== undefined &&
    holeBehind(view, replay.log.sequence, view.designated) !== undefined;
}

/** Numbers of which there are logs of several hosts; ascending. */
export function doubledSequences(logs: readonly LocalLog[]): number[] {
  const authors = new Map<number, string>();
  const doubled = new Set<number>();
  for (const { log } of logs) {
    const author = authors.get(log.sequence);
    if (author !== undefined && author !== log.host) doubled.add(log.sequence);
    authors.set(log.sequence, log.host);
  }
  return [...doubled].sort((left, right) => left - right);
}
