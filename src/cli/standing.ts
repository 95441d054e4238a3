/**
 * Standing: what must hold of a resource before a command works on it.
 *
 *   member   this host has a disk for it, or is a guest; the disk is not
 *            smaller than the device; it has not begun to leave. --force warns
 *            instead
 *   known    it exists
 *
 * A split brain is told in any case where a command acts: whoever acts on one
 * side must know that there are two.
 *
 * Source: checks that `marsadm` makes once per command and resource.
 */
import { RefusedError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import { takesPart } from "../resource/left_links.ts";
import { findSplits } from "../resource/parting.ts";
import { lasting, passing, type Reason } from "../resource/reasons.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Command, Desk, Standing } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

/** @throws RefusedError unless the command may work on `resource` */
export function checkStanding(
  command: Command,
  desk: Desk,
  resource: string,
): void {
  const standing = standingOf(command);
  if (standing === "none" || resource === "") return;
  const snapshot = desk.look();
  const view = resourceView(snapshot, resource, desk.host);
  if (standing === "member") {
    const obstacles = hasLogsToLeave(desk, command, view)
      ? []
      : memberObstacles(snapshot, view, command.name);
    if (obstacles.length > 0 && !desk.options.force) {
      throw new RefusedError(
        `Cannot run "${command.name}" on "${resource}"`,
        obstacles,
      );
    }
    for (const obstacle of obstacles) {
      desk.warn(`WARNING: "${resource}": ${obstacle}`);
    }
  }
  for (const { hosts, ancestor } of findSplits(view)) {
    const after = ancestor === undefined
      ? "(unknown)"
      : `${logFileName(ancestor.log)},${ancestor.bytes}`;
    desk.warn(
      `WARNING: SPLIT BRAIN of resource '${resource}' after logfile '${after}' between "${
        hosts.join('" and "')
      }"`,
    );
  }
}

function standingOf(command: Command): Standing {
  const isMany = command.subject === "resources" ||
    command.subject === "resources-or-all";
  if (command.isReading === true) return "none";
  return command.standing ?? (isMany ? "member" : "none");
}

function memberObstacles(
  snapshot: Snapshot,
  view: ResourceView,
  command: string,
): string[] {
  const { resource, host, own, members, sizeBytes } = view;
  if (own !== undefined) {
    if (hasBegunToLeave(view) && command !== LEAVE) {
      return [
        `"${host}" has begun to leave and not ended; type ${LEAVE} ${resource}`,
      ];
    }
    const { diskBytes } = own;
    const isSmall = diskBytes !== undefined && sizeBytes !== undefined &&
      diskBytes < sizeBytes;
    return isSmall
      ? [`its disk has ${diskBytes} bytes, the device needs ${sizeBytes}`]
      : [];
  }
  if (isGuest(snapshot, resource, host)) return [];
  const hasPosition = snapshot.value(linkPath.replay(resource, host)) !==
    undefined;
  const names = members.map((member) => `"${member.host}"`).join(", ");
  return [
    hasPosition
      ? `"${host}" is no member, but has a position left; type leave-resource ${resource} --force`
      : `"${host}" is no member; type it on one: ${names}`,
  ];
}

const LEAVE = "leave-resource";

/** Whether this host has a disk for it, but does nothing for it any more. */
export function hasBegunToLeave({ own }: ResourceView): boolean {
  return own !== undefined && own.device === undefined;
}

/**
 * Whether all that is left of a resource here are logs: this host was made to
 * leave while it was away.
 */
function hasLogsToLeave(
  desk: Desk,
  command: Command,
  { resource, host }: ResourceView,
): boolean {
  const snapshot = desk.snapshot();
  return command.name === LEAVE && !isActingForAnother(desk, snapshot) &&
    !takesPart(snapshot, resource, host) &&
    desk.logs.look(resource).length > 0;
}

/** Whether `host` has the device without a disk. */
function isGuest(
  snapshot: Snapshot,
  resource: string,
  host: string,
): boolean {
  return snapshot.value(linkPath.device(resource, host)) !== undefined &&
    snapshot.value(linkPath.data(resource, host)) === undefined;
}

/** Why the host of `view` must not give up its copy. */
export function roleReasons(view: ResourceView): Reason[] {
  const { own, host, resource, designated } = view;
  const advice =
    `type primary ${resource} on another host, or secondary ${resource}`;
  if (designated === host) {
    return [lasting(`"${host}" is designated primary; ${advice}`)];
  }
  return own?.isPrimary === true
    ? [passing(`"${host}" is still primary, until nobody has the device open`)]
    : [];
}

/**
 * Why what this host says about itself may be older than the last change of
 * roles. A daemon that has restated its role since then has seen it; it
 * restates it every ten seconds.
 *
 * Source: the check of `marsadm` that roles were stable for half a window,
 * which need not be waited for where the order of stamps tells.
 */
export function stabilityObstacles(
  desk: Desk,
  snapshot: Snapshot,
  { resource, host }: ResourceView,
): string[] {
  if (!desk.isDaemonRunning()) return [];
  const toldNs = snapshot.stampNs(
    linkPath.actual(resource, host, "is-primary"),
  );
  const changedNs = snapshot.stampNs(linkPath.primary(resource)) ?? 0n;
  if (toldNs === undefined || toldNs > changedNs) return [];
  return [`"${host}" has not told its role since it was changed`];
}
