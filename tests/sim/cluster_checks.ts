/**
 * What must hold when faults have ended and time has passed:
 *
 *   all trees are equal, and nobody writes the same links again and again
 *   every clock is greater than every stamp (I9)
 *   every host names the same split brains; there is none that nobody forced
 *   nothing durable is lost that nobody has given up
 *
 * and after an administrator has switched everything on, named one primary, and
 * invalidated what has parted from it:
 *
 *   the primary serves its device, all others have its disk
 */
import { logFileName } from "../../src/base/names.ts";
import { findSplits } from "../../src/resource/history.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../../src/resource/view.ts";
import { isReplicated, linkPath } from "../../src/tree/path.ts";
import type { Link, Snapshot } from "../../src/tree/snapshot.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { DISK, RESOURCE, stateOf } from "./records.ts";
import { differenceOf, isSameState, positionText, Violation } from "./truth.ts";

/** Waits of commands that are still running. */
const COMMANDS_MS = 60_000;
const AGREE_MS = 60_000;
const STOP_MS = 20_000;
/** How long nobody writes anything when the cluster is at rest. */
const REST_MS = 2_000;

/** Waits for peace and checks it. @throws Violation */
export async function checkPeace(world: ClusterWorld): Promise<void> {
  await world.until(
    COMMANDS_MS,
    () =>
      world.isTyping
        ? `commands do not end: ${
          world.hosts.flatMap((host) =>
            host.commands.map((words) => `${host.name}$ ${words}`)
          ).join(", ")
        }`
        : undefined,
  );
  await world.until(STOP_MS, () => {
    const down = world.hosts.filter((host) => !host.isRunning);
    for (const host of down) host.start();
    const [stopping] = world.hosts.filter((host) => host.isStopping);
    return stopping && `${stopping.name} does not stop`;
  });
  // Nothing may go back and forth when nobody does anything.
  await world.until(
    AGREE_MS,
    () =>
      world.time.nowMs - world.watch.lastWriteMs < REST_MS
        ? `the cluster does not come to rest: ${world.watch.lastPath}`
        : disagreement(world),
  );
  checkClocks(world);
  checkSplits(world);
}

/** The first link on which two hosts differ, in words. */
export function disagreement(world: ClusterWorld): string | undefined {
  const [first, ...others] = world.hosts;
  if (first === undefined) return undefined;
  const links = linksOf(first.snapshot());
  for (const other of others) {
    const theirs = linksOf(other.snapshot());
    for (const path of new Set([...links.keys(), ...theirs.keys()])) {
      const left = links.get(path);
      const right = theirs.get(path);
      if (textOf(left) === textOf(right)) continue;
      return `${path} is ${textOf(left)} on ${first.name}, ${
        textOf(right)
      } on ${other.name}`;
    }
  }
  return undefined;
}

function linksOf(snapshot: Snapshot): Map<string, Link> {
  const links = new Map<string, Link>();
  for (const link of snapshot.all()) {
    // Where a link was never known, its tombstone is not either.
    if (link.value === TOMBSTONE || !isReplicated(link.path)) continue;
    links.set(link.path, link);
  }
  return links;
}

function textOf(link: Link | undefined): string {
  return link === undefined ? "missing" : `"${link.value}" of ${link.stampNs}`;
}

function checkClocks(world: ClusterWorld): void {
  for (const host of world.hosts) {
    for (const { path, stampNs } of host.snapshot().all()) {
      if (stampNs <= host.lamport.now()) continue;
      throw new Violation(
        `The clock of ${host.name} is behind the stamp of ${path} (I9)`,
      );
    }
  }
}

function checkSplits(world: ClusterWorld): void {
  const texts = world.hosts.map((host) => {
    const splits = findSplits(viewOf(host));
    return splits.map(({ hosts }) => hosts.join("/")).sort().join(" ");
  });
  const [first = ""] = texts;
  if (texts.some((text) => text !== first)) {
    throw new Violation(`Split brains differ: ${texts.join(" | ")}`);
  }
  if (first !== "" && !world.watch.isForced) {
    throw new Violation(`A split brain that nobody forced: ${first}`);
  }
}

export function viewOf(host: SimHost): ResourceView {
  return resourceView(host.snapshot(), RESOURCE, host.name);
}

