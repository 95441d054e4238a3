/** Commands that make a host a member of a resource. */
import { UsageError } from "../base/errors.ts";
import { isAbsolute } from "@std/path";
import { anchorText } from "../resource/emergency.ts";
import { versionOf } from "../resource/history.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  formatReplay,
  formatSkipCheck,
  isAcknowledgeLevel,
} from "../tree/values.ts";
import { checkName, parseSize, SIZE_ALIGNMENT_BYTES } from "./arguments.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";

/** Prescribed by MARS. */
const SIZE_BYTES_MIN = 64 * 1024;
const SEQUENCES_APART = 100_000;

export const RESOURCE_COMMANDS: readonly Command[] = [
  {
    name: "create-resource",
    usage: "RES DISK [DEVICE [SIZE]] [--acknowledge=flush|durable]",
    summary: "Begin a resource on this host, which becomes primary",
    subject: "name",
    wordsMin: 1,
    wordsMax: 3,
    run: createResource,
  },
  {
    name: "join-resource",
    usage: "RES DISK [DEVICE]",
    summary: "Make this host a secondary of a resource",
    subject: "name",
    wordsMin: 1,
    wordsMax: 2,
    run: joinResource,
  },
  {
    name: "set-acknowledge",
    usage: "RES flush|durable",
    summary: "Set what must have happened before a write is acknowledged",
    subject: "resources",
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, resource, [level = ""]) =>
      desk.write([acknowledgeLink(resource, level)]),
  },
];

const SWITCHES = ["connect", "sync", "allow-replay"];

async function createResource(
  desk: Desk,
  resource: string,
  [disk = "", device = resource, sizeText]: readonly string[],
): Promise<void> {
  checkName(resource, "resource");
  checkName(device, "device");
  const snapshot = desk.snapshot();
  const diskBytes = sizeOfDisk(desk, disk);
  const sizeBytes = sizeText === undefined
    ? Math.floor(diskBytes / SIZE_ALIGNMENT_BYTES) * SIZE_ALIGNMENT_BYTES
    : parseSize(sizeText);
  const view = resourceView(snapshot, resource, desk.host);
  const members = view.members.map((member) => `"${member.host}"`);
  const obstacles = commonObstacles(desk, snapshot, device, resource);
  if (members.length > 0) {
    obstacles.push(`it exists already on ${members.join(", ")}`);
  }
  if (sizeBytes > diskBytes) {
    obstacles.push(`the disk has ${diskBytes} bytes, ${sizeBytes} are wanted`);
  }
  if (sizeBytes <= SIZE_BYTES_MIN) {
    obstacles.push(`${sizeBytes} bytes are too few`);
  }
  refuseIf(`create "${resource}"`, obstacles, desk.options);
  const used = snapshot.value(linkPath.maxnr(resource));
  const sequence = used === undefined ? 1 : Number(used) + SEQUENCES_APART;
  const log = { sequence, host: desk.host };
  const before = { sequence: sequence - 1, host: desk.host };
  if (!desk.options.dryRun) await desk.logs.create(resource, log);
  const host = desk.host;
  const level = desk.options.acknowledge;
  desk.write([
    { path: linkPath.size(resource), value: String(sizeBytes) },
    ...membership(desk, { resource, disk, device }),
    { path: linkPath.primary(resource), value: host },
    { path: linkPath.userspace(resource, "last-primary"), value: host },
    { path: linkPath.syncStatus(resource, host), value: String(sizeBytes) },
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({ log, startBytes: 0, dirtyBytes: 0 }),
    },
    {
      path: linkPath.version(resource, sequence - 1, host),
      value: anchorText(before),
    },
    {
      path: linkPath.version(resource, sequence, host),
      value: anchorText(log) + anchorText(before).slice(0, -1),
    },
    ...(sequence > 1
      ? [{
        path: linkPath.skipCheck(resource, host),
        value: formatSkipCheck(sequence),
      }]
      : []),
    { path: linkPath.maxnr(resource), value: String(sequence) },
    ...(level === undefined ? [] : [acknowledgeLink(resource, level)]),
  ]);
  desk.write([attachLink(desk, resource)], "3");
  desk.print(
    `Created "${resource}" with ${sizeBytes} bytes; this host is primary`,
  );
}

