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
import type { ClusterWatch } from "./cluster_watch.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { CELL_BYTES, RecordReader, stateOf } from "./records.ts";
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
  watch: ClusterWatch,
): Promise<SimHost | undefined> {
  const { resource } = watch;
  world.note(`repair ${resource}`);
  const halfGone = world.hosts.filter((host) => isHalfGone(host, resource));
  for (const host of halfGone) {
    await world.must(host, "leave-resource", resource);
  }
  const members = world.hosts.filter((host) =>
    viewOf(host, resource).own !== undefined
  );
  for (const host of members) {
    const { attach, fetch, replay } = switchesOf(host, resource);
    if (!attach) await world.must(host, "attach", resource);
    if (!fetch) await world.must(host, "resume-fetch", resource);
    if (!replay) await world.must(host, "resume-replay", resource);
  }
  // Who gave up the only complete copy has nothing to be repaired.
  const isHopeless = watch.hasGivenUp &&
    furthest(world, resource, members) === undefined;
  if (isHopeless) {
    world.note("there is no complete copy");
    return undefined;
  }
  const leader = await chooseLeader(world, watch, members);
  await world.until(
    AGREE_MS,
    () =>
      viewOf(leader, resource).own?.hasEmergency === true
        ? `${leader.name} stays in emergency mode`
        : disagreement(world),
  );
  for (const host of members) {
    const isPaused = host !== leader && !switchesOf(host, resource).sync;
    if (isPaused) await world.must(host, "resume-sync", resource);
  }
  const worker = leader.worker(resource);
  worker?.openDevice();
  for (let count = 0; count < WRITE_COUNT; count++) worker?.write();
  worker?.closeDevice();
  // One that was behind may follow the wrong side before it has parted.
  for (let left = ROUNDS_MAX; left > 0; left--) {
    const parted: SimHost[] = members.filter((host) =>
      isLost(resource, host, leader, members)
    );
    for (const host of parted) await world.must(host, "invalidate", resource);
    // Or it would seem to be lost again.
    if (parted.length > 0) {
      await world.wait(AGREE_MS, () => disagreement(world));
    }
    await world.until(
      AGREE_MS,
      () =>
        members.some((host) => isLost(resource, host, leader, members))
          ? undefined
          : laggard(resource, leader, members),
    );
  }
  await world.until(0, () => laggard(resource, leader, members));
  checkDisks(watch, leader, members);
  checkLosses(watch, leader);
  await world.until(AGREE_MS, () => disagreement(world));
  return leader;
}

/** Whether it has begun to leave: the power took the end of that back. */
function isHalfGone(host: SimHost, resource: string): boolean {
  const { own } = viewOf(host, resource);
  return own !== undefined && own.device === undefined;
}

function switchesOf(host: SimHost, resource: string): Switches {
  const { own } = viewOf(host, resource);
  return own?.desired ??
    { attach: false, fetch: false, replay: false, sync: false };
}

