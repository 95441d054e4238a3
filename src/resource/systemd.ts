// Pure
/**
 * What systemd shall do with the units on top of a resource.
 *
 *   systemd-start-unit   started on the host that is wanted, once the device is
 *                        there
 *   systemd-stop-unit    stopped everywhere else
 *   systemd-want         the host, or nobody; without it nothing is done
 *
 * systemd looks when a file is touched: `systemd-trigger` of the resource, and
 * `userspace/systemd-trigger` for whoever watches everything.
 *
 * Source: systemd interface of MARS.
 */
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { NOBODY, parseSwitch } from "../tree/values.ts";

/** Links of one resource that concern systemd, as one host sees them. */
export interface UnitWish {
  readonly resource: string;
  readonly startUnit: string;
  readonly stopUnit: string;
  /** Host where units shall run; undefined: nowhere, or nobody said so. */
  readonly wanted: string | undefined;
  readonly action: "start" | "stop" | "none";
}

const TRIGGER = "systemd-trigger";
export const GLOBAL_TRIGGER = `userspace/${TRIGGER}`;

/** Undefined unless units are configured and `host` takes part. */
export function unitWish(
  snapshot: Snapshot,
  resource: string,
  host: string,
): UnitWish | undefined {
  const startUnit = snapshot.value(linkPath.systemdUnit(resource, "start"));
  const stopUnit = snapshot.value(linkPath.systemdUnit(resource, "stop")) ??
    startUnit;
  const takesPart =
    snapshot.value(linkPath.device(resource, host)) !== undefined;
  if (stopUnit === undefined || !takesPart) return undefined;
  const want = snapshot.value(linkPath.systemdWant(resource));
  const isDeviceOn = parseSwitch(
    snapshot.value(linkPath.actual(resource, host, "if-on")) ?? "",
  );
  return {
    resource,
    startUnit: startUnit ?? stopUnit,
    stopUnit,
    wanted: want === NOBODY ? undefined : want,
    action: want === undefined
      ? "none"
      : want !== host
      ? "stop"
      : isDeviceOn === true
      ? "start"
      : "none",
  };
}

/**
 * Files that tell systemd to look, because links have changed; relative to the
 * tree.
 *
 * @param host the local one: when its device comes or goes, units may, too
 */
export function triggerFiles(
  changed: Iterable<string>,
  snapshot: Snapshot,
  host: string,
): string[] {
  const files = new Set<string>();
  for (const path of changed) {
    if (GLOBAL.test(path)) files.add(GLOBAL_TRIGGER);
    const [, resource, name] = OF_RESOURCE.exec(path) ?? [];
    if (resource === undefined || name === undefined) continue;
    const isOurs = name.startsWith("systemd-") || name.startsWith("primary") ||
      name === `actual-${host}/if-on`;
    const hasUnits = name.startsWith("systemd-") ||
      unitWish(snapshot, resource, host) !== undefined;
    if (!isOurs || !hasUnits) continue;
    files.add(`${linkPath.resource(resource)}/${TRIGGER}`);
    files.add(GLOBAL_TRIGGER);
  }
  return [...files];
}

const GLOBAL = /^(?:todo-global|userspace)\/(?:primary|systemd-)/;
const OF_RESOURCE =
  /^resource-([^/]+)\/((?:primary|systemd-)[^/]*|actual-[^/]+\/if-on)$/;
