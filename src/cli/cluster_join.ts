/**
 * join-cluster: a host comes into a cluster.
 *
 *   1  it meets one member or more; see `acquaint.ts`
 *   2  it writes what makes it a member, and provisionally what it was told
 *   3  the daemons exchange links: what was provisional is replaced
 *   4  it says which members do not trust it yet
 *
 * Provisional links have a stamp that loses against any other. So a join that
 * ends half-way leaves nothing that could harm the cluster, and can be typed
 * again. Without a daemon the links are exchanged when it starts.
 *
 * A host that is a member already may type it again to meet further members.
 */
import {
  MarsError,
  RefusedError,
  UnreachableError,
  UsageError,
} from "../base/errors.ts";
import { clusterOf, isSameCluster, mergedClusters } from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { ANY_UUID, TOMBSTONE } from "../tree/values.ts";
import {
  type Acquaintance,
  adviceFor,
  askBySsh,
  meetByToken,
  strangersAmong,
  tellKeysBySsh,
} from "./acquaint.ts";
import {
  addressConflicts,
  addressOfHost,
  ownAddress,
  typedAddress,
} from "./address.ts";
import { checkName } from "./arguments.ts";
import {
  checkIsSelf,
  makeDirectories,
  membership,
  rootObstacles,
} from "./cluster_create.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { ASK } from "./peers_alive.ts";

export const JOIN_COMMANDS: readonly Command[] = [
  {
    name: "join-cluster",
    usage: "[PEER [ADDRESS]] [--token=TOKEN…|--ssh] [--ip=ADDRESS[:PORT]]",
    summary: "Enter a cluster, with tokens that its members made or by ssh",
    details:
      "Without a token and without --ssh both hosts must trust each other's keys already, see key trust. With --ssh all members are met at once. On a member it meets further members.",
    subject: "none",
    wordsMin: 0,
    wordsMax: 2,
    phases: (desk, _resource, words) => new Join(desk, words).phases(),
  },
];

/** Prescribed by MARS: one second after 1970 loses against anything. */
const PROVISIONAL_NS = 1_000_000_000n;

class Join {
  readonly #desk: Desk;
  readonly #peer: string | undefined;
  readonly #word: string | undefined;
  /** Hosts that this one has met. */
  readonly #met: string[] = [];
  /** Why some members could not be met. */
  readonly #failures: string[] = [];

  constructor(desk: Desk, [peer, word]: readonly string[]) {
    this.#desk = desk;
    this.#peer = peer;
    this.#word = word;
  }

  phases(): readonly Phase[] {
    return [
      { title: "meet members", act: () => this.#meet() },
      {
        title: "receive the links of the cluster",
        act: () => this.#hurry(),
        goal: "the links of the cluster",
        until: (snapshot) => this.#obstacles(snapshot),
      },
      { title: "tell what remains", act: () => this.#tellRest() },
    ];
  }

  async #meet(): Promise<void> {
    const desk = this.#desk;
    const peer = this.#peer;
    checkIsSelf(desk, "join a cluster");
    if (peer !== undefined) checkName(peer, "host");
    const snapshot = desk.snapshot();
    const { tokens } = desk.options;
    const inviters = await Promise.all(
      tokens.map((token) => desk.effects.keys.inviterOf(token)),
    );
    this.#check(snapshot, inviters);
    for (const token of tokens) await this.#meetMaker(token);
    const first = peer ?? inviters[0];
    if (desk.options.ssh.isWanted) await this.#meetAllBySsh(first);
    else if (tokens.length === 0) await this.#meetFriend(first);
  }

  /** @throws UsageError, RefusedError before anything is done */
  #check(snapshot: Snapshot, inviters: readonly string[]): void {
    const desk = this.#desk;
    const peer = this.#peer;
    if (peer !== undefined && inviters.length > 0 && !inviters.includes(peer)) {
      throw new UsageError(
        `Cannot join "${peer}": the token is one of "${inviters.join(", ")}"`,
      );
    }
    const conflicts: string[] = [];
    for (const host of new Set([...inviters, ...(peer ? [peer] : [])])) {
      if (host === desk.host) {
        throw new RefusedError(`Cannot join "${host}"`, ["it is this host"]);
      }
      conflicts.push(...addressConflicts(snapshot, host, this.#typed(host)));
    }
    if (conflicts.length > 0) {
      throw new RefusedError("Cannot join a cluster", conflicts);
    }
    const obstacles = rootObstacles(desk);
    const isNew = clusterOf(snapshot) === undefined;
    const resources = snapshot.resources().filter((resource) =>
      snapshot.value(linkPath.size(resource)) !== undefined
    );
    if (isNew && resources.length > 0) {
      obstacles.push(
        `this host has resources of its own: ${resources.join(", ")}`,
      );
    }
    refuseIf("join a cluster", obstacles, desk.options);
  }

  /** What the command line says; the word belongs to the first name. */
  #typed(host: string): string | undefined {
    const word = host === this.#peer ? this.#word : undefined;
    return typedAddress(this.#desk, host, word);
  }

  async #meetMaker(token: string): Promise<void> {
    const desk = this.#desk;
    const maker = await desk.effects.keys.inviterOf(token);
    if (desk.options.dryRun) {
      desk.print(`meet "${maker}" with its token`);
      return;
    }
    const address = this.#typed(maker);
    try {
      this.#enter(
        await meetByToken(desk, token, {
          purpose: "join",
          cluster: clusterOf(desk.snapshot()),
          address,
        }),
      );
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      throw new UnreachableError(
        `${error.message}; does the daemon of "${maker}" run? If it is elsewhere, type --ip-${maker}=ADDRESS`,
        { cause: error },
      );
    }
  }

