/**
 * create-resource: a resource of one host, which becomes its primary.
 *
 * Its first log has number 1, or is far behind all numbers that a deleted
 * resource of this name has used: their names must not come again. Two version
 * links that were never computed begin its history.
 *
 * `primary`, the position and the empty log are there before the disk is
 * attached; the daemon need not run.
 *
 * Source: `marsadm create-resource`, which takes no files as disks in effect;
 * we do.
 */
import { MarsError } from "../base/errors.ts";
import { logFileName, type LogName } from "../base/names.ts";
import { anchorText } from "../resource/emergency.ts";
import { linkPath, nameOf } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  formatReplay,
  formatSkipCheck,
  parseCount,
  TOMBSTONE,
} from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { JOIN_COMMANDS } from "./join.ts";
import {
  attachLink,
  deviceObstacles,
  lookAtDisk,
  makeDirectories,
  memberLinks,
  type MemberWords,
  memberWords,
  placeObstacles,
  wantedBytes,
  warnOfOtherNames,
} from "./membership.ts";
import { RESIZE_COMMANDS } from "./resize.ts";
import { acknowledgeLink, SETTING_COMMANDS } from "./resource_settings.ts";

/** Prescribed by MARS. */
const SIZE_BYTES_MIN = 64 * 1024;
const SEQUENCES_APART = 100_000;

export const RESOURCE_COMMANDS: readonly Command[] = [
  {
    name: "create-resource",
    usage: "RES DISK [DEVICE [SIZE]] [--acknowledge=flush|durable]",
    summary: "Begin a resource on this host, which becomes primary",
    details:
      "DISK is a block device or a file. SIZE is a number of bytes, with k m g t p for powers of 1000 or K M G T P for those of 1024, or the path of a disk of that size; without it the whole disk is used.",
    subject: "name",
    wordsMin: 1,
    wordsMax: 3,
    phases: createResource,
  },
  ...JOIN_COMMANDS,
  ...RESIZE_COMMANDS,
  ...SETTING_COMMANDS,
];

function createResource(
  desk: Desk,
  resource: string,
  words: readonly string[],
): readonly Phase[] {
  const { host } = desk;
  let links: readonly LinkWrite[] = [];
  let sequence = 1;
  return [
    {
      title: "check disk, name and size",
      act: async () => {
        const member = memberWords(resource, words);
        const snapshot = desk.snapshot();
        const sizeBytes = await checkedSize(desk, member, snapshot);
        sequence = firstSequence(snapshot, resource);
        links = [
          ...leftoverLinks(snapshot, resource, host),
          ...resourceLinks(desk, member, { sizeBytes, sequence }),
        ];
      },
    },
    {
      title: "make the first log and all links",
      act: async () => {
        makeDirectories(desk, resource);
        // Old records must not be replayed onto the new disk.
        for (const { log } of await desk.logs.list(resource)) {
          await desk.removeLog(resource, log);
        }
        if (!desk.options.dryRun) {
          await createFirstLog(desk, resource, { sequence, host });
        }
        desk.write(links);
        desk.flushTree();
      },
    },
    {
      title: "attach the disk",
      act: () => {
        desk.write([attachLink(desk, resource)], "3");
        desk.print(`"${resource}" is created; this host is primary`);
      },
    },
  ];
}

/** Behind all numbers that were used under this name. */
export function firstSequence(snapshot: Snapshot, resource: string): number {
  const used = snapshot.value(linkPath.maxnr(resource)) ?? "";
  const highest = parseCount(used);
  return highest === undefined ? 1 : highest + SEQUENCES_APART;
}

/** @throws MarsError if its name is in use, or was */
export async function createFirstLog(
  desk: Desk,
  resource: string,
  log: LogName,
): Promise<void> {
  const result = await desk.logs.create(resource, log);
  if (result === "created") return;
  throw new MarsError(
    `Cannot create "${resource}": "${
      logFileName(log)
    }" is there already; type link-purge-all and try again`,
  );
}

