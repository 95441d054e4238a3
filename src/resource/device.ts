// Pure
/**
 * The device: how large it is, and what its host alone knows of it.
 *
 * It grows with the link that says so, as soon as its disk is large enough, and
 * never shrinks. The disk of the host that leads is what others copy; what it
 * has grown by counts as copied there, also if the machine stopped before that
 * was said: nobody could be primary any more.
 */
import { linkPath } from "../tree/path.ts";
import {
  blocked,
  type LinkValue,
  NOTHING,
  type Plan,
  type WorkerState,
} from "./plan_types.ts";
import { isConsistent, type MemberState, type ResourceView } from "./view.ts";

/** An idle plan with the size of the device, and what is wrong with it. */
export function sized(
  view: ResourceView,
  own: MemberState,
  worker: WorkerState | undefined,
): Plan {
  const wantedBytes = view.sizeBytes ?? 0;
  // A device never shrinks: what lay behind the end would be lost. While there
  // is one it counts alone: who resizes writes what is copied before the size.
  const deviceBytes = worker?.role === "log" ? worker.deviceBytes : 0;
  const oldBytes = deviceBytes > 0 ? deviceBytes : own.syncedBytes ?? 0;
  const sizeBytes = Math.max(wantedBytes, oldBytes);
  const base: Plan = { ...NOTHING, role: "idle", sizeBytes, level: view.level };
  if (wantedBytes > 0 && wantedBytes < sizeBytes) {
    return blocked(
      base,
      "err-size-smaller",
      `The device has ${sizeBytes} bytes and cannot shrink to ${wantedBytes}`,
    );
  }
  const diskBytes = worker?.diskBytes ?? 0;
  return diskBytes === 0 || diskBytes >= sizeBytes ? base : blocked(
    base,
    "err-disk-smaller",
    `The disk has ${diskBytes} bytes, ${sizeBytes} are needed: make it larger`,
  );
}

/** What only the host that leads knows: how far numbers and the disk go. */
export function leaderLinks(
  view: ResourceView,
  own: MemberState,
  base: Plan,
  worker: WorkerState,
): LinkValue[] {
  const links: LinkValue[] = [];
  if ((view.highestLog ?? 0) < worker.logSequence) {
    links.push({
      path: linkPath.maxnr(view.resource),
      value: String(worker.logSequence),
    });
  }
  return [...links, ...growthLinks(view, own, base, worker)];
}

/** Its disk is what others copy: there is nothing to be copied to it. */
export function growthLinks(
  view: ResourceView,
  own: MemberState,
  base: Plan,
  worker: WorkerState | undefined,
): LinkValue[] {
  const isGrown = (worker?.diskBytes ?? 0) >= base.sizeBytes &&
    (own.syncedBytes ?? 0) < base.sizeBytes;
  if (!isGrown) return [];
  const path = linkPath.syncStatus(view.resource, view.host);
  return [{ path, value: String(base.sizeBytes) }];
}

/**
 * Whether the disk of this host lacks nothing but what the device has grown by
 * while it led: who copies has noted from whom, and is in another's log.
 */
export function hasLedBeforeGrowth(
  view: ResourceView,
  own: MemberState,
): boolean {
  const isOwnLog = own.replay?.log.host === view.host;
  const complete = { ...own, syncedBytes: view.sizeBytes };
  return view.designated === view.host && isOwnLog &&
    own.syncFrom === undefined && (own.syncedBytes ?? 0) > 0 &&
    isConsistent(view, complete);
}
