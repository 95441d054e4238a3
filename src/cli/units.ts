/**
 * Links that tell systemd where the users of a device shall run.
 *
 *   systemd-want                            host, or (none)
 *   systemd-start-unit, systemd-stop-unit   what is started there, stopped
 *                                           elsewhere
 *   userspace/systemd-status-start-<host>   exit status of the last start …
 *   userspace/systemd-status-stop-<host>    … and stop there
 *
 * Source: systemd integration of `marsadm`.
 */
import type { Desk } from "./command.ts";
import { systemdObstacle } from "./systemd_enable.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";

/**
 * Whether units follow the primary role of `resource`, and this command may
 * make them; see `systemd_enable.ts`.
 */
export async function mayMoveUnits(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): Promise<boolean> {
  const hasUnits =
    snapshot.value(linkPath.systemdWant(resource)) !== undefined &&
    snapshot.value(linkPath.systemdUnit(resource, "start")) !== undefined;
  return hasUnits && await systemdObstacle(desk) === undefined;
}

export function wantLink(resource: string, host: string): LinkWrite {
  return { path: linkPath.systemdWant(resource), value: host };
}

/** Path of the status of the last start or stop on `host`. */
export function unitStatus(
  resource: string,
  word: "start" | "stop",
  host: string,
): string {
  return linkPath.userspace(resource, `systemd-status-${word}-${host}`);
}
