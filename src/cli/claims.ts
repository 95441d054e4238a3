/** Claims on logs as commands see them, and files that are too young. */
import { NS_PER_MS } from "../base/time.ts";
import type { LogFile } from "../log/files.ts";
import {
  type Claim,
  claimsOf,
  unreadableClaims,
} from "../resource/retention.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk } from "./command.ts";

/** Prescribed by MARS: windows after which something is not recent. */
const WINDOWS = 2;

/** What decides which logs of a resource may go. */
export interface LogStanding {
  readonly snapshot: Snapshot;
  readonly view: ResourceView;
  readonly claims: readonly Claim[];
  readonly files: readonly LogFile[];
}

/**
 * Looks at links and files, and warns of positions that cannot be read. Links
 * come before files: a race can only keep too much.
 */
export async function logStanding(
  desk: Desk,
  resource: string,
): Promise<LogStanding> {
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, desk.host);
  const claims = claimsAt(desk, snapshot, view);
  const files = await desk.logs.list(resource);
  if (files.length > 1) {
    warnOfUnreadable(desk, snapshot, resource, unreadableClaims(claims));
  }
  return { snapshot, view, claims, files };
}

/** Hosts that may still replay logs, and where they are. */
export function claimsAt(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): Claim[] {
  const { ignoreDeletedPeers } = desk.options;
  return claimsOf(snapshot, view, {
    ignoreDeletedPeers,
    isRecent: (host) =>
      desk.isRecent(snapshot, host) ||
      isRecentLink(desk, snapshot, linkPath.replay(view.resource, host)),
  });
}

/** Whether a link was written, or deleted, lately. */
export function isRecentLink(
  desk: Desk,
  snapshot: Snapshot,
  path: string,
): boolean {
  return desk.isRecentStamp(snapshot.stampNs(path), WINDOWS);
}

/** Whether a log was written lately. */
export function isRecentFile(
  desk: Desk,
  resource: string,
  file: LogFile,
): boolean {
  const changedMs = desk.logs.changedAtMs(resource, file.log);
  const nowMs = Number(desk.clock.realNs() / NS_PER_MS);
  // A time in the future is recent, too.
  return changedMs !== undefined &&
    changedMs + WINDOWS * desk.options.windowMs >= nowMs;
}

/**
 * Says whose position cannot be read, so that nothing can go, unless it has
 * only just been written.
 */
function warnOfUnreadable(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
  hosts: readonly string[],
): void {
  for (const host of hosts) {
    if (isRecentLink(desk, snapshot, linkPath.replay(resource, host))) continue;
    desk.warn(
      `WARNING: "${resource}": no log can be deleted, because the position of "${host}" is missing or garbage; let it join again or leave`,
    );
  }
}
