/**
 * Probes: the links of a peer beside the own tree, merged with nothing.
 *
 *   trigger "f PEER ADDRESS /mars/probe-<host>"
 *   probe-<host>/mars/…      the links of the peer
 *   probe-<host>/got-<peer>  "1" when all of them are there
 *
 * Both hosts must trust each other; they may belong to different clusters. The
 * daemon fetches, so one must run here and one there.
 *
 * Source: `marsadm`, merge of clusters.
 */
import { MS_PER_S, NS_PER_MS } from "../base/time.ts";
import { type ClusterFacts, factsOf } from "./cluster_facts.ts";
import type { Desk } from "./command.ts";

/** Ours. A fetch takes milliseconds; one that fails is asked for again. */
const AGAIN_MS = 5 * MS_PER_S;

export class Probe {
  readonly #desk: Desk;
  readonly #peer: string;
  readonly #address: string;
  #startNs = 0n;
  #askedMs = 0;

  constructor(desk: Desk, peer: string, address: string) {
    this.#desk = desk;
    this.#peer = peer;
    this.#address = address;
  }

  /** Forgets what an earlier one has brought. */
  clear(): void {
    if (this.#desk.options.dryRun) return;
    this.#desk.effects.machine.removeDirectory(this.#directory);
  }

  start(): void {
    this.#startNs = this.#desk.nowNs();
    this.#ask();
  }

  /** What the peer has said since the start; undefined until it has. */
  answer(): ClusterFacts | undefined {
    const { machine } = this.#desk.effects;
    const stampNs = machine.lookInto(this.#directory)
      ?.stampNs(`got-${this.#peer}`);
    // Who only looks gets stamps in milliseconds.
    const startNs = this.#startNs - this.#startNs % NS_PER_MS;
    const tree = stampNs !== undefined && stampNs >= startNs
      ? machine.lookInto(`${this.#directory}/mars`)
      : undefined;
    if (tree !== undefined) return factsOf(tree);
    if (this.#desk.clock.monotonicMs() >= this.#askedMs + AGAIN_MS) this.#ask();
    return undefined;
  }

  get #directory(): string {
    return `probe-${this.#desk.host}`;
  }

  #ask(): void {
    this.#askedMs = this.#desk.clock.monotonicMs();
    this.#desk.trigger(
      `f ${this.#peer} ${this.#address} /mars/${this.#directory}`,
    );
  }
}
