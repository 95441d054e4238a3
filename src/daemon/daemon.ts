/**
 * The daemon: snapshot, plan, execute, publish, and again.
 *
 *   a link was written by a peer, a command, by hand
 *   a worker, a transfer, a line changed               ──►  wake
 *   a second has passed
 *
 *   round:  look at the tree → tell that we live → lines to peers
 *           → each resource that is due: `executor.step()`
 *
 * A round never waits for anything slow; what is slow runs beside it and wakes
 * when it is done. One resource that fails does not keep the others.
 *
 * All effects are in its parts: `start.ts` has those of a machine, a simulation
 * has its own.
 */
import type { LamportClock } from "../base/lamport.ts";
import type { Settings } from "../base/settings.ts";
import type { Clock } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { JsonObject } from "../peer/rpc.ts";
import type { JoinRequest } from "../peer/token.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import { FLIP_S } from "../resource/sync_turns.ts";
import { obstacleToSync } from "../resource/sync_limit.ts";
import { LinkIntake } from "../transfer/intake.ts";
import { linkPath, nameOf } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import type { LinkTree } from "../tree/store.ts";
import { parseCount } from "../tree/values.ts";
import { Alive } from "./alive.ts";
import { ClusterName } from "./cluster_name.ts";
import {
  clockMessages,
  connectionMessages,
  neededPeers,
} from "./connections.ts";
import type { ControlDesk } from "./control.ts";
import { Errands } from "./errands.ts";
import type { Round } from "./round.ts";
import { Failures } from "./failures.ts";
import { outdated } from "./handmade.ts";
import { infoText } from "./info.ts";
import { type LeftDevice, ownerless } from "./left_devices.ts";
import { Leftovers } from "./leftovers.ts";
import { Lookout } from "./lookout.ts";
import type { Stamps } from "./messages.ts";
import type { DaemonParts, PeerDoor, PeerServices } from "./parts.ts";
import { Peers } from "./peers.ts";
import { Resources } from "./resources.ts";
import { peerServices } from "./services.ts";
import {
  EmergencyWatch,
  evenReserves,
  RESERVE_BYTES,
  type Reserves,
  reservesIn,
  type Space,
  spaceFacts,
} from "./space.ts";
import { LOOK } from "./triggers.ts";
import { Traffic } from "./traffic.ts";
import { TreeTrouble } from "./tree_trouble.ts";
import { welcome } from "./welcome.ts";

export interface DaemonOptions {
  readonly settings: Settings;
  readonly buildTag: string;
  /** Size of each of the four space reserves. */
  readonly reserveBytes: number | undefined;
  /** How long the daemon had run whose place this one takes; 0: none. */
  readonly replacedMs: number;
  /** Ends the daemon. */
  readonly signal: AbortSignal;
  /** Called once when peers may connect, with the port. */
  readonly onReady: (port: number) => void;
}