/** Lets an administrator put everything right. @throws Violation */
export async function checkRepaired(world: ClusterWorld): Promise<void> {
  world.note("repair");
  const [first] = world.hosts;
  if (first === undefined) return;
  const must = async (host: SimHost, ...words: string[]): Promise<void> => {
    const error = await world.finish(world.typeAndWait(host, ...words));
    if (error === undefined) return;
    throw new Violation(`"${words.join(" ")}" on ${host.name}: ${error}`);
  };
  const members = world.hosts.filter((host) => viewOf(host).own !== undefined);
  for (const host of members) {
    for (const command of ["attach", "resume-fetch", "resume-replay"]) {
      await must(host, command, RESOURCE);
    }
  }
  const leader = leaderOf(world, members);
  if (leader === undefined) throw new Violation("nobody can be primary");
  if (viewOf(leader).designated !== leader.name) {
    await must(leader, "primary", RESOURCE, "--ignore-sync", "--timeout=60");
  }
  await world.until(
    AGREE_MS,
    () =>
      leader.worker(RESOURCE)?.isServing === true
        ? undefined
        : `${leader.name} is primary and does not serve`,
  );
  for (const host of members) {
    if (host === leader) continue;
    await must(host, "resume-sync", RESOURCE);
    if (hasParted(leader, host)) await must(host, "invalidate", RESOURCE);
  }
  const worker = leader.worker(RESOURCE);
  worker?.openDevice();
  for (let count = 0; count < 5; count++) worker?.write();
  worker?.closeDevice();
  await world.until(AGREE_MS, () => laggard(world, leader, members));
  checkDisks(world, leader, members);
  checkLosses(world, leader);
  await world.until(AGREE_MS, () => disagreement(world));
}

/** Who is designated, or who may become it: a complete copy, far ahead. */
function leaderOf(
  world: ClusterWorld,
  members: readonly SimHost[],
): SimHost | undefined {
  const [first] = members;
  if (first === undefined) return undefined;
  const view = viewOf(first);
  const designated = view.designated;
  if (designated !== undefined) return world.host(designated);
  const best = [...view.members]
    .filter((member) =>
      member.syncedBytes !== undefined &&
      member.syncedBytes >= (view.sizeBytes ?? 0)
    )
    .sort((left, right) => rankOf(right) - rankOf(left));
  return best[0] && world.host(best[0].host);
}

function rankOf(member: MemberState): number {
  const { replay } = member;
  return replay === undefined
    ? -1
    : replay.log.sequence * 1e9 + replay.startBytes + replay.dirtyBytes;
}

function hasParted(leader: SimHost, host: SimHost): boolean {
  return findSplits(viewOf(leader)).some(({ hosts }) =>
    hosts.includes(host.name) && hosts.includes(leader.name)
  );
}

/** Who has not what the leader has, in words. */
function laggard(
  world: ClusterWorld,
  leader: SimHost,
  members: readonly SimHost[],
): string | undefined {
  const view = viewOf(leader);
  const goal = view.own?.replay;
  if (goal === undefined || goal.dirtyBytes > 0) return "the primary is busy";
  for (const host of members) {
    const own = viewOf(host).own;
    const isThere = own?.replay !== undefined &&
      own.replay.log.sequence === goal.log.sequence &&
      own.replay.startBytes === goal.startBytes &&
      (own.syncedBytes ?? 0) >= (view.sizeBytes ?? Infinity);
    if (isThere) continue;
    const obstacles = [
      ...world.host(host.name)?.snapshot().all() ?? [],
    ].filter(({ path, value }) =>
      path.startsWith(linkPath.actual(RESOURCE, host.name, "msg-")) &&
      value !== "OK"
    ).map(({ value }) => value);
    return `${host.name} does not follow ${leader.name} to ${
      positionText({ log: goal.log, bytes: goal.startBytes })
    }: it is at ${own?.replay?.log.sequence}:${own?.replay?.startBytes}, ` +
      `synced ${own?.syncedBytes}; ${obstacles.join("; ")}`;
  }
  return undefined;
}

function checkDisks(
  world: ClusterWorld,
  leader: SimHost,
  members: readonly SimHost[],
): void {
  const expected = world.host(leader.name)?.files.disk(DISK);
  if (expected === undefined) return;
  for (const host of members) {
    const disk = host.files.disk(DISK);
    if (disk === undefined) continue;
    const [left, right] = [stateOf(expected), stateOf(disk)];
    if (isSameState(left, right)) continue;
    throw new Violation(
      `The disk of ${host.name} is not that of ${leader.name}: ${
        differenceOf(left, right)
      }`,
    );
  }
}

/** Whatever was durable is in the history of the primary. */
function checkLosses(world: ClusterWorld, leader: SimHost): void {
  if (world.watch.isForced) return;
  const replay = viewOf(leader).own?.replay;
  if (replay === undefined) return;
  const tip = { log: replay.log, bytes: replay.startBytes + replay.dirtyBytes };
  for (const { log, bytes } of world.truth.missingIn(tip)) {
    throw new Violation(
      `${bytes} durable bytes of ${logFileName(log)} are not in the history ` +
        `of ${leader.name}, and nobody forced anything`,
    );
  }
}