/** Makes somebody primary; by force only if nothing else can help. */
async function chooseLeader(
  world: ClusterWorld,
  watch: ClusterWatch,
  members: readonly SimHost[],
): Promise<SimHost> {
  const { resource } = watch;
  const designated = members.find((host) =>
    viewOf(host, resource).designated === host.name
  );
  if (designated !== undefined) {
    const error = await world.wait(
      AGREE_MS,
      () => serving(designated, resource),
    );
    if (error === undefined) return designated;
    if (!watch.isForced && !watch.hasGivenUp) throw new Violation(error);
  }
  const leader = furthest(world, resource, members);
  if (leader === undefined) throw new Violation("nobody can be primary");
  if (designated === undefined) {
    // Claims of commands that were killed count for two windows.
    await world.time.run(world.time.nowMs + 2 * WINDOW_S * 1_000);
    const words = ["primary", resource, "--ignore-sync", "--timeout=60"];
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
  await world.must(leader, "pause-fetch", resource);
  await world.must(leader, "primary", resource, "--force", "--timeout=60");
  return leader;
}

function serving(host: SimHost, resource: string): string | undefined {
  return host.worker(resource)?.isServing === true
    ? undefined
    : `${host.name} is primary and does not serve: ${
      obstaclesOf(host, resource).join("; ")
    }`;
}

/** Who has a complete copy, and most of the history. */
function furthest(
  world: ClusterWorld,
  resource: string,
  members: readonly SimHost[],
): SimHost | undefined {
  const [first] = members;
  if (first === undefined) return undefined;
  const view = viewOf(first, resource);
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
function hasParted(
  resource: string,
  leader: SimHost,
  host: SimHost,
): boolean {
  return [leader, host].every((viewer) =>
    findSplits(viewOf(viewer, resource)).some(({ hosts }) =>
      hosts.includes(host.name) && hosts.includes(leader.name)
    )
  );
}

/** Whether nothing helps but a new copy, and none has begun. */
function isLost(
  resource: string,
  host: SimHost,
  leader: SimHost,
  members: readonly SimHost[],
): boolean {
  const { own, sizeBytes } = viewOf(host, resource);
  if (host === leader) return false;
  const replay = own?.replay;
  // A tombstone that went too early: the membership came back without it.
  if (replay === undefined) return true;
  const current = viewOf(leader, resource).own?.replay?.log;
  const isCopy = (own?.syncedBytes ?? 0) >= (sizeBytes ?? 0);
  // Copying from one who has parted since.
  const isAhead = replay.log.sequence > (current?.sequence ?? 0);
  // What was written meanwhile is in no log.
  const isBeforeHole =
    holeBehind(viewOf(host, resource), replay.log.sequence, leader.name) !==
      undefined;
  if (isBeforeHole) return true;
  if (!isCopy) return isAhead || hasParted(resource, leader, host);
  // An orphan: its log was deleted when nobody knew of it.
  const isOrphan = current !== undefined &&
    replay.log.sequence < current.sequence &&
    members.every(({ files }) =>
      (files.log(resource, replay.log)?.lengthBytes ?? 0) <= replay.startBytes
    ) && obstaclesOf(host, resource).length > 0;
  return isOrphan || isToldLost(resource, host, members) ||
    isToldDamaged(resource, host, members) ||
    hasParted(resource, leader, host);
}

/** Whether it says that nobody else has a log that it needs, and that is so. */
function isToldLost(
  resource: string,
  host: SimHost,
  members: readonly SimHost[],
): boolean {
  const { own } = viewOf(host, resource);
  if (own?.replay === undefined || own.lostLog < own.replay.log.sequence) {
    return false;
  }
  return members.every(({ name, files }) =>
    name === host.name ||
    files.listLogs(linkPath.resource(resource)).every(({ log, sizeBytes }) =>
      log.sequence !== own.lostLog || sizeBytes === 0
    )
  );
}

/** Whether it says that no copy of its log goes on intact, and that is so. */
function isToldDamaged(
  resource: string,
  host: SimHost,
  members: readonly SimHost[],
): boolean {
  const { own, sizeBytes = 0 } = viewOf(host, resource);
  if (own?.replay === undefined) return false;
  const { log, startBytes } = own.replay;
  const isSaid = obstaclesOf(host, resource).some((text) =>
    text.includes("Every member that has this log has it damaged")
  );
  return isSaid && members.every(({ files }) => {
    const file = files.log(resource, log);
    if (file === undefined) return true;
    const reader = new RecordReader(file, {
      startBytes,
      deviceBytes: sizeBytes,
    });
    return "kind" in reader.next(file.lengthBytes);
  });
}

/** Who has not what the leader has, in words. */
function laggard(
  resource: string,
  leader: SimHost,
  members: readonly SimHost[],
): string | undefined {
  const worker = leader.worker(resource);
  const goal = viewOf(leader, resource).own?.replay;
  const isAtRest = goal !== undefined && goal.dirtyBytes === 0 &&
    goal.startBytes === worker?.loggedBytes;
  if (!isAtRest) return `${leader.name} does not come to rest`;
  for (const host of members) {
    const { own, sizeBytes } = viewOf(host, resource);
    const isThere = own?.replay !== undefined &&
      own.replay.log.sequence === goal.log.sequence &&
      own.replay.startBytes === goal.startBytes &&
      (own.syncedBytes ?? 0) >= (sizeBytes ?? Infinity);
    if (isThere) continue;
    return `${host.name} does not follow ${leader.name} to ${
      positionText({ log: goal.log, bytes: goal.startBytes })
    }: it is at ${own?.replay?.log.sequence}:${own?.replay?.startBytes}, ` +
      `synced ${own?.syncedBytes}; ${obstaclesOf(host, resource).join("; ")}`;
  }
  return undefined;
}

function obstaclesOf(host: SimHost, resource: string): string[] {
  const prefix = linkPath.actual(resource, host.name, "msg-");
  return [...host.look().all()]
    .filter(({ path, value }) => path.startsWith(prefix) && value !== "OK")
    .map(({ value }) => value);
}

/**
 * What lies behind the end of the device is nobody's: a primary that parted may
 * have written there while a resize was under way that was taken back.
 */
function checkDisks(
  { resource, diskPath }: ClusterWatch,
  leader: SimHost,
  members: readonly SimHost[],
): void {
  const expected = leader.files.disk(diskPath);
  const { sizeBytes } = viewOf(leader, resource);
  if (expected === undefined || sizeBytes === undefined) return;
  const cellCount = Math.floor(sizeBytes / CELL_BYTES);
  for (const host of members) {
    const disk = host.files.disk(diskPath);
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

/**
 * Whatever was durable is in the history of the primary, but for what was lost
 * where somebody was forced to lead.
 */
function checkLosses(watch: ClusterWatch, leader: SimHost): void {
  const { resource, truth } = watch;
  const replay = viewOf(leader, resource).own?.replay;
  if (replay === undefined) return;
  const tip = { log: replay.log, bytes: replay.startBytes + replay.dirtyBytes };
  for (const { log, bytes } of truth.lostUnforced(tip)) {
    throw new Violation(
      `${bytes} durable bytes of ${logFileName(log)} are not in the history ` +
        `of ${leader.name}, and nobody was forced where they were lost`,
    );
  }
}
