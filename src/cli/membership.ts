/** What makes a host a member: a disk, a name of the device, and its links. */
import { isAbsolute } from "@std/path";
import { MarsError, UsageError } from "../base/errors.ts";
import { MARS_DIR } from "../base/settings.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { checkName, parseSize, SIZE_ALIGNMENT_BYTES } from "./arguments.ts";
import type { Desk } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";
import { SWITCH_LINKS } from "../resource/switch_stamps.ts";

/** Words of create-resource and join-resource. */
export interface MemberWords {
  readonly resource: string;
  readonly disk: string;
  /** Name of the device. */
  readonly device: string;
  /** A size, or a disk whose size is meant. */
  readonly size: string | undefined;
}

/** @throws UsageError */
export function memberWords(
  resource: string,
  [disk = "", device = resource, size]: readonly string[],
): MemberWords {
  checkName(resource, "resource");
  checkName(device, "device");
  if (!isAbsolute(disk)) {
    throw new UsageError(
      `Cannot use disk "${disk}": expected the absolute path of a block device or file`,
    );
  }
  return { resource, disk, device, size };
}

/** A disk as it is found. */
export interface DiskFacts {
  /** Whole pages. */
  readonly bytes: number;
  readonly obstacles: readonly string[];
}

/** Looks at a disk, and whether this host may have it for itself. */
export function lookAtDisk(
  desk: Desk,
  { resource, disk }: MemberWords,
  snapshot: Snapshot,
): DiskFacts {
  const obstacles: string[] = [];
  for (const other of snapshot.resources()) {
    const used = snapshot.value(linkPath.data(other, desk.host));
    if (other !== resource && used === disk) {
      obstacles.push(`"${other}" uses disk "${disk}"`);
    }
  }
  try {
    return { bytes: wholePages(desk.diskBytes(disk)), obstacles };
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
    obstacles.push(error.message.replace(/^Cannot/, "cannot"));
  }
  // A disk that somebody has open has a size nevertheless.
  const bytes = desk.options.force ? desk.diskBytes(disk, "read") : 0;
  return { bytes: wholePages(bytes), obstacles };
}

/** The size that was typed; undefined if none was. @throws MarsError */
export function wantedBytes(
  desk: Desk,
  size: string | undefined,
): number | undefined {
  if (size === undefined) return undefined;
  return isAbsolute(size)
    ? wholePages(desk.diskBytes(size, "read"))
    : parseSize(size);
}

function wholePages(bytes: number): number {
  return Math.floor(bytes / SIZE_ALIGNMENT_BYTES) * SIZE_ALIGNMENT_BYTES;
}

/** Why the device cannot have its name here. */
export function deviceObstacles(
  desk: Desk,
  { resource, device }: MemberWords,
  snapshot: Snapshot,
): string[] {
  return snapshot.resources().filter((other) =>
    other !== resource &&
    snapshot.value(linkPath.device(other, desk.host)) === device &&
    snapshot.value(linkPath.data(other, desk.host)) !== undefined
  ).map((other) => `"${other}" uses device name "${device}" here`);
}

/** Warns if other hosts call the device otherwise. */
export function warnOfOtherNames(
  desk: Desk,
  { resource, device }: MemberWords,
  snapshot: Snapshot,
): void {
  for (const host of snapshot.members(resource)) {
    const other = snapshot.value(linkPath.device(resource, host));
    if (host === desk.host || other === undefined || other === device) continue;
    desk.warn(
      `WARNING: the device is called "${other}" on "${host}", here "${device}"`,
    );
  }
}

/** Why nobody can become a member here. */
export function placeObstacles(desk: Desk, snapshot: Snapshot): string[] {
  const obstacles: string[] = [];
  const { settings, effects } = desk;
  const isMounted = effects.machine.root() === "mount point";
  if (settings.marsDir === MARS_DIR && !isMounted) {
    obstacles.push(`no file system is mounted at "${MARS_DIR}"`);
  }
  if (isActingForAnother(desk, snapshot)) {
    obstacles.push(
      `the disk must be looked at on "${desk.host}"; type it there`,
    );
  }
  return obstacles;
}

/** What makes this host a member; of its switches all but attach are on. */
export function memberLinks(
  desk: Desk,
  { resource, disk, device }: MemberWords,
): LinkWrite[] {
  const { host } = desk;
  return [
    { path: linkPath.data(resource, host), value: disk },
    { path: linkPath.device(resource, host), value: device },
    { path: linkPath.actual(resource, host, "if-on"), value: "0" },
    { path: linkPath.actual(resource, host, "is-attached"), value: "0" },
    ...SWITCH_LINKS.map((link) => ({
      path: linkPath.todo(resource, host, link),
      value: link === "attach" ? "0" : "1",
    })),
  ];
}

/** Last, so that the daemon sees a complete member. */
export function attachLink(desk: Desk, resource: string): LinkWrite {
  return { path: linkPath.todo(resource, desk.host, "attach"), value: "1" };
}

/** Directories that a member has, also those that stay empty. */
export function makeDirectories(desk: Desk, resource: string): void {
  const own = ["defaults", "local", "actual", "todo"];
  const names = [
    "userspace",
    "defaults",
    ...own.map((name) => `${name}-${desk.host}`),
  ];
  for (const name of names) {
    desk.makeDirectory(`${linkPath.resource(resource)}/${name}`);
  }
}
