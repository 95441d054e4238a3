/**
 * Purge: removes tombstones that have done their work, and temporary links
 * that a crash left behind.
 *
 * A tombstone is needed until every host has seen it; otherwise a host that
 * comes back would bring the deleted link back. It may go when it is older than
 *
 *   limit = max(what all hosts have lived through, keep-backup-hours ago)
 *           - window
 *
 * where a host has lived through what is older than its `time` link. A host
 * that was away for longer than `keep-backup-hours` may resurrect links.
 *
 * Source: `link-purge-all` and `cron` of MARS; that all hosts of the cluster
 * count, and not only the members of a resource, is ours.
 */
import { MS_PER_S, NS_PER_MS, NS_PER_S, systemClock } from "../base/time.ts";
import { linkPath, PATH_DEPTH_MAX, pathIn } from "../tree/path.ts";
import { isMissing, pathOnDisk, readValue } from "../tree/scan.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Desk } from "./command.ts";

const SECONDS_PER_HOUR = 3_600n;
/** Prescribed by MARS: `--stuck-seconds`. */
const STALE_MS = 3_600 * MS_PER_S;
/** Of the original's daemon, and of every command. */
const TEMPORARY = /^\.tmp[-.]/;

export function purgeTree(desk: Desk, nowMs = systemNowMs()): void {
  purgeTombstones(desk);
  purgeTemporaries(desk, { directory: "", depth: 1 }, nowMs - STALE_MS);
}

function systemNowMs(): number {
  return Number(systemClock.realNs() / NS_PER_MS);
}

function purgeTombstones(desk: Desk): void {
  const { marsDir } = desk.settings;
  const snapshot = desk.snapshot();
  const limitNs = tombstoneLimitNs(desk, snapshot);
  for (const { path, value, stampNs } of [...snapshot.all()]) {
    if (value !== TOMBSTONE || stampNs >= limitNs) continue;
    // Somebody may have written a value since the tree was read.
    if (readValue(marsDir, path) === TOMBSTONE) desk.unlink(path);
  }
}

/** Tombstones with older stamps are not needed any more. */
function tombstoneLimitNs(desk: Desk, snapshot: Snapshot): bigint {
  const { force, keepBackupHours, windowMs } = desk.options;
  const nowNs = desk.nowNs();
  const windowNs = BigInt(Math.round(windowMs)) * NS_PER_MS;
  if (force) return nowNs - windowNs;
  const keepNs = BigInt(Math.round(keepBackupHours)) * SECONDS_PER_HOUR *
    NS_PER_S;
  let seenNs = nowNs;
  for (const host of snapshot.hosts()) {
    if (host === desk.host) continue;
    const aliveNs = snapshot.stampNs(linkPath.global(host, "time")) ?? 0n;
    if (aliveNs < seenNs) seenNs = aliveNs;
  }
  const oldestNs = nowNs - keepNs;
  return (seenNs > oldestNs ? seenNs : oldestNs) - windowNs;
}

/** A directory, and the count of names that a path in it has. */
interface Place {
  readonly directory: string;
  readonly depth: number;
}

/** Removes those that were not touched since `limitMs`. */
function purgeTemporaries(
  desk: Desk,
  { directory, depth }: Place,
  limitMs: number,
): void {
  const onDisk = pathOnDisk(desk.settings.marsDir, directory);
  for (const entry of entriesOf(onDisk)) {
    const path = pathIn(directory, entry.name);
    if (entry.isDirectory) {
      const inside = { directory: path, depth: depth + 1 };
      if (depth < PATH_DEPTH_MAX) purgeTemporaries(desk, inside, limitMs);
    } else if (TEMPORARY.test(entry.name)) {
      purgeTemporary(desk, path, limitMs);
    }
  }
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    // Purged or replaced by a tombstone since its parent was listed.
    if (isMissing(error)) return [];
    throw error;
  }
}

function purgeTemporary(desk: Desk, path: string, limitMs: number): void {
  const onDisk = pathOnDisk(desk.settings.marsDir, path);
  try {
    // Not the modification time: that is a stamp, and may be any time.
    const { ctime } = Deno.lstatSync(onDisk);
    if (ctime === null || ctime.getTime() > limitMs) return;
    if (desk.options.dryRun) desk.print(`remove ${path}`);
    else Deno.removeSync(onDisk);
  } catch (error) {
    // Renamed into place, or purged by somebody else.
    if (!isMissing(error)) throw error;
  }
}
