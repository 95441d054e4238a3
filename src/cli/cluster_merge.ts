/**
 * merge-cluster: two clusters become one.
 *
 *   1  this host and the peer meet; see `acquaint.ts`
 *   2  the peer's links are fetched beside the own tree; see `probe.ts`
 *   3  if names of resources or hosts collide, that is all
 *   4  both names of clusters become names of this one, and its own is written
 *      anew, so that it wins; the peer's hosts get provisional addresses
 *   5  the daemons of both hosts now find that they belong together, exchange
 *      all links, and pass them on to all others
 *   6  by ssh, all hosts of one side get the keys of all hosts of the other
 *
 * Before the last link of step 4 nothing has happened; after it, everything
 * happens by itself, whether the command lives or not. Hosts that are away
 * meanwhile come in later: see `tree/cluster.ts`. Step 4 may be repeated.
 *
 * Trust is between two hosts: those of both sides that have not met exchange
 * no logs. Links reach them through others.
 *
 * Source: `marsadm`; it compares names of resources the wrong way round.
 */
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { formatCount } from "../base/figures.ts";
import { MS_PER_S } from "../base/time.ts";
import { linkPath } from "../tree/path.ts";
import {
  adviceFor,
  askBySsh,
  meetByToken,
  strangersAmong,
  tellKeysBySsh,
} from "./acquaint.ts";
import { addressConflicts, addressOfHost, typedAddress } from "./address.ts";
import { checkName } from "./arguments.ts";
import {
  type ClusterFacts,
  encodeFacts,
  factLines,
  factsOf,
  isOneCluster,
  mergeObstacles,
} from "./cluster_facts.ts";
import { checkIsSelf } from "./cluster_create.ts";
import { writeProvisional } from "./cluster_join.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { ASK } from "./peers_alive.ts";
import { Probe } from "./probe.ts";

export const MERGE_COMMANDS: readonly Command[] = [
  {
    name: "merge-cluster",
    usage: "PEER [ADDRESS] [--token=TOKEN|--ssh]",
    summary: "Make the cluster of PEER and that of this host one",
    details:
      "Names of resources must differ. The name of this host's cluster stays. With --ssh root must be able to ssh to all hosts of both clusters; then all keys are exchanged, too.",
    subject: "none",
    wordsMin: 1,
    wordsMax: 2,
    phases: (desk, _resource, words) => new Merge(desk, words).phases(),
  },
  {
    name: "merge-cluster-check",
    usage: "PEER [ADDRESS] [--token=TOKEN|--ssh]",
    summary: "Say what merge-cluster would do, or why it cannot",
    subject: "none",
    wordsMin: 1,
    wordsMax: 2,
    phases: (desk, _resource, words) => new Merge(desk, words).check(),
  },
  {
    name: "merge-cluster-list",
    usage: "[--json]",
    summary: "Print the cluster, its hosts and its resources",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk) => {
      const facts = factsOf(desk.look());
      if (desk.options.json) desk.print(encodeFacts(facts));
      else for (const line of factLines(facts)) desk.print(line);
    },
  },
];

/** Ours. How often the peer is asked whether it knows everything. */
const ASK_MS = MS_PER_S;

class Merge {
  readonly #desk: Desk;
  readonly #peer: string;
  readonly #word: string | undefined;
  readonly #failures: string[] = [];
  #address = "";
  #probe: Probe | undefined;
  #askAtMs = 0;
  /** Both sides before anything is done. */
  #own: ClusterFacts | undefined;
  #theirs: ClusterFacts | undefined;

  constructor(desk: Desk, [peer = "", word]: readonly string[]) {
    this.#desk = desk;
    this.#peer = peer;
    this.#word = word;
  }

