/**
 * resize: lets the device of a primary grow, while it is in use.
 *
 *   1  check: the disks of all members must be large enough
 *   2  say, durably, that the primary has all of the new size, then the new
 *      size; wait until the daemon offers it to clients
 *
 * The secondaries then copy what is new. If the daemon does not offer the new
 * size in time, the old one is put back.
 *
 * Source: `marsadm resize`, which asks the kernel for the size that is offered.
 */
import { DEVICE_STEP, deviceTroubleKey } from "../base/device_trouble.ts";
import { RefusedError } from "../base/errors.ts";
import { obstaclesIn } from "../resource/obstacles.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { SIZE_ALIGNMENT_BYTES } from "./arguments.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { wantedBytes } from "./membership.ts";

const SEEN_LATE = "that a disk has grown is seen after some 10 s";

export const RESIZE_COMMANDS: readonly Command[] = [
  {
    name: "resize",
    usage: "RES [SIZE]",
    summary: "Let the device grow, by default as far as all disks allow",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 1,
    phases: resize,
  },
];

function resize(
  desk: Desk,
  resource: string,
  [size]: readonly string[],
): readonly Phase[] {
  let oldBytes = 0;
  let newBytes = 0;
  const isServed = (own: MemberState | undefined): boolean =>
    (own?.deviceBytes ?? 0) >= newBytes;
  const write = (bytes: number): void => writeSize(desk, resource, bytes);
  return [
    {
      title: "check the disks of all members",
      act: () => {
        const view = desk.view(resource);
        oldBytes = view.sizeBytes ?? 0;
        newBytes = checkedSize(desk, view, wantedBytes(desk, size));
      },
    },
    {
      title: "let the device grow",
      goal: "the device to grow",
      act: () => {
        if (newBytes === oldBytes) {
          const advice = size === undefined ? smallDisks(desk, resource) : "";
          desk.print(`"${resource}" has ${oldBytes} bytes already${advice}`);
        } else write(newBytes);
      },
      until: (snapshot) => {
        const { own } = resourceView(snapshot, resource, desk.host);
        if (newBytes > oldBytes) refuseGrowth(snapshot, resource, desk.host);
        return newBytes === oldBytes || isServed(own) ? [] : [
          `the device has ${own?.deviceBytes ?? 0} bytes, not ${newBytes}`,
        ];
      },
      undo: () => {
        if (newBytes === oldBytes || isServed(desk.view(resource).own)) return;
        write(oldBytes);
        desk.warn(`WARNING: "${resource}" has ${oldBytes} bytes again`);
      },
    },
    {
      title: "tell",
      act: () => {
        if (newBytes === oldBytes) return;
        desk.print(`"${resource}" has ${newBytes} bytes now`);
      },
    },
  ];
}

/** Whose disks allow no more, for who has just made them larger. */
function smallDisks(desk: Desk, resource: string): string {
  const { members, sizeBytes = 0 } = desk.view(resource);
  const limitBytes = sizeBytes + SIZE_ALIGNMENT_BYTES;
  const hosts = members.filter(({ diskBytes = 0 }) => diskBytes < limitBytes)
    .map(({ host }) => `"${host}"`);
  return `, which is all of the disk of ${hosts.join(", ")}; ${SEEN_LATE}`;
}

/** @throws RefusedError if the daemon says that the device cannot grow */
function refuseGrowth(
  snapshot: Snapshot,
  resource: string,
  host: string,
): void {
  const directory = directoryOf(linkPath.actual(resource, host, "msg-"));
  const said = obstaclesIn(snapshot, directory, host)
    .filter(({ key, text }) =>
      key === deviceTroubleKey(DEVICE_STEP.grow) && text.includes("cannot grow")
    );
  if (said.length === 0) return;
  throw new RefusedError(
    `Cannot resize "${resource}"`,
    said.map(({ text }) => text),
  );
}

/** The new size in bytes. @throws RefusedError, also with force */
function checkedSize(
  desk: Desk,
  view: ResourceView,
  wanted: number | undefined,
): number {
  const { resource, own, members, sizeBytes } = view;
  const obstacles: string[] = [];
  const oldBytes = sizeBytes ?? 0;
  if (!desk.isDaemonRunning()) obstacles.push("no daemon runs here; start it");
  if (own?.isPrimary !== true && own?.isDeviceOn !== true) {
    const advice = view.designated === undefined
      ? "nobody is"
      : `type resize on "${view.designated}"`;
    obstacles.push(`"${desk.host}" is not primary; ${advice}`);
  }
  let possible = Infinity;
  for (const { host, diskBytes } of members) {
    if (diskBytes === undefined) {
      obstacles.push(`the size of the disk of "${host}" is not known`);
    } else possible = Math.min(possible, diskBytes);
  }
  possible -= possible % SIZE_ALIGNMENT_BYTES;
  const newBytes = wanted ?? possible;
  if (Number.isFinite(possible) && newBytes > possible) {
    const small = members.filter(({ diskBytes = 0 }) => diskBytes < newBytes)
      .map(({ host, diskBytes }) => `"${host}" has ${diskBytes}`);
    obstacles.push(
      `${newBytes} bytes do not fit: ${small.join(", ")}; ${SEEN_LATE}`,
    );
  }
  if (newBytes < oldBytes) {
    obstacles.push(
      `it has ${oldBytes} bytes and cannot shrink to ${newBytes}`,
    );
  }
  refuseIf(`resize "${resource}"`, obstacles, {
    ...desk.options,
    force: false,
  });
  const { deviceBytes = oldBytes } = own ?? {};
  if (deviceBytes !== oldBytes) {
    desk.warn(
      `WARNING: "${resource}" has ${oldBytes} bytes, but its device ${deviceBytes}`,
    );
  }
  return newBytes;
}

/**
 * The primary has all of it whenever the machine stops: else its own copy would
 * not be complete, and nobody else's.
 */
function writeSize(desk: Desk, resource: string, bytes: number): void {
  const value = String(bytes);
  const links = [
    { path: linkPath.syncStatus(resource, desk.host), value },
    { path: linkPath.size(resource), value },
  ];
  const { sizeBytes = 0 } = desk.view(resource);
  for (const link of bytes < sizeBytes ? links.reverse() : links) {
    desk.write([link]);
    desk.flushTree();
  }
}
