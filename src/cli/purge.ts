/**
 * Purge: tombstones that have done their work, and what a crash or a command
 * of the cluster left behind.
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
 *   leftover                                    goes when it is older than
 *   temporary links and files, also of units    --stuck-seconds
 *   `probe-…`: trees of other clusters          --stuck-seconds
 *   `backups-…`                                 --keep-backup-hours, 1 h
 *   `deleted-HOST` of hosts without an address  1 h
 *   directories without content of a resource
 *   that the host is not in                     --stuck-seconds
 *   `alive-HOST` and the like below the root    at once, if this host's
 *                                               `compat-alivelinks` is 0
 *
 * Source: `link-purge-all` and `cron` of MARS; that all hosts of the cluster
 * count, and not only the members of a resource, is ours.
 */
import { MS_PER_S, NS_PER_MS, NS_PER_S } from "../base/time.ts";
import { linkPath, PATH_DEPTH_MAX } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { tombstonesOf } from "../tree/tombstones.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Desk } from "./command.ts";
import { TEMPORARY } from "./files.ts";
import { allOf } from "./steps.ts";
import { generatedDirectories } from "./systemd_paths.ts";

const HOUR_S = 3_600n;
const HOUR_MS = 3_600 * MS_PER_S;

/** Everything, for the whole tree. */
export async function purgeTree(desk: Desk): Promise<void> {
  await allOf([
    () => purgeTombstones(desk, ""),
    () => purgeWorkItems(desk),
    () => buryOldAliveLinks(desk),
    () => purgeTemporaries(desk, desk.settings.marsDir, 1),
    ...generatedDirectories(desk).map((directory) => () =>
      purgeTemporaries(desk, directory, PATH_DEPTH_MAX)
    ),
    () => purgeForeignTrees(desk),
    () => purgeEmptyDirectories(desk),
  ]);
}

// ---- links ----------------------------------------------------------------

/** Removes old tombstones in `directory` and below it. */
export function purgeTombstones(desk: Desk, directory: string): void {
  const snapshot = desk.snapshot();
  const limitNs = tombstoneLimitNs(desk, snapshot);
  for (const { path, value, stampNs } of [...snapshot.under(directory)]) {
    if (value === TOMBSTONE && stampNs < limitNs) desk.unlink(path, TOMBSTONE);
  }
}

/** Tombstones with older stamps are not needed any more. */
function tombstoneLimitNs(desk: Desk, snapshot: Snapshot): bigint {
  const { force, keepBackupHours, windowMs } = desk.options;
  const nowNs = desk.nowNs();
  const windowNs = BigInt(Math.round(windowMs)) * NS_PER_MS;
  if (force) return nowNs - windowNs;
  const keepNs = BigInt(Math.round(keepBackupHours)) * HOUR_S * NS_PER_S;
  let seenNs = nowNs;
  for (const host of snapshot.hosts()) {
    if (host === desk.host) continue;
    const aliveNs = snapshot.stampNs(linkPath.global(host, "time")) ?? 0n;
    if (aliveNs < seenNs) seenNs = aliveNs;
  }
  const oldestNs = nowNs - keepNs;
  return (seenNs > oldestNs ? seenNs : oldestNs) - windowNs;
}

/** Of the deletion method before tombstones: `todo-…/deleted-HOST`. */
const WORK_ITEM = /^(?:todo-global|resource-[^/]+\/todo-[^/]+)\/deleted-(.+)$/;

function purgeWorkItems(desk: Desk): void {
  const snapshot = desk.snapshot();
  const limitNs = desk.nowNs() - HOUR_S * NS_PER_S;
  for (const { path, value, stampNs } of [...snapshot.all()]) {
    const host = WORK_ITEM.exec(path)?.[1];
    const isUnknown = host !== undefined &&
      snapshot.value(linkPath.ip(host)) === undefined;
    // Tombstones among them wait until everybody has seen them.
    if (!isUnknown || value === TOMBSTONE || stampNs >= limitNs) continue;
    desk.unlink(path, value);
  }
}

