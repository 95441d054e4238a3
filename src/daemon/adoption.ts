/**
 * Adoption: what a tree must be like before the daemon works on it.
 *
 *   root     a directory; the usual one is a file system of its own, which may
 *            come some seconds late, and belongs to root alone: that is mended
 *   version  what any host says of its tree must not be above ours, and what
 *            this host has said must be ours
 *   space    more than the reserves
 *
 * Everything else that an older daemon, a crash or a stranger has left is taken
 * as it is: names with a leading dot are nobody's, what cannot be read counts as
 * missing, what is in the way of a link is told when the link is written, logs
 * are recovered, and messages end unless they are raised again.
 */
import { MarsError } from "../base/errors.ts";
import { MARS_DIR, type Settings } from "../base/settings.ts";
import { MS_PER_S, sleep } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { codeOf } from "../tree/scan.ts";
import { TREE_VERSION } from "./alive.ts";
import { hasRoomForReserves, type Reserves, type Space } from "./space.ts";

// Prescribed by MARS.
const MOUNT_WAITS_S = [1, 2, 3] as const;
const ROOT_MODE = 0o700;
const MODE_MASK = 0o777;
const VERSION = /^\d{1,9}(\.\d{1,9})*$/;

/** @throws MarsError if there is no tree to work on */
export async function prepareRoot(settings: Settings): Promise<void> {
  const { marsDir } = settings;
  const isUsual = marsDir === MARS_DIR;
  for (const seconds of isUsual ? MOUNT_WAITS_S : []) {
    if (isMounted(marsDir)) break;
    trace.info("daemon", "Waiting for the tree to be mounted", { marsDir });
    await sleep(seconds * MS_PER_S);
  }
  if (statusOf(marsDir)?.isDirectory !== true) {
    throw new MarsError(
      `Cannot start: "${marsDir}" is no directory; make it, or name another with --mars-dir`,
    );
  }
  if (!isUsual) return;
  if (!isMounted(marsDir)) {
    throw new MarsError(
      `Cannot start: "${marsDir}" is not a mount point; logs must not fill the root file system`,
    );
  }
  try {
    mendOwner(marsDir);
  } catch (error) {
    // Read-only: that is told when links are to be written.
    if (codeOf(error) !== "EROFS") throw error;
  }
}

function isMounted(path: string): boolean {
  const status = statusOf(path);
  return status !== undefined && status.dev !== statusOf("/")?.dev;
}

function statusOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function mendOwner(path: string): void {
  const { uid, mode } = Deno.statSync(path);
  if (uid !== 0) {
    try {
      Deno.chownSync(path, 0, 0);
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      throw new MarsError(
        `Cannot start: "${path}" belongs to user ${uid} and must be root's; run this as root, or give another --mars-dir`,
        { cause: error },
      );
    }
    trace.warn("daemon", "Tree given back to root", { path, uid });
  }
  if (((mode ?? ROOT_MODE) & MODE_MASK) !== ROOT_MODE) {
    trace.warn("daemon", "Tree closed to others than root", { path });
    Deno.chmodSync(path, ROOT_MODE);
  }
}

/** @throws MarsError if this program must not work on these links */
export function checkTree(snapshot: Snapshot, host: string): void {
  for (const link of snapshot.all()) {
    const owner = /^actual-([^/]+)\/tree$/.exec(link.path)?.[1];
    const version = snapshot.value(link.path);
    if (owner === undefined || version === undefined) continue;
    if (!VERSION.test(version)) {
      trace.warn("daemon", "Version of a tree ignored", { owner, version });
      continue;
    }
    const order = compareVersions(version, TREE_VERSION);
    const isGood = owner === host ? order === 0 : order <= 0;
    if (isGood) continue;
    throw new MarsError(
      `Cannot start: "${owner}" has a tree of version "${version}", this program knows ${TREE_VERSION}; install the newer one, or remove "${link.path}" if it is not true`,
    );
  }
}

/** @throws MarsError if logging would end at once */
export function checkSpace(
  marsDir: string,
  space: Space,
  reserves: Reserves,
): void {
  if (hasRoomForReserves(space, reserves)) return;
  throw new MarsError(
    `Cannot start: no space, "${marsDir}" has ${space.totalBytes} bytes, and ${
      reserves.join(" + ")
    } are kept in reserve; make it larger, or the reserves smaller with set-global-required-free-space or --reserve`,
  );
}

function compareVersions(left: string, right: string): number {
  const parts = (text: string): number[] => text.split(".").map(Number);
  const [ours, theirs] = [parts(left), parts(right)];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const order = (ours[index] ?? 0) - (theirs[index] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}
