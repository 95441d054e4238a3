// Pure
/**
 * Retention: which logs and version links nobody needs any more.
 *
 * A log may go when every member has replayed past it (I7): its number is
 * below the lowest one that any replay link names, and it is not the last one
 * that exists. Version links stay one number longer, because the digest of a
 * log covers the link before it.
 *
 * The replay links must have been read before the list of files; then a race
 * can only keep too much.
 *
 * Source: rules of `log-delete` of MARS.
 */
import type { LogName } from "../base/names.ts";
import type { ResourceView } from "./view.ts";

export interface Deletable {
  readonly logs: readonly LogName[];
  /** Sequence and host of version links. */
  readonly versions: readonly LogName[];
}

/** What may be deleted, lowest number first. */
export function deletable(
  view: ResourceView,
  existing: readonly LogName[],
): Deletable {
  const limit = limitOf(view, existing);
  const versions: LogName[] = [];
  for (const [sequence, links] of view.versions) {
    if (sequence >= limit - 1) continue;
    for (const host of links.keys()) versions.push({ sequence, host });
  }
  return {
    logs: deletableLogs(view, existing),
    versions: versions.sort(ascending),
  };
}

/** The logs among it, without a look at all those version links. */
export function deletableLogs(
  view: ResourceView,
  existing: readonly LogName[],
): LogName[] {
  const limit = limitOf(view, existing);
  return existing.filter((log) => log.sequence < limit).sort(ascending);
}

/** The lowest log that must stay; 0 if all must. */
function limitOf(view: ResourceView, existing: readonly LogName[]): number {
  const replayed = view.members.map((member) => member.replay?.log.sequence);
  // A member without a position may need anything.
  if (replayed.length === 0 || replayed.includes(undefined)) return 0;
  const highest = Math.max(0, ...existing.map((log) => log.sequence));
  return Math.min(highest, ...replayed.map((sequence) => sequence ?? 0));
}

function ascending(left: LogName, right: LogName): number {
  return left.sequence - right.sequence;
}

/** Above this many own logs, small ones are not rotated any more. */
export const ROTATE_LOGS_MAX = 10;
export const ROTATE_BYTES_MIN = 5_000_000_000;

export type Rotation =
  | { readonly kind: "rotate"; readonly log: LogName }
  | { readonly kind: "skip"; readonly reason: string };

/** The empty log that makes the primary of `view` go on in a new file. */
export function nextRotation(
  view: ResourceView,
  logs: readonly { readonly log: LogName; readonly bytes: number }[],
  limits: { readonly logsMax: number; readonly bytesMin: number },
): Rotation {
  const skip = (reason: string): Rotation => ({ kind: "skip", reason });
  const own = logs.filter((file) => file.log.host === view.host)
    .sort((left, right) => left.log.sequence - right.log.sequence);
  const newest = own.at(-1);
  if (view.own?.isPrimary !== true) return skip("not primary here");
  if (newest === undefined) return skip("there is no own log");
  if (newest.bytes === 0) return skip(`log ${newest.log.sequence} is empty`);
  if (own.length >= limits.logsMax && newest.bytes < limits.bytesMin) {
    return skip(`there are ${own.length} logs and the newest is small`);
  }
  const sequence = newest.log.sequence + 1;
  return { kind: "rotate", log: { sequence, host: view.host } };
}