/** Prescribed by MARS: what is in `actual-HOST` now, was below the root. */
const OLD_ALIVE =
  /^(?:tree|alive|time|emergency|rest-space|buildtag|features)-/;

function buryOldAliveLinks(desk: Desk): void {
  const snapshot = desk.snapshot();
  const compat = linkPath.global(desk.host, "compat-alivelinks");
  if (snapshot.value(compat) !== "0") return;
  const links = [...snapshot.children("")]
    .filter(({ path }) => OLD_ALIVE.test(path));
  desk.write(tombstonesOf(links));
}

// ---- files ----------------------------------------------------------------

function isOlderThan(desk: Desk, path: string, ageMs: number): boolean {
  const changedMs = desk.files.changedAtMs(path);
  const nowMs = Number(desk.clock.realNs() / NS_PER_MS);
  // Gone, or just renamed into place: nothing to remove.
  return changedMs !== undefined && changedMs + ageMs < nowMs;
}

/** @param depth count of names that a path in `directory` has */
function purgeTemporaries(desk: Desk, directory: string, depth: number): void {
  for (const { name, kind } of desk.files.list(directory)) {
    const path = `${directory}/${name}`;
    if (kind === "directory") {
      if (depth < PATH_DEPTH_MAX) purgeTemporaries(desk, path, depth + 1);
    } else if (
      TEMPORARY.test(name) && isOlderThan(desk, path, desk.options.stuckMs)
    ) {
      desk.remove(path);
    }
  }
}

/** Trees inside the tree, which no host reads as its own. */
function purgeForeignTrees(desk: Desk): void {
  const { keepBackupHours, stuckMs } = desk.options;
  const { marsDir } = desk.settings;
  const nowMs = Number(desk.clock.realNs() / NS_PER_MS);
  const keepMs = Math.max(1, keepBackupHours) * HOUR_MS;
  for (const { name, kind } of desk.files.list(marsDir)) {
    if (kind !== "directory") continue;
    const path = `${marsDir}/${name}`;
    const madeS = /^backups-(\d{1,11})(?:\.\d+)?$/.exec(name)?.[1];
    const isOld = madeS !== undefined
      ? Number(madeS) * MS_PER_S + keepMs < nowMs
      : name.startsWith("probe-") && isOlderThan(desk, path, stuckMs);
    if (isOld) desk.removeAll(path);
  }
}

const HOST_DIRECTORY = /^(?:todo|actual|defaults|local)-(.+)$/;

/** Directories of hosts that left, and of resources that are no more. */
function purgeEmptyDirectories(desk: Desk): void {
  const { marsDir } = desk.settings;
  const snapshot = desk.snapshot();
  const prefix = linkPath.resource("");
  for (const top of desk.files.list(marsDir)) {
    if (top.kind !== "directory" || !top.name.startsWith(prefix)) continue;
    const resource = top.name.slice(prefix.length);
    const directory = `${marsDir}/${top.name}`;
    const isAlive = snapshot.value(linkPath.size(resource)) !== undefined;
    for (const inner of desk.files.list(directory)) {
      const host = HOST_DIRECTORY.exec(inner.name)?.[1];
      const isOfMember = host !== undefined &&
        snapshot.value(linkPath.device(resource, host)) !== undefined;
      if (inner.kind !== "directory" || isOfMember) continue;
      if (host === undefined && isAlive) continue;
      removeIfEmpty(desk, `${directory}/${inner.name}`);
    }
    if (!isAlive) removeIfEmpty(desk, directory);
  }
}

/** An old one: a command may just be about to put something in. */
function removeIfEmpty(desk: Desk, directory: string): void {
  const isEmpty = desk.files.list(directory).length === 0;
  if (isEmpty && isOlderThan(desk, directory, desk.options.stuckMs)) {
    desk.remove(directory);
  }
}
