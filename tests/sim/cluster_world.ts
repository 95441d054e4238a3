/**
 * A whole cluster from one seed: hosts, a network, clients, administrators, and
 * everything that can go wrong.
 *
 *   settle   a cluster with one resource and its members
 *   chaos    writes, commands, crashes, partitions, clocks, for some time
 *   peace    faults end, everybody runs; then all must agree
 *   repair   what commands have broken on purpose is repaired by commands
 *   rest     only before more chaos: what administrators tidy up now and then
 *
 * The invariants are checked as things happen, see `cluster_watch.ts`, and in
 * peace, see `cluster_checks.ts`.
 */
import { logFileName } from "../../src/base/names.ts";
import { MS_PER_S } from "../../src/base/time.ts";
import { linkPath } from "../../src/tree/path.ts";
import type { Link } from "../../src/tree/snapshot.ts";
import { checkPeace } from "./cluster_checks.ts";
import { repair } from "./cluster_repair.ts";
import { rest } from "./cluster_rest.ts";
import { ClusterWatch, type Subject } from "./cluster_watch.ts";
import { type Chaos, chaosOf } from "./chaos.ts";
import { SimHost } from "./host.ts";
import { SimNetwork } from "./network.ts";
import { Random } from "./random.ts";
import { DISK, DISK_BYTES, RESOURCE } from "./records.ts";
import { type Truth, Violation } from "./truth.ts";
import { VirtualTime } from "./virtual_time.ts";

const NAMES = ["alpha", "beta", "gamma", "delta", "omega"];
/** The last events that a report shows. */
const EVENTS_SHOWN = 60;
const POLL_MS = 250;

export interface WorldOptions {
  readonly seed: number;
  /** How long chaos lasts, in virtual time. */
  readonly chaosMs?: number;
  /** How often chaos, peace and repair follow each other; 1 by default. */
  readonly cycleCount?: number;
  /** All is repaired and tidied up; only if there is more than one cycle. */
  readonly onRest?: (world: ClusterWorld) => void;
  /** Names of the resources; one by default. */
  readonly resources?: readonly string[];
  /** Their logs share file systems that are small; see `share_chaos.ts`. */
  readonly isShared?: boolean;
  /** Every event as a line. */
  readonly onEvent?: (line: string) => void;
  /** Sees the world before it begins; tests break it here. */
  readonly onWorld?: (world: ClusterWorld) => void;
}

interface Led {
  readonly watch: ClusterWatch;
  readonly leader: SimHost | undefined;
}

/** Two resources whose logs share file systems. */
export const SHARED = {
  resources: [RESOURCE, "s"],
  isShared: true,
} as const satisfies Partial<WorldOptions>;

export interface Outcome {
  readonly seed: number;
  /** Of everything that happened, in order. */
  readonly hash: string;
  readonly stepCount: number;
  readonly writeCount: number;
  readonly virtualMs: number;
}