// Ours. Level-triggered decisions are repeated so often even if nothing told.
const ROUND_MS = 1_000;
// Ours. Peers take a host as dead after 30 s.
const ALIVE_MS = 3_000;
// Ours. Whoever waits for a sign of life asks for one, but not for more.
const ALIVE_MS_MIN = 200;
// Ours. How long a host that shall be primary waits for news of peers that
// cannot be reached, so that a newer decision can arrive first.
const LEAD_GRACE_MS = 3_000;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #settings: Settings;
  readonly #parts: DaemonParts;
  readonly #clock: Clock;
  readonly #lamport: LamportClock;
  readonly #tree: LinkTree;
  readonly #intake: LinkIntake;
  readonly #peers: Peers;
  readonly #lookout: Lookout;
  readonly #errands: Errands;
  readonly #resources: Resources;
  readonly #startedAtMs: number;
  readonly #standardReserves: Reserves;
  #isRunning = true;
  /** What peers are told or asked for in the next round, bits of `LOOK`. */
  #owedToPeers = 0;
  readonly #cluster: ClusterName;
  #isAwake = true;
  #wakeUp: () => void = () => {};
  #aliveAtMs = -Infinity;
  #aliveToldAtMs = -Infinity;
  readonly #emergency = new EmergencyWatch();
  readonly #alive: Alive;
  readonly #traffic: Traffic;
  readonly #handlers: PeerServices["handlers"];
  readonly #failures = new Failures();
  readonly #leftovers: Leftovers;
  #isTreeGone = false;
  readonly #trouble: TreeTrouble;
  /** As it was when it could be looked at last. */
  #space: Space;
  /** Of earlier daemons, and nobody's. */
  #left: readonly LeftDevice[] = [];

  /** @throws SyscallError */
  constructor(options: DaemonOptions, parts: DaemonParts) {
    this.#options = options;
    this.#settings = options.settings;
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#lamport = parts.lamport;
    this.#tree = parts.tree;
    this.#cluster = new ClusterName(this.#tree.snapshot());
    // What the one before has heard of peers holds for this one, too.
    this.#startedAtMs = this.#clock.monotonicMs() - options.replacedMs;
    this.#standardReserves = evenReserves(
      options.reserveBytes ?? RESERVE_BYTES,
    );
    this.#space = parts.space();
    const { host, marsDir } = this.#settings;
    this.#trouble = new TreeTrouble(marsDir);
    // Whatever an earlier process wrote and did not flush counts as durable.
    this.#tree.flush();
    this.#intake = new LinkIntake({
      tree: this.#tree,
      host,
      lamport: this.#lamport,
      uuid: () => this.#tree.snapshot().value(linkPath.uuid),
      onTaken: (links, from) => {
        this.#changed(links, from);
        this.#cluster.compare(this.#tree.snapshot());
      },
    });
    this.#traffic = new Traffic({
      host,
      clock: parts.clock,
      setOptions: parts.setSocketOptions,
    });
    this.#peers = new Peers({
      host,
      network: parts.network,
      intake: this.#intake,
      terms: this.#traffic,
      handlers: (trafficClass) => this.#handlers[trafficClass],
      onChange: () => this.#resources.wakeAll(),
    });
    this.#resources = new Resources({
      settings: options.settings,
      parts,
      tree: this.#tree,
      lines: this.#peers,
      failures: this.#failures,
      publish: (links) => this.#publish(links),
      isWatched: () => !this.#lookout.isPolling,
      now: () => this.#stamps(),
      wake: () => this.#wake(),
    });
    this.#handlers = peerServices(
      {
        host,
        files: parts.files,
        snapshot: () => this.#tree.snapshot(),
        running: (resource: string) => this.#resources.get(resource),
        crc: parts.crc,
      },
      this.#intake,
      {
        look: () => this.#look(LOOK.here),
        dial: (peer, trafficClass) => this.#peers.open(peer, trafficClass),
      },
    );
    this.#alive = new Alive({
      host,
      buildTag: options.buildTag,
      snapshot: this.#tree.snapshot(),
    });
    this.#lookout = new Lookout({
      tree: this.#tree,
      watch: parts.watch,
      lamport: this.#lamport,
      onChanged: (links, before) => this.#found(links, before),
      onCorrected: () => this.#peers.compareAgain(),
      onLog: (resource) => this.#resources.logsChanged(resource),
      wake: () => this.#wake(),
    });
    this.#leftovers = new Leftovers({
      host,
      marsDir,
      snapshot: () => this.#tree.snapshot(),
      hasHeard: (members) => this.#mayLead(members),
      isRunning: (resource) => this.#resources.get(resource) !== undefined,
      lock: parts.lock,
      logDirectory: parts.logDirectory,
      look: () => {
        this.#lookout.ask(true);
        this.#lookout.look(this.#clock.monotonicMs());
      },
      publish: (links) => this.#publish(links),
    }, this.#failures);
    this.#errands = new Errands({
      marsDir,
      host,
      disk: parts.disk,
      note: parts.note,
      lamport: this.#lamport,
      intake: this.#intake,
      peers: this.#peers,
      look: (mask) => this.#look(mask),
    });
  }

  /** Runs until `signal`. @throws MarsError if it cannot start */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => {
      this.#isRunning = false;
      this.#wake();
    };
    signal.addEventListener("abort", stop, { once: true });
    const control = this.#parts.openControl((text) => this.#errands.take(text));
    try {
      await this.#live(control);
    } finally {
      signal.removeEventListener("abort", stop);
      await this.#peers.close();
      await this.#errands.idle();
      await control.close();
    }
    trace.info("daemon", "Stopped");
  }

  /** Serves peers, and makes rounds until it is told to end. */
  async #live(control: ControlDesk): Promise<void> {
    const server = await this.#serve();
    const watching = this.#lookout.follow();
    trace.info("daemon", "Started", { port: server.port });
    this.#options.onReady(server.port);
    let toldAtMs = -Infinity;
    try {
      while (this.#isRunning && !this.#options.signal.aborted) {
        await this.#round();
        if (this.#aliveToldAtMs > toldAtMs) this.#tell(control);
        toldAtMs = this.#aliveToldAtMs;
        await this.#pause();
      }
      trace.info("daemon", "Stopping");
      await this.#stop();
    } finally {
      await this.#lookout.close();
      await watching;
      await server.close();
    }
  }

  /** What people see beside the tree. */
  #tell(control: ControlDesk): void {
    const heap = this.#parts.heap?.();
    const info = infoText(this.#settings, this.#peers, this.#resources, heap);
    control.tell({ info, trouble: this.#trouble.text });
  }

  async #serve(): Promise<PeerDoor> {
    return await this.#parts.serve({
      handlers: this.#handlers,
      terms: this.#traffic,
      onCallable: (trafficClass, rpc) => this.#peers.accept(trafficClass, rpc),
      welcome: (request) => this.#welcome(request),
    });
  }

  /** A host has proved a token. @throws MarsError */
  #welcome(request: JoinRequest): JsonObject {
    const { host } = this.#settings;
    const { links, reply } = welcome(this.#tree.snapshot(), host, request);
    this.#publish(links);
    this.#wake();
    return reply;
  }

  #wake(): void {
    this.#isAwake = true;
    this.#wakeUp();
  }

  /** Somebody wrote links, or wants to know whether this host lives. */
  #look(mask: number): void {
    this.#lookout.ask((mask & LOOK.full) !== 0);
    this.#owedToPeers |= mask;
    this.#resources.ask();
    this.#aliveAtMs = Math.min(
      this.#aliveAtMs,
      this.#aliveToldAtMs + ALIVE_MS_MIN,
    );
    this.#wake();
  }

  /** Sleeps until something happens, at most `ROUND_MS`. */
  async #pause(): Promise<void> {
    if (!this.#isAwake) {
      const aliveMs = this.#aliveAtMs - this.#clock.monotonicMs();
      const sleepMs = Math.max(0, Math.min(ROUND_MS, aliveMs));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, sleepMs);
        this.#wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wakeUp = () => {};
    }
    this.#isAwake = false;
    // Lets what came in meanwhile be handled, so that rounds do not starve it.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }

  /** Links were written: peers learn of them, and the plan may change. */
  #changed(links: readonly Link[], from?: string): void {
    if (links.length === 0) return;
    // A host that gave up a role, and said so, must not forget it when the
    // power fails: another one may have taken over.
    if (links.some(({ path }) => nameOf(path) === "primary")) {
      this.#failures.try("flush", () => this.#tree.flush());
    }
    this.#peers.push(links, from);
    // Commands on this host tell it themselves, if they are meant to.
    if (from !== undefined) this.#parts.tellSystemd(links);
    this.#wake();
  }

  /** Others changed links on disk. */
  #found(links: readonly Link[], before: Snapshot): void {
    this.#changed(links);
    this.#cluster.accept(this.#tree.snapshot());
    const { host } = this.#settings;
    this.#failures.try(
      "handmade",
      () => this.#publish(outdated(before, links, host)),
    );
  }

  /** Writes links of this host, in order, and tells the peers. */
  #publish(links: readonly LinkValue[]): void {
    const written: Link[] = [];
    try {
      for (const link of links) written.push(...this.#tree.write([link]));
    } finally {
      // What was written before one that fails is told nevertheless.
      this.#peers.push(written);
      this.#parts.tellSystemd(written);
    }
  }

  async #round(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#lookAtTree(nowMs);
    const names = this.#cluster.links(this.#tree.snapshot());
    this.#failures.try("cluster", () => this.#publish(names));
    const { level } = this.#emergency;
    const space = this.#lookAtSpace();
    this.#emergency.look(space, this.#reserves);
    const hasRisen = this.#emergency.level > level;
    const snapshot = this.#tree.snapshot();
    this.#traffic.update(snapshot);
    this.#peers.update(snapshot);
    const network = this.#parts.networkState?.();
    this.#traffic.lookAtAddresses(network?.addresses);
    this.#peers.lookAtNetwork(network?.text);
    // After the links were sent: who answers has them.
    const owed = this.#owedToPeers;
    this.#owedToPeers = 0;
    if ((owed & (LOOK.ask | LOOK.full)) !== 0) this.#peers.ask();
    if ((owed & (LOOK.tell | LOOK.tellAll)) !== 0) this.#peers.tell();
    const round = this.#roundOf(snapshot, space);
    const facts = [this.#hasGraceEnded(), this.#left, this.#trouble.text];
    await this.#resources.step(round, facts);
    // A sign of life is an answer, too: it comes after what it answers with.
    if (!hasRisen && nowMs < this.#aliveAtMs) return;
    await this.#leftovers.look(nowMs);
    this.#tellAlive(nowMs, space);
  }

  /** One that is away stays as it is known; it may come back changed. */
  #lookAtTree(nowMs: number): void {
    const isGone = this.#parts.isTreeGone?.() === true;
    if (this.#isTreeGone && !isGone) this.#lookout.distrust();
    this.#isTreeGone = isGone;
    this.#failures.try("tree", () => this.#lookout.look(nowMs));
  }

  get #reserves(): Reserves {
    const { host } = this.#settings;
    return reservesIn(this.#tree.snapshot(), host, this.#standardReserves);
  }

  #lookAtSpace(): Space {
    this.#failures.try("space", () => {
      this.#space = this.#parts.space();
    });
    return this.#space;
  }

  /** What holds for all resources in this round. */
  #roundOf(snapshot: Snapshot, space: Space): Round {
    const { host } = this.#settings;
    const count = (path: string): number | undefined =>
      parseCount(snapshot.value(path) ?? "");
    const limit = count(linkPath.syncLimit(host)) ?? 0;
    return {
      snapshot: () => this.#tree.snapshot(),
      isRunning: this.#isRunning,
      mayLead: (members) => this.#mayLead(members),
      emergencyLevel: this.#emergency.level,
      ...spaceFacts(space, this.#reserves),
      logShare: (resource) => this.#resources.logShare(resource),
      obstacleToSync: obstacleToSync(this.#resources.syncWishes(), limit),
      flipIntervalS: count(linkPath.syncFlip(host)) ?? FLIP_S,
      leftDevices: this.#left,
    };
  }

  /** Newer decisions may be on their way until every member was heard. */
  #mayLead(members: readonly string[]): boolean {
    return this.#hasGraceEnded() ||
      members.every((member) =>
        member === this.#settings.host || this.#peers.hasExchanged(member)
      );
  }

  #hasGraceEnded(): boolean {
    return this.#clock.monotonicMs() - this.#startedAtMs >= LEAD_GRACE_MS;
  }

  #stamps(): Stamps {
    return { realNs: this.#clock.realNs(), stampNs: this.#lamport.now() };
  }

  #tellAlive(nowMs: number, space: Space): void {
    this.#aliveAtMs = nowMs + ALIVE_MS;
    this.#aliveToldAtMs = nowMs;
    this.#emergency.fall(space, this.#reserves);
    const snapshot = this.#tree.snapshot();
    this.#left = this.#parts.leftDevices?.(snapshot) ?? [];
    const links = this.#alive.links({
      ...this.#stamps(),
      nowMs,
      snapshot,
      isRunning: this.#isRunning,
      ...spaceFacts(space, this.#reserves),
      emergencyLevel: this.#emergency.level,
      connected: this.#peers.connected(),
      heardNs: this.#intake.heardNs(),
      traffic: this.#traffic.links(snapshot),
      obstacles: [
        ...connectionMessages(
          [
            ...neededPeers(snapshot, this.#settings.host),
            ...this.#peers.foreign(),
          ],
          (peer) => this.#peers.obstacleTo(peer),
        ),
        ...clockMessages(
          this.#intake.clockLeadNs(),
          this.#peers.connected(),
        ),
        ...this.#peers.obstacles(),
        ...this.#traffic.obstacles,
        ...this.#leftovers.obstacles,
        ...ownerless(this.#left, snapshot, this.#settings.host),
      ],
    });
    const told = this.#failures.try("alive", () => this.#publish(links));
    this.#trouble.take(told);
  }

  /** Ends workers and transfers, then says so. */
  async #stop(): Promise<void> {
    await this.#resources.stop();
    this.#tellAlive(this.#clock.monotonicMs(), this.#lookAtSpace());
    this.#failures.try("flush", () => this.#tree.flush());
  }
}
