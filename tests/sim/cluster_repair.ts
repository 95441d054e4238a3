/**
 * What must hold after an administrator has put everything right: attached all
 * members, made one of them primary, and invalidated what has parted from it.
 *
 *   the primary serves its device
 *   all others follow it and have its disk
 *   nothing durable is lost, unless somebody has forced something
 */
import { logFileName } from "../../src/base/names.ts";
import { holeBehind } from "../../src/resource/history.ts";
import { findSplits } from "../../src/resource/parting.ts";
import {
  isConsistent,
  type MemberState,
  type Switches,
} from "../../src/resource/view.ts";
import { linkPath } from "../../src/tree/path.ts";
import { disagreement, viewOf } from "./cluster_checks.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { CELL_BYTES, DISK, RESOURCE, stateOf } from "./records.ts";
import { differenceOf, isSameState, positionText, Violation } from "./truth.ts";

const AGREE_MS = 60_000;
/** Of commands in the repair. */
const WINDOW_S = 4;
const WRITE_COUNT = 5;
const ROUNDS_MAX = 3;

/**
 * Lets an administrator put everything right.
 *
 * @returns who is primary now; undefined if there is no complete copy
 * @throws Violation
 */
export async function repair(
  world: ClusterWorld,
): Promise<SimHost | undefined> {
  world.note("repair");
  for (const host of world.hosts.filter(isHalfGone)) {
    await world.must(host, "leave-resource", RESOURCE);
  }
  const members = world.hosts.filter((host) => viewOf(host).own !== undefined);
  for (const host of members) {
    const { attach, fetch, replay } = switchesOf(host);
    if (!attach) await world.must(host, "attach", RESOURCE);
    if (!fetch) await world.must(host, "resume-fetch", RESOURCE);
    if (!replay) await world.must(host, "resume-replay", RESOURCE);
  }
  // Who gave up the only complete copy has nothing to be repaired.
  const isHopeless = world.watch.hasGivenUp &&
    furthest(world, members) === undefined;
  if (isHopeless) {
    world.note("there is no complete copy");
    return undefined;
  }
  const leader = await chooseLeader(world, members);
  await world.until(
    AGREE_MS,
    () =>
      viewOf(leader).own?.hasEmergency === true
        ? `${leader.name} stays in emergency mode`
        : disagreement(world),
  );
  for (const host of members) {
    const isPaused = host !== leader && !switchesOf(host).sync;
    if (isPaused) await world.must(host, "resume-sync", RESOURCE);
  }
  const worker = leader.worker(RESOURCE);
  worker?.openDevice();
  for (let count = 0; count < WRITE_COUNT; count++) worker?.write();
  worker?.closeDevice();
  // One that was behind may follow the wrong side before it has parted.
  for (let left = ROUNDS_MAX; left > 0; left--) {
    const parted: SimHost[] = members.filter((host) =>
      isLost(host, leader, members)
    );
    for (const host of parted) await world.must(host, "invalidate", RESOURCE);
    // Or it would seem to be lost again.
    if (parted.length > 0) {
      await world.wait(AGREE_MS, () => disagreement(world));
    }
    await world.until(
      AGREE_MS,
      () =>
        members.some((host) => isLost(host, leader, members))
          ? undefined
          : laggard(leader, members),
    );
  }
  await world.until(0, () => laggard(leader, members));
  checkDisks(leader, members);
  checkLosses(world, leader);
  await world.until(AGREE_MS, () => disagreement(world));
  return leader;
}

/** Whether it has begun to leave: the power took the end of that back. */
function isHalfGone(host: SimHost): boolean {
  const { own } = viewOf(host);
  return own !== undefined && own.device === undefined;
}

function switchesOf(host: SimHost): Switches {
  const { own } = viewOf(host);
  return own?.desired ??
    { attach: false, fetch: false, replay: false, sync: false };
}

/** Makes somebody primary; by force only if nothing else can help. */
async function chooseLeader(
  world: ClusterWorld,
  members: readonly SimHost[],
): Promise<SimHost> {
  const { watch } = world;
  const designated = members.find((host) =>
    viewOf(host).designated === host.name
  );
  if (designated !== undefined) {
    const error = await world.wait(AGREE_MS, () => serving(designated));
    if (error === undefined) return designated;
    if (!watch.isForced && !watch.hasGivenUp) throw new Violation(error);
  }
  const leader = furthest(world, members);
  if (leader === undefined) throw new Violation("nobody can be primary");
  if (designated === undefined) {
    // Claims of commands that were killed count for two windows.
    await world.time.run(world.time.nowMs + 2 * WINDOW_S * 1_000);
    const words = ["primary", RESOURCE, "--ignore-sync", "--timeout=60"];
    const window = `--window=${WINDOW_S}`;
    const error = await world.finish(
      world.typeAndWait(leader, ...words, window),
    );
    if (error === undefined) return leader;
    if (!watch.isForced && !watch.hasGivenUp) {
      throw new Violation(`${leader.name} cannot become primary: ${error}`);
    }
  }
  world.note(`${leader.name} is chosen`);
  await world.must(leader, "pause-fetch", RESOURCE);
  await world.must(leader, "primary", RESOURCE, "--force", "--timeout=60");
  return leader;
}