async function joinResource(
  desk: Desk,
  resource: string,
  [disk = "", device = resource]: readonly string[],
): Promise<void> {
  checkName(resource, "resource");
  checkName(device, "device");
  const { host } = desk;
  const diskBytes = sizeOfDisk(desk, disk);
  await desk.waitUntil(`for resource "${resource}" to appear`, (snapshot) => {
    const view = resourceView(snapshot, resource, host);
    const source = view.members.find((member) =>
      member.host === view.designated
    );
    const isKnown = view.sizeBytes !== undefined &&
      source?.replay !== undefined;
    return isKnown ? [] : [`no primary with a position is known`];
  });
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, host);
  const source = view.members.find((member) => member.host === view.designated);
  const sizeBytes = view.sizeBytes ?? 0;
  const obstacles = commonObstacles(desk, snapshot, device, resource);
  if (view.own !== undefined) obstacles.push("this host is a member already");
  if (source?.host === host) obstacles.push("this host is its primary");
  if (diskBytes < sizeBytes) {
    obstacles.push(
      `the disk has ${diskBytes} bytes, ${sizeBytes} are needed`,
    );
  }
  if (source?.hasEmergency === true) {
    obstacles.push(`its primary "${source.host}" is in emergency mode`);
  }
  const leftovers = await desk.logs.list(resource);
  const sequence = source?.replay?.log.sequence ?? 0;
  const isUsed = leftovers.some((file) => file.log.sequence >= sequence);
  if (isUsed) {
    obstacles.push(
      `logs of an earlier time lie in "${desk.resourcePath(resource)}"`,
    );
  }
  refuseIf(`join "${resource}"`, obstacles, desk.options);
  if (source?.replay === undefined) return;
  const copies: LinkWrite[] = [];
  for (const copied of [sequence - 1, sequence]) {
    const text = versionOf(view, copied, source.host)?.text;
    if (text === undefined) continue;
    copies.push({
      path: linkPath.version(resource, copied, host),
      value: text,
    });
  }
  desk.makeDirectory(linkPath.resource(resource));
  desk.write([
    ...membership(desk, { resource, disk, device }),
    ...copies,
    {
      path: linkPath.skipCheck(resource, host),
      value: formatSkipCheck(sequence),
    },
    { path: linkPath.syncStatus(resource, host), value: "0" },
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({
        log: source.replay.log,
        startBytes: 0,
        dirtyBytes: 0,
      }),
    },
  ]);
  desk.write([attachLink(desk, resource)], "3");
  desk.print(
    `Joined "${resource}"; copying ${sizeBytes} bytes from "${source.host}"`,
  );
}

/** What makes this host a member, all switches but attach on. */
function membership(
  desk: Desk,
  { resource, disk, device }: {
    resource: string;
    disk: string;
    device: string;
  },
): LinkWrite[] {
  const { host } = desk;
  return [
    { path: linkPath.data(resource, host), value: disk },
    { path: linkPath.device(resource, host), value: device },
    { path: linkPath.actual(resource, host, "if-on"), value: "0" },
    { path: linkPath.actual(resource, host, "is-attached"), value: "0" },
    { path: linkPath.todo(resource, host, "attach"), value: "0" },
    ...SWITCHES.map((name) => ({
      path: linkPath.todo(resource, host, name),
      value: "1",
    })),
  ];
}

/** Last, so that the daemon sees a complete member. */
function attachLink(desk: Desk, resource: string): LinkWrite {
  return { path: linkPath.todo(resource, desk.host, "attach"), value: "1" };
}

function acknowledgeLink(resource: string, level: string): LinkWrite {
  if (!isAcknowledgeLevel(level) || level === "peer") {
    throw new UsageError(
      `Cannot acknowledge at level "${level}": expected flush or durable`,
    );
  }
  return { path: linkPath.acknowledge(resource), value: level };
}

function commonObstacles(
  desk: Desk,
  snapshot: Snapshot,
  device: string,
  resource: string,
): string[] {
  const obstacles: string[] = [];
  if (snapshot.value(linkPath.uuid) === undefined) {
    obstacles.push("this host belongs to no cluster; type create-cluster");
  }
  for (const other of snapshot.resources()) {
    const used = snapshot.value(linkPath.device(other, desk.host));
    if (other !== resource && used === device) {
      obstacles.push(`"${other}" uses device name "${device}" here`);
    }
  }
  return obstacles;
}

/** Bytes of a block device or a regular file. @throws MarsError */
function sizeOfDisk(desk: Desk, disk: string): number {
  if (isAbsolute(disk)) return desk.diskBytes(disk);
  throw new UsageError(
    `Cannot use disk "${disk}": expected the absolute path of a block device or file`,
  );
}
