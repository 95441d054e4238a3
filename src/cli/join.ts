/**
 * join-resource: this host becomes a secondary.
 *
 *   1  hear of the resource: its size, its primary, and where that is
 *   2  check disk, name, size; what lies here of an earlier time
 *   3  all links of a member: position at the beginning of the log that the
 *      primary writes back now, history as the primary tells it, nothing copied
 *   4  attach, last; wait until the daemon has opened the disk
 *
 * Whatever happens to the primary's log meanwhile, it is kept from the number
 * on that the position names.
 *
 * Source: `marsadm join-resource`, which also pushes links to the primary and
 * waits for it: links travel by themselves here.
 */
import {
  copiedVersions,
  historyObstacles,
  versionOf,
} from "../resource/history.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  formatReplay,
  formatSkipCheck,
  NOBODY,
  type ReplayValue,
  TOMBSTONE,
} from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
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
import { ASK } from "./peers_alive.ts";
import { forgottenRewind } from "./rewind.ts";
import { attachWait } from "./switches.ts";

export const JOIN_COMMANDS: readonly Command[] = [
  {
    name: "join-resource",
    usage: "RES DISK [DEVICE [SIZE]]",
    summary: "Make this host a secondary of a resource",
    details:
      "The disk is overwritten with a copy of the primary's. SIZE, a number of bytes or the path of a disk, says how much of DISK may be used.",
    subject: "name",
    wordsMin: 1,
    wordsMax: 3,
    phases: joinResource,
  },
];

/** Where the copy comes from. */
interface Source {
  readonly host: string;
  readonly replay: ReplayValue;
}

function joinResource(
  desk: Desk,
  resource: string,
  words: readonly string[],
): readonly Phase[] {
  let links: readonly LinkWrite[] = [];
  let source: Source | undefined;
  return [
    {
      title: `hear of "${resource}" and its primary`,
      act: () => {
        memberWords(resource, words);
        const left = missing(desk.snapshot(), resource, desk.host);
        if (left.length > 0) desk.trigger(ASK.fully);
      },
      goal: `news of "${resource}" and its primary`,
      until: (snapshot) => missing(snapshot, resource, desk.host),
    },
    {
      title: "check disk, name and size",
      act: async () => {
        const member = memberWords(resource, words);
        const snapshot = desk.snapshot();
        const view = resourceView(snapshot, resource, desk.host);
        source = sourceOf(view);
        await check(desk, member, snapshot, view);
        if (source === undefined) return;
        links = joinLinks(desk, member, snapshot, source);
      },
    },
    {
      title: "become a member",
      act: async () => {
        makeDirectories(desk, resource);
        if (source !== undefined) await removeLogs(desk, resource, source);
        desk.write(links);
        desk.flushTree();
      },
    },
    {
      title: "attach the disk",
      act: () => {
        desk.write([attachLink(desk, resource)], "3");
        desk.print(`"${resource}": copying from "${source?.host}"`);
      },
    },
    {
      title: "let the daemon attach it",
      ...attachWait(desk, resource),
    },
  ];
}

/** What must be known before anything can be checked: links come in pieces. */
function missing(
  snapshot: Snapshot,
  resource: string,
  host: string,
): string[] {
  const view = resourceView(snapshot, resource, host);
  if (view.sizeBytes === undefined) {
    return [`no host has told of "${resource}"`];
  }
  const designated = snapshot.value(linkPath.primary(resource));
  if (designated === undefined) return ["the primary is not known"];
  // That nobody is primary is an answer, too.
  if (designated === NOBODY) return [];
  const sequence = memberOf(view, designated)?.replay?.log.sequence;
  return sequence === undefined
    ? [`the position of "${designated}" is not known`]
    : historyObstacles(view, sequence, designated);
}

function memberOf(
  view: ResourceView,
  host: string | undefined,
): MemberState | undefined {
  return view.members.find((member) => member.host === host);
}

function sourceOf(view: ResourceView): Source | undefined {
  const primary = memberOf(view, view.designated);
  if (primary?.replay === undefined) return undefined;
  return { host: primary.host, replay: primary.replay };
}

