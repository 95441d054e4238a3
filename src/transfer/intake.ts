/**
 * Where foreign links come in, on whichever line.
 *
 * Per message, in this order:
 *   (1) the sender's stamp must be believable; the own clock moves past it (I9)
 *   (2) both hosts must belong to the same cluster
 *   (3) links that no host may send are refused, counted, and traced once per
 *       sender; the others of the message are not affected
 *   (4) the tree merges the rest; it never takes what states what this host
 *       does (I8)
 *   (5) who owns the intake is told what was taken, to plan and to pass it on
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { trace } from "../base/trace.ts";
import type { JsonObject } from "../peer/rpc.ts";
import { objectionTo } from "../tree/merge.ts";
import { isSameLink, type Link, type Snapshot } from "../tree/snapshot.ts";
import type { TreeStore } from "../tree/store.ts";
import { ANY_UUID, formatStamp, parseStamp } from "../tree/values.ts";
import { textParam } from "./params.ts";

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
  readonly #options: IntakeOptions;
  readonly #refused = new Map<string, number>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  snapshot(): Snapshot {
    return this.#options.tree.snapshot();
  }

  /** What heads every message and reply. */
  greeting(): JsonObject {
    const { lamport, uuid } = this.#options;
    return { stamp: formatStamp(lamport.now()), uuid: uuid() ?? "" };
  }

  /** Checks the greeting of a peer: (1) and (2). @throws MarsError */
  admit(from: string, greeting: JsonObject): void {
    const { lamport, host } = this.#options;
    const stampNs = parseStamp(textParam(greeting, "stamp"));
    if (stampNs === undefined || !lamport.observe(stampNs)) {
      throw new MarsError(
        `Cannot exchange links of "${from}" with "${host}": ` +
          `the clock of "${from}" is too far ahead`,
      );
    }
    const theirs = textParam(greeting, "uuid");
    const own = this.#options.uuid() ?? "";
    const isSame = own !== "" && theirs !== "" &&
      (own === theirs || own === ANY_UUID || theirs === ANY_UUID);
    if (isSame) return;
    throw new MarsError(
      `Cannot exchange links of "${from}" with "${host}": they belong to ` +
        `different clusters, "${theirs}" and "${own}"`,
    );
  }

  /** Merges links of a peer: (3) to (5). @throws SyscallError */
  take(from: string, links: readonly Link[]): void {
    const { tree, host } = this.#options;
    const good = links.filter((link) => this.#isGood(from, link));
    const before = tree.snapshot();
    try {
      this.#tell(from, tree.apply(good, { host, sender: from }));
    } catch (error) {
      // Links before the one that failed were taken nevertheless.
      const after = tree.snapshot();
      this.#tell(
        from,
        good.filter((link) => isHere(after, link) && !isHere(before, link)),
      );
      throw error;
    }
  }

  /** How many links of a peer were refused since the start. */
  refusedCount(from: string): number {
    return this.#refused.get(from) ?? 0;
  }

  /** Whether a peer would not refuse the link; others stay at home. */
  isFit(link: Link): boolean {
    return objectionTo(this.#options.host, link) === undefined;
  }

  #tell(from: string, taken: readonly Link[]): void {
    if (taken.length > 0) this.#options.onTaken(taken, from);
  }

  #isGood(from: string, link: Link): boolean {
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

function isHere(snapshot: Snapshot, link: Link): boolean {
  const own = snapshot.get(link.path);
  return own !== undefined && isSameLink(own, link);
}
