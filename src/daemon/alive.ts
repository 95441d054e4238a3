// Pure
/**
 * Alive: the links by which this host says that it lives, and what it is.
 *
 *   each few seconds   time, alive
 *   when it changes    tree, features, usable, buildtag, emergency,
 *                      rest-space, total-space, used-…, msg-…
 *   now and then       read-stamp of a peer: how fresh its links are here
 *
 * What changed is found by comparison with the tree: a link that could not be
 * written, or that somebody has changed, is written the next time.
 *
 * Who has left the cluster does not live in it any more: nothing is told. But
 * who comes back is known there as one who has left, until its address has
 * arrived; and it waits for signs of its own life meanwhile.
 *
 * Source: `actual-<host>/*` of MARS.
 */
import type { LinkValue, Obstacle } from "../resource/plan_types.ts";
import { clusterOf } from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatStamp, TOMBSTONE } from "../tree/values.ts";
import {
  featureLinks,
  featureObstacles,
  preferencesIn,
  usableWith,
} from "./features.ts";
import { PROVISIONAL_NS } from "./handmade.ts";
import { Messages, messagesLeftBehind, type Stamps } from "./messages.ts";

/** Prescribed by MARS. */
export const TREE_VERSION = "0.1";

// Ours. Readers want to know whether it is seconds or minutes; a link per peer.
const READ_STAMP_MS = 10_000;
const GIB = 1 << 30;

/** What is told; everything is of this moment. */
export interface AliveFacts extends Stamps {
  readonly nowMs: number;
  readonly snapshot: Snapshot;
  readonly isRunning: boolean;
  /** Beyond the reserves. */
  readonly restBytes: number;
  readonly totalBytes: number;
  readonly emergencyLevel: number;
  /** Peers whose lines are up. */
  readonly connected: readonly string[];
  /** Lamport stamps of the newest messages of peers. */
  readonly heardNs: ReadonlyMap<string, bigint>;
  /** What lines move. */
  readonly traffic: readonly LinkValue[];
  /** What concerns the whole host. */
  readonly obstacles: readonly Obstacle[];
}

export class Alive {
  readonly #host: string;
  readonly #buildTag: string;
  readonly #messages: Messages;
  /** Values of message links, by their paths. */
  readonly #told = new Map<string, string>();
  #readAtMs = -Infinity;
  /** There was no cluster, and no address that counts came since. */
  #isJoining = false;

  /** @param snapshot with what an earlier daemon left behind */
  constructor(
    options: { host: string; buildTag: string; snapshot: Snapshot },
  ) {
    const { host, buildTag, snapshot } = options;
    this.#host = host;
    this.#buildTag = buildTag;
    const prefix = linkPath.global(host, "msg-");
    this.#messages = new Messages(messagesLeftBehind(snapshot, prefix));
  }

  /** Links to write now. */
  links(facts: AliveFacts): LinkValue[] {
    if (this.#hasLeft(facts.snapshot)) return [];
    const host = this.#host;
    const wanted = preferencesIn(facts.snapshot);
    const usable = usableWith(facts.connected, facts.snapshot);
    this.#updateMessages([
      ...facts.obstacles,
      ...featureObstacles(usable, wanted),
    ], facts);
    const values = {
      tree: TREE_VERSION,
      buildtag: this.#buildTag,
      emergency: String(facts.emergencyLevel),
      "rest-space": String(Math.floor(facts.restBytes / GIB)),
      "total-space": String(Math.floor(facts.totalBytes / GIB)),
    };
    const lazy = [
      ...Object.entries(values).map(([name, value]) => ({
        path: linkPath.global(host, name),
        value,
      })),
      ...featureLinks(host, usable, wanted),
      ...facts.traffic,
      ...[...this.#told].map(([path, value]) => ({ path, value })),
    ];
    return [
      {
        path: linkPath.global(host, "time"),
        value: formatStamp(facts.stampNs),
      },
      {
        path: linkPath.global(host, "alive"),
        value: facts.isRunning ? "1" : "0",
      },
      ...lazy.filter(({ path, value }) =>
        facts.snapshot.get(path)?.value !== value
      ),
      ...this.#readStamps(facts),
    ];
  }

  #hasLeft(snapshot: Snapshot): boolean {
    const address = snapshot.get(linkPath.ip(this.#host));
    const isTombstone = address?.value === TOMBSTONE;
    if (clusterOf(snapshot) === undefined) this.#isJoining = true;
    else if (!isTombstone && (address?.stampNs ?? 0n) >= PROVISIONAL_NS) {
      this.#isJoining = false;
    }
    return isTombstone && !this.#isJoining;
  }

  #updateMessages(obstacles: readonly Obstacle[], facts: AliveFacts): void {
    for (const [path, value] of this.#told) {
      const isOver = value === TOMBSTONE &&
        facts.snapshot.value(path) === undefined;
      if (isOver) this.#told.delete(path);
    }
    for (const [key, value] of this.#messages.update(obstacles, facts)) {
      this.#told.set(linkPath.global(this.#host, `msg-${key}`), value);
    }
  }

  #readStamps(facts: AliveFacts): LinkValue[] {
    if (facts.nowMs < this.#readAtMs + READ_STAMP_MS) return [];
    this.#readAtMs = facts.nowMs;
    return [...facts.heardNs]
      // Who has left is not heard of any more.
      .filter(([peer]) => facts.snapshot.value(linkPath.ip(peer)) !== undefined)
      .map(([peer, stampNs]) => ({
        path: linkPath.global(peer, "read-stamp"),
        value: formatStamp(stampNs),
      }))
      .filter(({ path, value }) => facts.snapshot.value(path) !== value);
  }
}