async function check(
  desk: Desk,
  member: MemberWords,
  snapshot: Snapshot,
  view: ResourceView,
): Promise<void> {
  const { resource } = member;
  const { host } = desk;
  const disk = lookAtDisk(desk, member, snapshot);
  const usableBytes = wantedBytes(desk, member.size) ?? disk.bytes;
  const sizeBytes = view.sizeBytes ?? 0;
  const primary = memberOf(view, view.designated);
  const isShort = disk.obstacles.length === 0 && disk.bytes < sizeBytes;
  const action = `join "${resource}"`;
  // Force makes nobody primary, and no disk longer.
  refuseIf(action, [
    ...(primary === undefined
      ? ["no primary is designated; type primary where the data are"]
      : []),
    ...(primary?.host === host ? ["this host is its primary"] : []),
    ...(isShort
      ? [`the disk has ${disk.bytes} bytes, ${sizeBytes} are needed`]
      : []),
    ...(usableBytes > disk.bytes && disk.bytes > 0
      ? [`the disk has ${disk.bytes} bytes, ${usableBytes} are wanted`]
      : []),
    ...(primary?.hasEmergency === true
      ? [`its primary "${primary.host}" is in emergency mode`]
      : []),
    ...(snapshot.value(linkPath.ip(host)) === undefined
      ? ["this host has no address; type join-cluster"]
      : []),
    ...deviceObstacles(desk, member, snapshot),
    ...placeObstacles(desk, snapshot),
  ], { ...desk.options, force: false });
  refuseIf(action, [
    ...disk.obstacles,
    ...(usableBytes < sizeBytes && !isShort
      ? [`${usableBytes} bytes are too few, ${sizeBytes} are needed`]
      : []),
    ...(view.own === undefined
      ? await leftovers(desk, view)
      : ["this host is a member already"]),
  ], desk.options);
  warnOfOtherNames(desk, member, snapshot);
  if (primary !== undefined && !desk.isRecent(snapshot, primary.host)) {
    desk.warn(
      `WARNING: "${primary.host}" was not heard of lately; copying begins when it is back`,
    );
  }
}

/** A history of this host that is none of the primary's. */
async function leftovers(desk: Desk, view: ResourceView): Promise<string[]> {
  const first = sourceOf(view)?.replay.log.sequence ?? 0;
  const logs = await desk.logs.list(view.resource);
  const isUsed = ownVersions(view, first).length > 0 ||
    logs.some(({ log }) => log.sequence >= first && log.host === view.host);
  return isUsed
    ? [
      `logs or version links of an earlier time are in "${
        desk.resourcePath(view.resource)
      }"; --force removes them`,
    ]
    : [];
}

/** Numbers from `first` on that this host has version links of. */
function ownVersions(view: ResourceView, first: number): number[] {
  return [...view.versions.keys()].filter((sequence) =>
    sequence >= first && versionOf(view, sequence, view.host) !== undefined
  );
}

/** Removes logs that the primary has, perhaps otherwise: they are fetched. */
async function removeLogs(
  desk: Desk,
  resource: string,
  { replay }: Source,
): Promise<void> {
  for (const { log } of await desk.logs.list(resource)) {
    if (log.sequence < replay.log.sequence) continue;
    await desk.removeLog(resource, log);
  }
}

function joinLinks(
  desk: Desk,
  member: MemberWords,
  snapshot: Snapshot,
  source: Source,
): LinkWrite[] {
  const { host } = desk;
  const { resource } = member;
  const view = resourceView(snapshot, resource, host);
  const { sequence } = source.replay.log;
  const links = new Map<string, string>();
  for (const old of ownVersions(view, sequence)) {
    links.set(linkPath.version(resource, old, host), TOMBSTONE);
  }
  const copied = copiedVersions(view, { source: source.host, sequence });
  for (const [path, text] of copied) links.set(path, text);
  links.set(linkPath.skipCheck(resource, host), formatSkipCheck(sequence));
  links.set(linkPath.syncStatus(resource, host), "0");
  const syncPos = linkPath.syncPos(resource, host);
  if (snapshot.value(syncPos) !== undefined) links.set(syncPos, TOMBSTONE);
  const position = { log: source.replay.log, startBytes: 0, dirtyBytes: 0 };
  links.set(linkPath.replay(resource, host), formatReplay(position));
  return [
    ...[...links].map(([path, value]) => ({ path, value })),
    ...forgottenRewind(snapshot, resource, host),
    // Whoever sees a member sees where it is.
    ...memberLinks(desk, member),
  ];
}
