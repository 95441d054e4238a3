// Pure
/**
 * The device: how large it is, and what its host alone knows of it.
 *
 * It grows with the link that says so, as soon as its disk is large enough, and
 * never shrinks. The disk of the host that leads is what others copy; what it
 * has grown by counts as copied there.
 */
import { linkPath } from "../tree/path.ts";
import {
  blocked,
  type LinkValue,
  NOTHING,
  type Plan,
  type WorkerState,
} from "./plan_types.ts";
import type { MemberState, ResourceView } from "./view.ts";

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
    `The disk has ${diskBytes} bytes, ${sizeBytes} are needed`,
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
  // Its disk is what others copy: there is nothing to be copied to it.
  const isGrown = worker.diskBytes >= base.sizeBytes &&
    (own.syncedBytes ?? 0) < base.sizeBytes;
  if (isGrown) {
    links.push({
      path: linkPath.syncStatus(view.resource, view.host),
      value: String(base.sizeBytes),
    });
  }
  return links;
}
