/**
 * Where foreign links come in, on whichever line.
 *
 * Per message, in this order:
 *   (1) the sender's stamp must be believable; the own clock moves past it (I9)
 *   (2) both hosts must belong to the same cluster, see `tree/cluster.ts`
 *   (3) links that no host may send are refused, counted, and traced once per
 *       sender; the others of the message are not affected
 *   (4) links that are older than a tombstone are left out: see `#isBuried`
 *   (5) the tree merges the rest; it never takes what states what this host
 *       does (I8)
 *   (6) who owns the intake is told what was taken, to plan and to pass it on
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { trace } from "../base/trace.ts";
import type { JsonObject } from "../peer/rpc.ts";
import { isSameCluster, mergedClusters } from "../tree/cluster.ts";
import { isNewer, objectionTo } from "../tree/merge.ts";
import { isSameLink, type Link, type Snapshot } from "../tree/snapshot.ts";
import type { TreeStore } from "../tree/store.ts";
import { formatStamp, parseStamp, TOMBSTONE } from "../tree/values.ts";
import { LinkCatalog } from "./catalog.ts";
import { textParam, textsParam } from "./params.ts";
import { Turns } from "./turns.ts";

// Ours. At this bound the oldest one is forgotten: a link that was deleted may
// come back until the next exchange.
const BURIED_LINKS_MAX = 10_000;

/** Part of the refusal of a host of another cluster, by either side. */
export const FOREIGN = "they belong to different clusters";

// Ours. Names beyond it are not told; nobody merges so many clusters.
const MERGED_MAX = 50;

export type IntakeOptions = {
  readonly tree: TreeStore;
  /** The local host. */
  readonly host: string;
  readonly lamport: LamportClock;
  /** Identity of the own cluster; undefined without one. */
  readonly uuid: () => string | undefined;
  /** Links that were taken from a peer; other peers do not have them yet. */
  readonly onTaken: (links: readonly Link[], from: string) => void;
};

