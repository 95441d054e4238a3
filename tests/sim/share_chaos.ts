/**
 * Sharing: resources whose logs lie in one file system that is small for them.
 *
 * The first resource is greedy: it writes much more than all others together.
 * In half of the runs its logs have a quota. It has a random stream of its own,
 * as storage has (`storage_chaos.ts`).
 *
 *   checked  who has much less than the average of logs stays out of emergency
 *            mode, whatever the greedy one does: at level 3 that one stops
 *            logging, and one reserve is left for the others
 *            a quota is kept but for what is written until it is noticed
 */
import { linkPath } from "../../src/tree/path.ts";
import { parseCount } from "../../src/tree/values.ts";
import { viewOf } from "./cluster_checks.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import { RESERVE_BYTES } from "./file_system.ts";
import type { SimHost } from "./host.ts";
import { Random } from "./random.ts";
import { Violation } from "./truth.ts";

/** What a byte of a log takes then: some 300 records fill a file system. */
const LOG_WEIGHT = 1024;
const SPACE_BYTES = 6 * RESERVE_BYTES;
/** Real bytes of logs, a fifth of that space. */
const QUOTA_BYTES = 10_000;
/** More than that nobody writes while a daemon looks at something else. */
const QUOTA_SLACK = 3;
/** Of writes at once. */
const BURST_MAX = 12;
/** Of the average; who has less has not filled the file system. */
const MODEST_SHARE = 0.5;

export class ShareChaos {
  readonly #world: ClusterWorld;
  readonly #random: Random;
  readonly #hasQuota: boolean;
  #hasBegun = false;

  constructor(world: ClusterWorld) {
    this.#world = world;
    this.#random = new Random(world.seed ^ 0x54a7e);
    this.#hasQuota = this.#random.chance(0.5);
  }

  act(): void {
    if (!this.#world.isShared) return;
    if (!this.#hasBegun) this.#begin();
    const { hosts, watch: { resource } } = this.#world;
    for (const host of hosts) {
      this.#checkQuota(host, resource);
      const worker = host.worker(resource);
      if (worker?.isServing !== true) continue;
      if (worker.clientCount === 0) {
        if (this.#random.chance(0.5)) worker.openDevice();
        continue;
      }
      for (let left = this.#random.below(BURST_MAX); left > 0; left--) {
        worker.write();
      }
    }
  }

  /** Somebody has made the file systems larger. */
  end(): void {
    for (const { files } of this.#world.hosts) files.logWeight = 0;
  }

  #checkQuota(host: SimHost, resource: string): void {
    const quotaBytes = quotaOf(host, resource);
    const bytes = logBytesOf(host, resource);
    if (quotaBytes === 0 || bytes <= QUOTA_SLACK * quotaBytes) return;
    throw new Violation(
      `Logs of "${resource}" have ${bytes} bytes on ${host.name}, the quota ` +
        `is ${quotaBytes}`,
    );
  }

  #begin(): void {
    this.#hasBegun = true;
    const { hosts, watch: { resource } } = this.#world;
    for (const host of hosts) {
      host.files.setSize(SPACE_BYTES);
      host.files.logWeight = LOG_WEIGHT;
      if (!this.#hasQuota) continue;
      this.#world.type(host, "set-log-quota", resource, String(QUOTA_BYTES));
    }
  }
}

/** A primary is told to go on without its log. @throws Violation */
export function checkShare(
  { watches }: ClusterWorld,
  host: SimHost,
  resource: string,
): void {
  const { files } = host;
  // Somebody else has filled the file system.
  if (files.logWeight === 0 || files.roomBytes < files.totalBytes) return;
  const all = watches.map((watch) => logBytesOf(host, watch.resource));
  const mean = all.reduce((sum, bytes) => sum + bytes, 0) / all.length;
  const own = logBytesOf(host, resource);
  const quotaBytes = quotaOf(host, resource);
  const isOverQuota = quotaBytes > 0 && own > quotaBytes;
  if (isOverQuota || own >= mean * MODEST_SHARE) return;
  // Its log may have failed, or it leaves the role.
  if (viewOf(host, resource).designated !== host.name) return;
  throw new Violation(
    `"${resource}" goes into emergency mode on ${host.name} with ${own} bytes ` +
      `of logs, others there have ${all.join(", ")}`,
  );
}

function logBytesOf({ files }: SimHost, resource: string): number {
  return files.listLogs(linkPath.resource(resource))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** 0 for none. */
function quotaOf(host: SimHost, resource: string): number {
  const path = linkPath.todo(resource, host.name, "log-quota");
  return parseCount(host.look().value(path) ?? "") ?? 0;
}
