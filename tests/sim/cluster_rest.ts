/**
 * Rest: between a repair and the next chaos, what administrators do now and
 * then. Whatever has piled up must be gone afterwards.
 *
 *   all disks are as large as the largest, all hosts are members
 *   nobody has the data, or now and then: the resource is deleted, and created
 *   again under its name
 *   stamps of clocks that were ahead: so much time passes
 *   how long logs are kept for members that are behind is decided anew
 *   cron runs on every host until it finds nothing to do
 *
 * Then the world forgets, too: what was forced, and which logs were lost by it.
 */
import { NS_PER_MS } from "../../src/base/time.ts";
import { linkPath } from "../../src/tree/path.ts";
import { disagreement, viewOf } from "./cluster_checks.ts";
import type { ClusterWatch } from "./cluster_watch.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { Violation } from "./truth.ts";

const AGREE_MS = 60_000;
/** Of commands here; what is older than two windows may be deleted. */
const WINDOW_S = 1;
const AGE_MS = 3_000;
/** The first run deletes logs, the second what led to them. */
const CRON_ROUNDS = 3;
/** Of rests in which the resource is created again for no reason. */
const RENEWAL_SHARE = 0.1;

/** Of limits that are set at all; logs have a few KiB each. */
const LIMIT_SHARE = 0.25;
const KEPT_SIZE = "20K";
const QUOTA_SIZE = "60K";

/** @param leader who is primary; undefined if nobody has the data */
export async function rest(
  world: ClusterWorld,
  watch: ClusterWatch,
  leader: SimHost | undefined,
): Promise<void> {
  const { resource, diskPath } = watch;
  world.note(`rest ${resource}`);
  const disks = world.hosts.flatMap(({ files }) => files.disk(diskPath) ?? []);
  const largestBytes = Math.max(...disks.map(({ lengthBytes }) => lengthBytes));
  for (const disk of disks) disk.grow(largestBytes);
  const isRenewed = world.random.chance(RENEWAL_SHARE);
  const primary = leader !== undefined && !isRenewed
    ? leader
    : await renew(world, watch);
  for (const host of world.hosts) {
    if (viewOf(host, resource).own !== undefined) continue;
    await world.must(host, "join-resource", resource, diskPath);
  }
  await world.until(AGREE_MS, () => behind(world, resource, primary));
  await setLimits(world, resource, primary);
  letStampsPass(world);
  for (let left = CRON_ROUNDS; left > 0; left--) {
    await world.time.run(world.time.nowMs + AGE_MS);
    // As after the window that is usual: no loss of power reaches so far back.
    for (const { files } of world.hosts) files.flushNames();
    for (const host of world.hosts) {
      await world.must(host, "cron", `--window=${WINDOW_S}`);
    }
    await world.until(AGREE_MS, () => behind(world, resource, primary));
  }
  forget(world, watch, primary);
}

/** In most runs there are none; who needs a log that is gone is copied anew. */
async function setLimits(
  world: ClusterWorld,
  resource: string,
  primary: SimHost,
): Promise<void> {
  const { hosts, random } = world;
  const set = async (host: SimHost, name: string, value: string) =>
    await world.must(host, `set-${name}`, resource, value);
  const pick = (value: string): string =>
    random.chance(LIMIT_SHARE) ? value : "0";
  await set(primary, "auto-resync", random.chance(0.5) ? "1" : "0");
  await set(primary, "keep-logs-size", pick(KEPT_SIZE));
  for (const host of hosts) {
    const words = ["set-log-quota", resource, pick(QUOTA_SIZE)];
    // Refused where the log in use has more.
    await world.finish(world.typeAndWait(host, ...words));
  }
}

/** While all stamps are ahead of the clocks, no link gets any older. */
function letStampsPass({ hosts, time }: ClusterWorld): void {
  for (const { lamport } of hosts) {
    const aheadNs = lamport.now() - lamport.realNs;
    time.skippedMs += Math.ceil(Number(aheadNs / NS_PER_MS));
  }
}

/** Deletes the resource everywhere, and creates it anew. */
async function renew(
  world: ClusterWorld,
  { resource, diskPath }: ClusterWatch,
): Promise<SimHost> {
  const members = world.hosts.filter((host) =>
    viewOf(host, resource).own !== undefined
  );
  const first = members[0] ?? world.anyHost();
  if (viewOf(first, resource).designated !== undefined) {
    await world.must(first, "secondary", resource, "--timeout=60");
  }
  for (const host of members) {
    await world.must(host, "down", resource, "--timeout=60");
  }
  for (const host of members) {
    await world.must(
      host,
      "leave-resource",
      resource,
      `--window=${WINDOW_S}`,
      "--timeout=60",
    );
    await world.until(AGREE_MS, () => disagreement(world));
  }
  await world.must(first, "delete-resource", resource);
  await world.until(AGREE_MS, () => disagreement(world));
  await world.must(first, "create-resource", resource, diskPath);
  await world.until(
    AGREE_MS,
    () => disagreement(world) ?? notServing(first, resource),
  );
  return first;
}

function notServing(primary: SimHost, resource: string): string | undefined {
  return primary.worker(resource)?.isServing === true
    ? undefined
    : `${primary.name} does not serve`;
}

/** Who has not everything yet. */
function behind(
  world: ClusterWorld,
  resource: string,
  primary: SimHost,
): string | undefined {
  const goal = viewOf(primary, resource).own?.replay;
  for (const host of world.hosts) {
    const { own, sizeBytes } = viewOf(host, resource);
    const isThere = own?.replay?.log.sequence === goal?.log.sequence &&
      own?.replay?.startBytes === goal?.startBytes &&
      (own?.syncedBytes ?? 0) >= (sizeBytes ?? Infinity);
    if (!isThere) return `${host.name} does not follow ${primary.name}`;
  }
  return disagreement(world);
}

function forget(
  world: ClusterWorld,
  watch: ClusterWatch,
  primary: SimHost,
): void {
  const { resource, truth } = watch;
  for (const { files } of world.hosts) files.flushNames();
  const tip = viewOf(primary, resource).own?.replay;
  if (tip === undefined) throw new Violation("a primary without a position");
  const sequences = world.hosts.flatMap(({ files }) =>
    files.listLogs(linkPath.resource(resource)).map(({ log }) => log.sequence)
  );
  truth.forget(
    { log: tip.log, bytes: tip.startBytes },
    Math.min(tip.log.sequence, ...sequences),
  );
  watch.restart();
}