export class LinkIntake {
  /** The links of this host as they travel. */
  readonly catalog = new LinkCatalog((link) => this.isFit(link));
  readonly turns = new Turns();
  readonly #options: IntakeOptions;
  readonly #refused = new Map<string, number>();
  readonly #heardNs = new Map<string, bigint>();
  readonly #clockLeadNs = new Map<string, bigint>();
  /** Tombstones of links that are not here, by path, oldest first. */
  readonly #buried = new Map<string, Link>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  get host(): string {
    return this.#options.host;
  }

  snapshot(): Snapshot {
    return this.#options.tree.snapshot();
  }

  /** What heads every message and reply. */
  greeting(): JsonObject {
    const { lamport, tree, uuid } = this.#options;
    const merged = mergedClusters(tree.snapshot()).slice(0, MERGED_MAX);
    return {
      stamp: formatStamp(lamport.now()),
      clock: formatStamp(lamport.realNs),
      uuid: uuid() ?? "",
      ...(merged.length === 0 ? {} : { merged }),
    };
  }

  /** Checks the greeting of a peer: (1) and (2). @throws MarsError */
  admit(from: string, greeting: JsonObject): void {
    const { host } = this.#options;
    this.admitStranger(from, greeting);
    const theirs = textParam(greeting, "uuid");
    const own = this.#options.uuid() ?? "";
    const ownMerged = mergedClusters(this.snapshot());
    const isSame = isSameCluster(
      namesOf(own, ownMerged),
      namesOf(
        theirs,
        greeting["merged"] === undefined ? [] : textsParam(greeting, "merged"),
      ),
    );
    if (isSame) {
      const stampNs = parseStamp(textParam(greeting, "stamp"));
      if (stampNs !== undefined) this.#heardNs.set(from, stampNs);
      this.#compareClock(from, greeting["clock"]);
      return;
    }
    throw new MarsError(
      `Cannot exchange links of "${from}" with "${host}": ${FOREIGN}, ` +
        `"${theirs}" and "${own}"`,
    );
  }

  /** Only (1): who looks may be of another cluster. @throws MarsError */
  admitStranger(from: string, greeting: JsonObject): void {
    const { lamport, host } = this.#options;
    const stampNs = parseStamp(textParam(greeting, "stamp"));
    if (stampNs !== undefined && lamport.hear(stampNs)) return;
    throw new MarsError(
      `Cannot exchange links of "${from}" with "${host}": ` +
        `the clock of "${from}" is too far ahead`,
    );
  }

  /**
   * Merges links of a peer: (3) to (6).
   *
   * @returns what is newer here under the same paths, for the peer to know
   * @throws SyscallError
   */
  take(from: string, links: readonly Link[]): Link[] {
    const { tree, host } = this.#options;
    const before = tree.snapshot();
    const legal = links.filter((link) =>
      !isHere(before, link) && this.#isLegal(from, link)
    );
    const good = legal.filter((link) => !this.#isBuried(before, link));
    try {
      this.#tell(
        from,
        tree.apply(good, { host, sender: from, isChecked: true }),
      );
    } catch (error) {
      // Links before the one that failed were taken nevertheless.
      const after = tree.snapshot();
      const taken = good.filter((link) =>
        isHere(after, link) && !isHere(before, link)
      );
      this.#tell(from, taken);
      throw error;
    }
    return this.#newerThan(legal);
  }

  /** @param text missing from peers that do not tell it */
  #compareClock(from: string, text: unknown): void {
    const theirsNs = typeof text === "string" ? parseStamp(text) : undefined;
    if (theirsNs === undefined) this.#clockLeadNs.delete(from);
    else {
      const leadNs = theirsNs - this.#options.lamport.realNs;
      this.#clockLeadNs.set(from, leadNs);
    }
  }

  #newerThan(links: readonly Link[]): Link[] {
    const snapshot = this.snapshot();
    const newer = new Map<string, Link>();
    for (const link of links) {
      const own = snapshot.get(link.path) ?? this.#buriedAt(link.path);
      if (own !== undefined && isNewer(own, link) && this.isFit(own)) {
        newer.set(own.path, own);
      }
    }
    return [...newer.values()];
  }

  /** Lamport stamp of the newest message of each peer of this cluster. */
  heardNs(): ReadonlyMap<string, bigint> {
    return this.#heardNs;
  }

  /**
   * By how much the wall clock of each peer is ahead of ours, negative behind;
   * the way of the newest message is in it.
   */
  clockLeadNs(): ReadonlyMap<string, bigint> {
    return this.#clockLeadNs;
  }

  /** How many links of a peer were refused since the start. */
  refusedCount(from: string): number {
    return this.#refused.get(from) ?? 0;
  }

  /** Whether a peer would not refuse the link; others stay at home. */
  isFit(link: Link): boolean {
    return objectionTo(this.#options.host, link) === undefined;
  }

  /**
   * A tombstone is not stored where there is no link. But a message that was
   * sent before the deletion may arrive after the tombstone, by another way,
   * and would bring the link back: so tombstones are remembered for a while.
   * The tree gets them nevertheless: where no link is, there may be a log, which
   * was still needed the last time.
   */
  #isBuried(snapshot: Snapshot, link: Link): boolean {
    const { path } = link;
    const tombstone = this.#buriedAt(path);
    if (snapshot.get(path) !== undefined) {
      this.#buried.delete(path);
      return false;
    }
    if (tombstone !== undefined && !isNewer(link, tombstone)) {
      return link.value !== TOMBSTONE;
    }
    this.#buried.delete(path);
    if (link.value !== TOMBSTONE) return false;
    this.#buried.set(path, link);
    for (const oldest of this.#buried.keys()) {
      if (this.#buried.size <= BURIED_LINKS_MAX) break;
      this.#buried.delete(oldest);
    }
    return false;
  }

  /**
   * One with a stamp ahead of the clock is of before the clock fell back. Links
   * are stamped anew then; what was deleted before does not count any more.
   */
  #buriedAt(path: string): Link | undefined {
    const tombstone = this.#buried.get(path);
    const isOfBefore = tombstone !== undefined &&
      tombstone.stampNs > this.#options.lamport.now();
    return isOfBefore ? undefined : tombstone;
  }

  #tell(from: string, taken: readonly Link[]): void {
    if (taken.length > 0) this.#options.onTaken(taken, from);
  }

  #isLegal(from: string, link: Link): boolean {
    const objection = objectionTo(from, link) ?? this.#stampObjection(link);
    if (objection === undefined) return true;
    const count = this.refusedCount(from);
    this.#refused.set(from, count + 1);
    if (count > 0) return false;
    trace.warn("transfer", "Link refused; further ones are only counted", {
      peer: from,
      path: link.path,
      reason: objection,
    });
    return false;
  }

  #stampObjection(link: Link): string | undefined {
    return this.#options.lamport.observe(link.stampNs)
      ? undefined
      : "its stamp is too far in the future";
  }
}

/** All names of a cluster; none of a host without one. */
function namesOf(uuid: string, merged: readonly string[]): readonly string[] {
  return uuid === "" ? [] : [uuid, ...merged];
}

function isHere(snapshot: Snapshot, link: Link): boolean {
  const own = snapshot.get(link.path);
  return own !== undefined && isSameLink(own, link);
}