export class ClusterWorld {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly network: SimNetwork;
  /** One for each resource, the one that all runs have first. */
  readonly watches: readonly ClusterWatch[];
  readonly hosts: readonly SimHost[];
  chaos: Chaos;
  /** What happened last, newest last. */
  readonly #events: string[] = [];
  readonly #onEvent: (line: string) => void;
  readonly #repeatWith: string;
  #hash = 0x811c9dc5;
  /** Commands that administrators are waiting for. */
  readonly #pending = new Set<Promise<unknown>>();
  isChaos = false;
  readonly isShared: boolean;
  /** When any host wrote a link that tells more than that it lives. */
  lastWriteMs = 0;
  lastPath = "";

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.isShared = options.isShared ?? false;
    this.#onEvent = options.onEvent ?? (() => {});
    this.#repeatWith = repeatWith(options);
    this.random = new Random(options.seed);
    this.network = new SimNetwork(this.time, this.random);
    this.watches = subjectsOf(options).map((subject) =>
      new ClusterWatch(this, subject)
    );
    const hostCount = 2 + (this.random.chance(0.4) ? 1 : 0) +
      (this.random.chance(0.15) ? this.random.below(3) : 0);
    this.hosts = NAMES.slice(0, Math.min(hostCount, NAMES.length)).map((name) =>
      this.#newHost(name)
    );
    this.chaos = chaosOf(this, options.chaosMs);
  }

  /** Runs the whole life of a cluster. @throws SimFailure */
  static async run(options: WorldOptions): Promise<Outcome> {
    const world = new ClusterWorld(options);
    options.onWorld?.(world);
    using _timers = world.time.install();
    try {
      await world.#settle();
      const { cycleCount = 1, onRest } = options;
      for (let left = cycleCount; left > 0; left--) {
        await world.#rage();
        const leaders = await world.#calm();
        if (cycleCount === 1) break;
        for (const { watch, leader } of leaders) {
          await rest(world, watch, leader);
        }
        onRest?.(world);
        world.chaos = chaosOf(world, options.chaosMs);
      }
    } catch (error) {
      throw world.#failure(error);
    } finally {
      for (const host of world.hosts) host.cutPower();
      await world.time.end();
    }
    return {
      seed: options.seed,
      hash: (world.#hash >>> 0).toString(16),
      stepCount: world.time.stepCount,
      writeCount: world.truth.writeCount,
      virtualMs: world.time.nowMs,
    };
  }

  note(text: string): void {
    const line = `${(this.time.nowMs / 1_000).toFixed(3)} ${text}`;
    this.mix(line);
    this.#onEvent(line);
    this.#events.push(line);
    if (this.#events.length > EVENTS_SHOWN) this.#events.shift();
  }

  /** Lets the hash of the run depend on `text`. */
  mix(text: string): void {
    let hash = this.#hash;
    for (let at = 0; at < text.length; at++) {
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    }
    this.#hash = hash;
  }

  /** Of the resource that all runs have. */
  get watch(): ClusterWatch {
    const [first] = this.watches;
    if (first === undefined) throw new Error("a world has a resource");
    return first;
  }

  get truth(): Truth {
    return this.watch.truth;
  }

  watchOf(resource: string): ClusterWatch {
    const watch = this.watches.find((other) => other.resource === resource);
    if (watch === undefined) throw new Error(`no resource "${resource}"`);
    return watch;
  }

  /** Any of them; without a choice nothing is drawn. */
  anyWatch(): ClusterWatch {
    const index = this.watches.length === 1
      ? 0
      : this.random.below(this.watches.length);
    return this.watches[index] ?? this.watch;
  }

  host(name: string): SimHost | undefined {
    return this.hosts.find((host) => host.name === name);
  }

  anyHost(): SimHost {
    const host = this.hosts[this.random.below(this.hosts.length)];
    if (host === undefined) throw new Error("a world has hosts");
    return host;
  }

  /** An administrator types a command; nobody waits for the end here. */
  type(host: SimHost, ...words: string[]): void {
    this.track(this.typeAndWait(host, ...words));
  }

  /** Peace waits for `work`. */
  track(work: Promise<unknown>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  async typeAndWait(
    host: SimHost,
    ...words: string[]
  ): Promise<string | undefined> {
    for (const watch of this.watches) {
      if (words.includes(watch.resource)) watch.onCommand(host, words);
    }
    const { error } = await host.command(words);
    return error;
  }

  /** The same of a command that must succeed. @throws Violation */
  async must(host: SimHost, ...words: string[]): Promise<void> {
    const error = await this.finish(this.typeAndWait(host, ...words));
    if (error === undefined) return;
    throw new Violation(`"${words.join(" ")}" on ${host.name}: ${error}`);
  }

  get isTyping(): boolean {
    return this.#pending.size > 0;
  }

  /** Lets time pass until nothing is left. @throws Violation after `limitMs` */
  async until(limitMs: number, left: () => string | undefined): Promise<void> {
    const error = await this.wait(limitMs, left);
    if (error !== undefined) throw new Violation(error);
  }

  /** The same; what is left after `limitMs` is the result. */
  async wait(
    limitMs: number,
    left: () => string | undefined,
  ): Promise<string | undefined> {
    const endMs = this.time.nowMs + limitMs;
    let rest = left();
    while (rest !== undefined && this.time.nowMs < endMs) {
      await this.time.run(this.time.nowMs + POLL_MS);
      rest = left();
    }
    return rest;
  }

  /** Lets time pass until `work` has ended. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const noted = work.finally(() => isOver = true);
    await this.time.run(this.time.nowMs + 3_600_000, () => isOver);
    return await noted;
  }

  #newHost(name: string): SimHost {
    const host = new SimHost({
      name,
      time: this.time,
      random: this.random,
      network: this.network,
      watchOf: (resource) => this.watchOf(resource),
      note: (text) => this.note(text),
    });
    for (const { diskPath } of this.watches) {
      host.files.addDisk(diskPath, DISK_BYTES);
    }
    host.files.onLink = (path, value, stampNs) =>
      this.#onLink(host, { path, value, stampNs });
    return host;
  }

  #onLink(host: SimHost, link: Link): void {
    const { path, value, stampNs } = link;
    this.mix(`${host.name} ${path} ${value} ${stampNs}`);
    if (!isPulse(path)) {
      this.lastWriteMs = this.time.nowMs;
      this.lastPath = `${host.name} ${path} -> ${value}`;
    }
    const watch = this.watches.find(({ resource }) =>
      path.startsWith(`${linkPath.resource(resource)}/`)
    );
    (watch ?? this.watch).onLink(host, link);
  }

  async #settle(): Promise<void> {
    const [first, ...others] = this.hosts;
    if (first === undefined) return;
    for (const host of this.hosts) {
      const links: Record<string, string> = { uuid: "alpha_1.000000000" };
      for (const { name } of this.hosts) {
        links[linkPath.ip(name)] = `10.0.0.${NAMES.indexOf(name) + 1}`;
      }
      host.writeLinks(links);
      host.start();
    }
    for (const { resource, diskPath } of this.watches) {
      await this.must(first, "create-resource", resource, diskPath);
      for (const host of others) {
        if (host !== others[0] && this.random.chance(0.1)) continue;
        await this.must(host, "join-resource", resource, diskPath);
      }
    }
  }

  async #rage(): Promise<void> {
    this.isChaos = true;
    const endMs = this.time.nowMs + this.chaos.durationMs;
    while (this.time.nowMs < endMs) {
      const pauseMs = this.chaos.pauseMs();
      await this.time.run(this.time.nowMs + pauseMs);
      this.chaos.act();
    }
    this.isChaos = false;
    this.note("peace");
  }

  /** Who is primary then; undefined if nobody has the data any more. */
  async #calm(): Promise<Led[]> {
    this.chaos.end();
    await checkPeace(this);
    const leaders: Led[] = [];
    for (const watch of this.watches) {
      leaders.push({ watch, leader: await repair(this, watch) });
    }
    return leaders;
  }

  #failure(error: unknown): SimFailure {
    return new SimFailure(
      [
        `${error instanceof Violation ? "" : "Unforeseen: "}${
          error instanceof Error ? error.stack ?? error.message : error
        }`,
        `seed ${this.seed}, step ${this.time.stepCount}, ` +
        `after ${(this.time.nowMs / 1_000).toFixed(3)} s; the last events:`,
        ...this.#events.map((line) => `  ${line}`),
        ...this.hosts.flatMap((host) =>
          this.watches.flatMap(({ resource }) => describe(host, resource))
        ),
        `Repeat with: ${this.#repeatWith}`,
      ].join("\n"),
      { cause: error },
    );
  }
}