/** Bytes of the new device. @throws MarsError if it must not be made */
async function checkedSize(
  desk: Desk,
  member: MemberWords,
  snapshot: Snapshot,
): Promise<number> {
  const { resource } = member;
  const disk = lookAtDisk(desk, member, snapshot);
  const sizeBytes = wantedBytes(desk, member.size) ?? disk.bytes;
  const action = `create "${resource}"`;
  // No force makes a disk longer.
  refuseIf(action, [
    ...placeObstacles(desk, snapshot),
    ...(sizeBytes > disk.bytes && disk.bytes > 0
      ? [`the disk has ${disk.bytes} bytes, ${sizeBytes} are wanted`]
      : []),
    ...(sizeBytes <= SIZE_BYTES_MIN && disk.obstacles.length === 0
      ? [
        `${sizeBytes} bytes are too few; more than ${SIZE_BYTES_MIN} are needed`,
      ]
      : []),
    ...deviceObstacles(desk, member, snapshot),
  ], { ...desk.options, force: false });
  const positions = positionsElsewhere(snapshot, resource);
  refuseIf(action, [
    ...disk.obstacles,
    ...positions,
    ...(positions.length > 0 ? [] : await leftovers(desk, snapshot, resource)),
  ], desk.options);
  warnOfOtherNames(desk, member, snapshot);
  return sizeBytes;
}

/** Hosts that have a position are members. */
function positionsElsewhere(snapshot: Snapshot, resource: string): string[] {
  const hosts = namesOf(snapshot, resource, REPLAY);
  return hosts.length === 0
    ? []
    : [`it exists already on ${hosts.map((host) => `"${host}"`).join(", ")}`];
}

const REPLAY = /^replay-(.+)$/;
const VERSION = /^version-\d+-(.+)$/;

/** What the names of links that hold have in their group, each once. */
function namesOf(
  snapshot: Snapshot,
  resource: string,
  pattern: RegExp,
): string[] {
  const names = new Set<string>();
  for (
    const { path, value } of snapshot.children(linkPath.resource(resource))
  ) {
    const name = pattern.exec(nameOf(path))?.[1];
    if (name !== undefined && value !== TOMBSTONE) names.add(name);
  }
  return [...names].sort();
}

/** What an earlier resource of this name has left here. */
async function leftovers(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): Promise<string[]> {
  const logs = await desk.logs.list(resource);
  const hasVersions = namesOf(snapshot, resource, VERSION).includes(desk.host);
  return logs.length === 0 && !hasVersions ? [] : [
    `logs or version links of an earlier time are in "${
      desk.resourcePath(resource)
    }"; type leave-resource or delete-resource`,
  ];
}

/** Versions and errors of an earlier time do not hold any more. */
function leftoverLinks(
  snapshot: Snapshot,
  resource: string,
  host: string,
): LinkWrite[] {
  const errors = `${linkPath.actual(resource, host, "msg-err-")}`;
  const links: LinkWrite[] = [];
  for (const { path, value } of snapshot.under(linkPath.resource(resource))) {
    const isOld = path.startsWith(errors) ||
      VERSION.exec(nameOf(path))?.[1] === host;
    if (isOld && value !== TOMBSTONE) links.push({ path, value: TOMBSTONE });
  }
  return links;
}

/** All that makes a resource of one host, but for the switch of its disk. */
export function resourceLinks(
  desk: Desk,
  member: MemberWords,
  { sizeBytes, sequence }: { sizeBytes: number; sequence: number },
): LinkWrite[] {
  const { host } = desk;
  const { resource } = member;
  const log = { sequence, host };
  const before = { sequence: sequence - 1, host };
  const level = desk.options.acknowledge;
  const position = { log, startBytes: 0, dirtyBytes: 0 };
  return [
    ...(level === undefined ? [] : [acknowledgeLink(resource, level)]),
    { path: linkPath.size(resource), value: String(sizeBytes) },
    ...memberLinks(desk, member),
    { path: linkPath.primary(resource), value: host },
    { path: linkPath.userspace(resource, "last-primary"), value: host },
    { path: linkPath.syncStatus(resource, host), value: String(sizeBytes) },
    { path: linkPath.replay(resource, host), value: formatReplay(position) },
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
  ];
}