  phases(): readonly Phase[] {
    return [
      { title: "meet the peer", act: () => this.#meet() },
      ...this.#look(),
      { title: "make both clusters one", act: () => this.#merge() },
      {
        title: "let both hosts know everything",
        goal: "both hosts to know everything",
        until: () => this.#untold(),
      },
      { title: "exchange all keys", act: () => this.#exchangeKeys() },
      { title: "tell what remains", act: () => this.#tellRest() },
    ];
  }

  check(): readonly Phase[] {
    const bySsh = this.#desk.options.ssh.isWanted;
    return [
      {
        title: "meet the peer",
        act: async () => {
          if (bySsh) await this.#askBySsh();
          else await this.#meet();
        },
      },
      ...this.#look(),
      { title: "clear away", act: () => this.#probe?.clear() },
    ];
  }

  async #meet(): Promise<void> {
    const desk = this.#desk;
    checkIsSelf(desk, "merge clusters");
    await this.#prepare();
    const { tokens } = desk.options;
    const { keys } = desk.effects;
    if (desk.options.ssh.isWanted) {
      const { keyLine } = await this.#askBySsh();
      if (!desk.options.dryRun) {
        const own = await keys.ownLine();
        await tellKeysBySsh(desk, this.#peer, this.#address, [own]);
        await keys.trust(keyLine);
      }
    } else if (tokens[0] !== undefined) {
      await this.#redeem(tokens[0]);
    } else if (!(await keys.hosts()).includes(this.#peer)) {
      throw new UsageError(
        `Cannot merge with "${this.#peer}" without trust: type mars token create there, then --token=TOKEN here; or --ssh, if root may ssh there`,
      );
    }
    if (!desk.isDaemonRunning()) {
      throw new MarsError(
        "Cannot merge clusters: no daemon runs here; start it",
      );
    }
    this.#probe = new Probe(desk, this.#peer, this.#address);
  }

  /** @throws UsageError, RefusedError */
  async #prepare(): Promise<void> {
    const desk = this.#desk;
    checkName(this.#peer, "host");
    if (this.#peer === desk.host) {
      throw new RefusedError("Cannot merge clusters", [
        "the peer is this host",
      ]);
    }
    const typed = typedAddress(desk, this.#peer, this.#word);
    const conflicts = addressConflicts(desk.look(), this.#peer, typed);
    if (conflicts.length > 0) {
      throw new RefusedError("Cannot merge clusters", conflicts);
    }
    this.#own = factsOf(desk.look());
    const { tokens } = desk.options;
    if (tokens.length > 0 && !desk.options.ssh.isWanted) return;
    this.#address = await addressOfHost(desk, this.#peer, this.#word);
  }

  async #redeem(token: string): Promise<void> {
    const desk = this.#desk;
    const maker = await desk.effects.keys.inviterOf(token);
    if (maker !== this.#peer) {
      throw new UsageError(
        `Cannot merge with "${this.#peer}": the token is one of "${maker}"`,
      );
    }
    const { addresses } = await meetByToken(desk, token, {
      purpose: "merge",
      cluster: this.#own?.uuid,
      address: typedAddress(desk, maker, this.#word),
    });
    this.#address = addresses.get(maker) ??
      await addressOfHost(desk, maker, this.#word);
  }

  async #askBySsh() {
    await this.#prepare();
    const answer = await askBySsh(this.#desk, this.#peer, this.#address);
    this.#theirs = answer.facts;
    return answer;
  }

  /** Fetches the links of the peer, and compares. */
  #look(): readonly Phase[] {
    return [
      {
        title: "fetch the links of the peer",
        goal: "the links of the peer",
        act: () => {
          this.#probe?.clear();
          this.#probe?.start();
        },
        until: () => {
          if (this.#probe === undefined) return [];
          this.#theirs = this.#probe.answer();
          return this.#theirs === undefined
            ? [
              `"${this.#peer}" has sent nothing from "${this.#address}"; does its daemon run, and does it trust this host?`,
            ]
            : [];
        },
      },
      { title: "compare both clusters", act: () => this.#compare() },
    ];
  }

  /** @throws RefusedError, also with --force: nothing could take it apart */
  #compare(): void {
    const desk = this.#desk;
    const own = this.#own;
    const theirs = this.#theirs;
    // A dry run has fetched nothing.
    if (own === undefined || theirs === undefined) return;
    const obstacles = mergeObstacles(own, theirs);
    if (obstacles.length > 0) {
      this.#probe?.clear();
      throw new RefusedError(
        `Cannot merge the clusters of "${desk.host}" and "${this.#peer}"`,
        obstacles,
      );
    }
    if (isOneCluster(own, theirs)) {
      desk.print(`Both are in cluster "${own.uuid}" already`);
      return;
    }
    for (const facts of [own, theirs]) {
      desk.print(
        `Cluster "${facts.uuid}": ${facts.addresses.size} hosts, ${facts.resources.length} resources`,
      );
    }
    desk.print(`They can become one, by the name of "${own.uuid}"`);
  }

  #merge(): void {
    const desk = this.#desk;
    const own = this.#own;
    const theirs = this.#theirs;
    if (own?.uuid === undefined || theirs?.uuid === undefined) return;
    const addresses = new Map(theirs.addresses);
    addresses.set(this.#peer, this.#address);
    writeProvisional(desk, addresses, []);
    const names = isOneCluster(own, theirs) ? [] : [own.uuid, theirs.uuid];
    desk.write([
      // The door opens with the second one.
      ...names.map((name) => ({
        path: linkPath.merged(name),
        value: own.uuid ?? "",
      })),
      // Newer than theirs.
      ...names.slice(0, 1).map((value) => ({ path: linkPath.uuid, value })),
    ], ASK.fully);
    this.#probe?.start();
  }

  /** What this host or the peer does not know yet. */
  #untold(): readonly string[] {
    const desk = this.#desk;
    const { clock } = desk;
    const found = this.#probe?.answer();
    const own = factsOf(desk.look());
    const all = [...this.#own?.addresses.keys() ?? []];
    all.push(...this.#theirs?.addresses.keys() ?? []);
    const untold = [
      ...all.filter((host) => !own.addresses.has(host))
        .map((host) => `this host does not know "${host}"`),
      ...(found === undefined
        ? [`"${this.#peer}" has not answered`]
        : this.#unknownTo(found, all, own.uuid)),
    ];
    if (untold.length > 0 && clock.monotonicMs() >= this.#askAtMs) {
      this.#askAtMs = clock.monotonicMs() + ASK_MS;
      desk.trigger(ASK.everybody);
      this.#probe?.start();
    }
    return untold;
  }

  #unknownTo(
    peer: ClusterFacts,
    hosts: readonly string[],
    uuid: string | undefined,
  ): string[] {
    return [
      ...hosts.filter((host) => !peer.addresses.has(host))
        .map((host) => `"${this.#peer}" does not know "${host}"`),
      ...(peer.uuid === uuid
        ? []
        : [`"${this.#peer}" is in cluster "${peer.uuid}"`]),
    ];
  }

  /** All hosts of one side learn the keys of all hosts of the other. */
  async #exchangeKeys(): Promise<void> {
    const desk = this.#desk;
    if (!desk.options.ssh.isWanted || desk.options.dryRun) return;
    const { keys } = desk.effects;
    const ownLines = new Map([[desk.host, await keys.ownLine()]]);
    const theirLines = new Map<string, string>();
    const sides = [
      { facts: this.#own, lines: ownLines, others: theirLines },
      { facts: this.#theirs, lines: theirLines, others: ownLines },
    ];
    for (const { facts, lines } of sides) {
      for (const [host, address] of facts?.addresses ?? []) {
        if (host === desk.host) continue;
        await this.#attempt(async () => {
          lines.set(host, (await askBySsh(desk, host, address)).keyLine);
        });
      }
    }
    for (const { facts, lines, others } of sides) {
      for (const host of lines.keys()) {
        const address = facts?.addresses.get(host);
        await this.#attempt(() =>
          host === desk.host
            ? this.#trustAll(others.values())
            : tellKeysBySsh(desk, host, address, [...others.values()])
        );
      }
    }
  }

  async #trustAll(lines: Iterable<string>): Promise<void> {
    for (const line of lines) await this.#desk.effects.keys.trust(line);
  }

  /** A host that cannot be met keeps nobody else from it. */
  async #attempt(act: () => Promise<void>): Promise<void> {
    this.#desk.checkInterruption();
    try {
      await act();
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      this.#failures.push(error.message);
    }
  }

  async #tellRest(): Promise<void> {
    const desk = this.#desk;
    this.#probe?.clear();
    if (desk.options.dryRun) return;
    const { addresses, uuid } = factsOf(desk.look());
    desk.print(
      `Cluster "${uuid}" has ${formatCount(addresses.size, "host")} now`,
    );
    const missing = await strangersAmong(desk, addresses.keys());
    for (const line of adviceFor(desk, missing, this.#peer)) desk.print(line);
    const others = [...this.#own?.addresses.keys() ?? []]
      .filter((host) => host !== desk.host);
    if (!desk.options.ssh.isWanted && others.length > 0) {
      desk.print(
        `Trust is between two hosts: type join-cluster on ${
          others.join(", ")
        }, too`,
      );
    }
    if (this.#failures.length > 0) {
      throw new MarsError(
        `Merged, but not all keys were exchanged: ${this.#failures.join("; ")}`,
      );
    }
  }
}