function subjectsOf({ resources = [RESOURCE] }: WorldOptions): Subject[] {
  return resources.map((resource) => ({
    resource,
    diskPath: resource === RESOURCE ? DISK : `${DISK}-${resource}`,
  }));
}

/** Links that a living host writes again and again. */
function isPulse(path: string): boolean {
  // A fetch that finds nothing tries again each second.
  return /^actual-[^/]+\/(time|alive|read-stamp)$|\/is-(primary|copying)$/
    .test(path);
}

/** The command that does the same again. */
function repeatWith(options: WorldOptions): string {
  const { seed, chaosMs, cycleCount, isShared = false } = options;
  const one = `make sim SEED=${seed} COUNT=1${isShared ? " SHARED=1" : ""}`;
  if (chaosMs === undefined) return one;
  const chaos = `${one} CHAOS=${chaosMs / MS_PER_S}`;
  return cycleCount === undefined ? chaos : `${chaos} CYCLES=${cycleCount}`;
}

/** What a host does and says. */
function describe(host: SimHost, resource: string): string[] {
  const logs = host.files.listLogs(linkPath.resource(resource))
    .map(({ log, sizeBytes }) => `${logFileName(log)}:${sizeBytes}`);
  const telling = new RegExp(
    `^${linkPath.resource(resource)}/` +
      ".*(msg-inf-|msg-err-|replay-|version-|syncstatus-|todo-)",
  );
  return [
    `  ${host.name}, ${resource}: ${
      host.isRunning ? "running" : "down"
    }, worker ${host.worker(resource)?.describe() ?? "none"}, logs ${
      logs.join(" ")
    }`,
    ...[...host.look().all()]
      .filter(({ path, value }) => telling.test(path) && value !== "OK")
      .map(({ path, value }) => `    ${path} -> ${value}`),
  ];
}

/** A run that went wrong, with all that is needed to repeat it. */
export class SimFailure extends Error {
  override readonly name = "SimFailure";
}
