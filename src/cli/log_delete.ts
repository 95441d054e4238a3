/**
 * log-delete: deletes logs that everybody has replayed, and version links that
 * nobody needs.
 *
 * The tombstone of a log takes the place of its file here, and travels: each
 * host deletes its own copy when it arrives. Version links are left to the
 * hosts they speak of, except for hosts that are no members any more.
 *
 * A log that was written lately is not deleted, nor is any after it: links of
 * who needs it may be on their way. See `retention.ts` for who that is.
 */
import type { LogFile } from "../log/files.ts";
import { oldOnes } from "../resource/retention.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { isRecentFile, isRecentLink, logStanding } from "./claims.ts";
import type { Desk } from "./command.ts";

/** Deletes at most `count` logs, lowest number first, and says which. */
export async function deleteOldLogs(
  desk: Desk,
  resource: string,
  count: number,
): Promise<LogFile[]> {
  const { snapshot, view, claims, files } = await logStanding(desk, resource);
  const old = oldOnes(view, claims, files.map(({ log }) => log));
  const oldLogs = new Set(old.logs);
  const deleted: LogFile[] = [];
  for (const file of files.filter(({ log }) => oldLogs.has(log))) {
    const isYoung = !desk.options.force && isRecentFile(desk, resource, file);
    if (isYoung || deleted.length >= count) break;
    deleted.push(file);
  }
  const first = files.find((file) => !deleted.includes(file));
  const versions = old.versions.filter(({ sequence, host }) =>
    sequence < (first?.log.sequence ?? 0) - 1 &&
    isOurs(view, host) &&
    (desk.options.force || !isRecentVersion(desk, snapshot, view, sequence))
  );
  bury(desk, resource, { logs: deleted.map(({ log }) => log), versions });
  return deleted;
}

/** Puts tombstones in the place of logs and version links. */
export function bury(
  desk: Desk,
  resource: string,
  { logs, versions }: ReturnType<typeof oldOnes>,
): void {
  const links: LinkWrite[] = [
    ...logs.map(({ sequence, host }) => linkPath.log(resource, sequence, host)),
    ...versions.map(({ sequence, host }) =>
      linkPath.version(resource, sequence, host)
    ),
  ].map((path) => ({ path, value: TOMBSTONE }));
  if (links.length === 0) return;
  // After power loss no position may come back that needs a deleted log (I7).
  desk.flushTree();
  desk.write(links);
}

/** Whether this host speaks for the version links of `host`. */
function isOurs(view: ResourceView, host: string): boolean {
  return host === view.host ||
    !view.members.some((member) => member.host === host);
}

/** Whether anybody's version link of `sequence` changed lately. */
function isRecentVersion(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  sequence: number,
): boolean {
  return [...view.versions.get(sequence)?.keys() ?? []].some((host) =>
    isRecentLink(
      desk,
      snapshot,
      linkPath.version(view.resource, sequence, host),
    )
  );
}