function serving(host: SimHost): string | undefined {
  return host.worker(RESOURCE)?.isServing === true
    ? undefined
    : `${host.name} is primary and does not serve: ${
      obstaclesOf(host).join("; ")
    }`;
}

/** Who has a complete copy, and most of the history. */
function furthest(
  world: ClusterWorld,
  members: readonly SimHost[],
): SimHost | undefined {
  const [first] = members;
  if (first === undefined) return undefined;
  const view = viewOf(first);
  const [best] = view.members
    .filter((member) => isConsistent(view, member))
    .sort((left, right) => rankOf(right) - rankOf(left));
  return best && world.host(best.host);
}

function rankOf(member: MemberState): number {
  const { replay } = member;
  return replay === undefined
    ? -1
    : replay.log.sequence * 1e9 + replay.startBytes + replay.dirtyBytes;
}

/** As both see it: of what one has just given up the other may know later. */
function hasParted(leader: SimHost, host: SimHost): boolean {
  return [leader, host].every((viewer) =>
    findSplits(viewOf(viewer)).some(({ hosts }) =>
      hosts.includes(host.name) && hosts.includes(leader.name)
    )
  );
}

/** Whether nothing helps but a new copy, and none has begun. */
function isLost(
  host: SimHost,
  leader: SimHost,
  members: readonly SimHost[],
): boolean {
  const { own, sizeBytes } = viewOf(host);
  if (host === leader) return false;
  const replay = own?.replay;
  // A tombstone that went too early: the membership came back without it.
  if (replay === undefined) return true;
  const current = viewOf(leader).own?.replay?.log;
  const isCopy = (own?.syncedBytes ?? 0) >= (sizeBytes ?? 0);
  // Copying from one who has parted since.
  const isAhead = replay.log.sequence > (current?.sequence ?? 0);
  // What was written meanwhile is in no log.
  const isBeforeHole =
    holeBehind(viewOf(host), replay.log.sequence, leader.name) !== undefined;
  if (isBeforeHole) return true;
  if (!isCopy) return isAhead || hasParted(leader, host);
  // An orphan: its log was deleted when nobody knew of it.
  const isOrphan = current !== undefined &&
    replay.log.sequence < current.sequence &&
    members.every(({ files }) =>
      (files.log(RESOURCE, replay.log)?.lengthBytes ?? 0) <= replay.startBytes
    ) && obstaclesOf(host).length > 0;
  return isOrphan || hasParted(leader, host);
}

/** Who has not what the leader has, in words. */
function laggard(
  leader: SimHost,
  members: readonly SimHost[],
): string | undefined {
  const worker = leader.worker(RESOURCE);
  const goal = viewOf(leader).own?.replay;
  const isAtRest = goal !== undefined && goal.dirtyBytes === 0 &&
    goal.startBytes === worker?.loggedBytes;
  if (!isAtRest) return `${leader.name} does not come to rest`;
  for (const host of members) {
    const { own, sizeBytes } = viewOf(host);
    const isThere = own?.replay !== undefined &&
      own.replay.log.sequence === goal.log.sequence &&
      own.replay.startBytes === goal.startBytes &&
      (own.syncedBytes ?? 0) >= (sizeBytes ?? Infinity);
    if (isThere) continue;
    return `${host.name} does not follow ${leader.name} to ${
      positionText({ log: goal.log, bytes: goal.startBytes })
    }: it is at ${own?.replay?.log.sequence}:${own?.replay?.startBytes}, ` +
      `synced ${own?.syncedBytes}; ${obstaclesOf(host).join("; ")}`;
  }
  return undefined;
}

function obstaclesOf(host: SimHost): string[] {
  const prefix = linkPath.actual(RESOURCE, host.name, "msg-");
  return [...host.look().all()]
    .filter(({ path, value }) => path.startsWith(prefix) && value !== "OK")
    .map(({ value }) => value);
}

/**
 * What lies behind the end of the device is nobody's: a primary that parted may
 * have written there while a resize was under way that was taken back.
 */
function checkDisks(
  leader: SimHost,
  members: readonly SimHost[],
): void {
  const expected = leader.files.disk(DISK);
  const { sizeBytes } = viewOf(leader);
  if (expected === undefined || sizeBytes === undefined) return;
  const cellCount = Math.floor(sizeBytes / CELL_BYTES);
  for (const host of members) {
    const disk = host.files.disk(DISK);
    if (disk === undefined) continue;
    const left = stateOf(expected).subarray(0, cellCount);
    const right = stateOf(disk).subarray(0, cellCount);
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