  /** @throws MarsError if the first one cannot be met; others are told later */
  async #meetAllBySsh(first: string | undefined): Promise<void> {
    const desk = this.#desk;
    if (first === undefined) {
      throw new UsageError("Cannot join: type join-cluster PEER --ssh");
    }
    if (desk.options.dryRun) {
      desk.print(`meet "${first}" and all members that it knows, by ssh`);
      return;
    }
    const addresses = await this.#meetBySsh(first, this.#typed(first));
    for (const [host, address] of addresses) {
      if (host === desk.host || this.#met.includes(host)) continue;
      desk.checkInterruption();
      try {
        await this.#meetBySsh(host, address);
      } catch (error) {
        if (!(error instanceof MarsError)) throw error;
        this.#failures.push(error.message);
      }
    }
  }

  /** @returns addresses of the members that it knows */
  async #meetBySsh(
    host: string,
    address: string | undefined,
  ): Promise<ReadonlyMap<string, string>> {
    const desk = this.#desk;
    const { keys } = desk.effects;
    const { keyLine, facts } = await askBySsh(desk, host, address);
    if (facts.uuid === undefined) {
      throw new RefusedError(`Cannot join "${host}"`, [
        "it belongs to no cluster; type create-cluster there",
      ]);
    }
    this.#checkCluster(host, [facts.uuid, ...facts.merged]);
    await tellKeysBySsh(desk, host, address, [await keys.ownLine()]);
    await keys.trust(keyLine);
    const addresses = new Map(facts.addresses);
    const typed = this.#typed(host);
    if (typed !== undefined) addresses.set(host, typed);
    this.#enter({ peer: host, uuid: facts.uuid, addresses });
    return addresses;
  }

  /** Both sides trust each other already; the daemons find out the rest. */
  async #meetFriend(peer: string | undefined): Promise<void> {
    const desk = this.#desk;
    const isKnown = peer !== undefined &&
      (await desk.effects.keys.hosts()).includes(peer);
    if (!isKnown) {
      throw new UsageError(
        `Cannot join "${
          peer ?? "a cluster"
        }" without trust: type mars token create on a member, then --token=TOKEN here; or --ssh, if root may ssh there`,
      );
    }
    const address = await addressOfHost(desk, peer, this.#word);
    this.#enter({
      peer,
      uuid: ANY_UUID,
      addresses: new Map([[peer, address]]),
    });
  }

  /** @throws RefusedError */
  #checkCluster(peer: string, theirs: readonly string[]): void {
    const snapshot = this.#desk.snapshot();
    const own = clusterOf(snapshot);
    if (own === undefined) return;
    if (isSameCluster([own, ...mergedClusters(snapshot)], theirs)) return;
    throw new RefusedError(`Cannot join "${peer}"`, [
      `it belongs to cluster "${
        theirs[0]
      }", this host to "${own}"; type merge-cluster`,
    ]);
  }

  /** Writes what a member told. */
  #enter({ peer, uuid, addresses }: Acquaintance): void {
    const desk = this.#desk;
    if (uuid !== ANY_UUID) this.#checkCluster(peer, [uuid]);
    makeDirectories(desk);
    writeProvisional(desk, addresses, [
      ...(clusterOf(desk.snapshot()) === undefined
        ? [{ path: linkPath.uuid, value: uuid }]
        : []),
    ]);
    desk.write(membership(desk, ownAddress(desk)), ASK.fully);
    this.#met.push(peer);
    desk.print(
      uuid === ANY_UUID
        ? `Asking "${peer}", whose key is known`
        : `Joined "${peer}", cluster "${uuid}"`,
    );
  }

  #hurry(): void {
    const desk = this.#desk;
    if (this.#met.length === 0) return;
    if (desk.isDaemonRunning()) desk.trigger(ASK.fully);
    else desk.print("No daemon runs here; links arrive when one does");
  }

  #obstacles(snapshot: Snapshot): readonly string[] {
    if (!this.#desk.isDaemonRunning()) return [];
    return this.#met.filter((peer) =>
      clusterOf(snapshot) === undefined ||
      (snapshot.stampNs(linkPath.ip(peer)) ?? 0n) <= PROVISIONAL_NS
    ).map((peer) =>
      `no links of "${peer}" have come; does its daemon run, and does it trust this host? See mars key trust`
    );
  }

  async #tellRest(): Promise<void> {
    const desk = this.#desk;
    if (desk.options.dryRun) return;
    const missing = await strangersAmong(desk, desk.look().hosts());
    const friend = this.#met[0] ?? "PEER";
    for (const line of adviceFor(desk, missing, friend)) desk.print(line);
    if (this.#failures.length > 0) {
      throw new MarsError(
        `Joined, but not all members were met: ${this.#failures.join("; ")}`,
      );
    }
  }
}

/**
 * Writes links that lose against any other: addresses of hosts that have none
 * here, and `others`. Where this host has a tombstone of them, it goes: it is
 * about an earlier time.
 */
export function writeProvisional(
  desk: Desk,
  addresses: ReadonlyMap<string, string>,
  others: readonly LinkWrite[],
): void {
  const snapshot = desk.snapshot();
  const links: LinkWrite[] = [...others];
  for (const [host, value] of addresses) {
    const path = linkPath.ip(host);
    const isMissing = snapshot.value(path) === undefined;
    if (host !== desk.host && isMissing) links.push({ path, value });
  }
  for (const { path } of links) {
    if (snapshot.isTombstone(path)) desk.unlink(path, TOMBSTONE);
  }
  desk.write(links.map((link) => ({ ...link, stampNs: PROVISIONAL_NS })));
}
