/**
 * A simulated host: the production daemon and the production commands, over a
 * simulated clock, file system, network and worker.
 *
 *   start()      a daemon begins
 *   stop()       it is asked to end, as by SIGTERM
 *   kill()       it is dead at once; what it wrote stays
 *   cutPower()   it and all commands are dead; what was volatile may be lost
 *   command()    a command line, which may be interrupted or killed
 */
import { MarsError, messageOf, RefusedError } from "../../src/base/errors.ts";
import { LamportClock } from "../../src/base/lamport.ts";
import { type Clock, NS_PER_MS } from "../../src/base/time.ts";
import { runCommand } from "../../src/cli/run.ts";
import { parseCommandLine, settingsOf } from "../../src/cli/options.ts";
import { Daemon } from "../../src/daemon/daemon.ts";
import { stretchReader } from "../../src/daemon/log_records.ts";
import type { Network } from "../../src/daemon/peer_lines.ts";
import type { WorkerSubject } from "../../src/dataplane/handle.ts";
import { portableCrc32c } from "../../src/log/checksum.ts";
import type { Snapshot } from "../../src/tree/snapshot.ts";
import { LinkTree } from "../../src/tree/store.ts";
import type { ClusterWatch } from "./cluster_watch.ts";
import { commandEffects } from "./effects.ts";
import { RESERVE_BYTES, ROOT, SimFileSystem } from "./file_system.ts";
import { Life } from "./life.ts";
import type { SimNetwork } from "./network.ts";
import type { Random } from "./random.ts";
import { EPOCH_MS, type VirtualTime } from "./virtual_time.ts";
import { SimWorker } from "./worker.ts";

export interface HostOptions {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly watchOf: (resource: string) => ClusterWatch;
  /** Something happened that a report should show. */
  readonly note: (text: string) => void;
}

/** A clock that steps and drifts. */
export class SimClock implements Clock {
  readonly #time: VirtualTime;
  /** Of the wall clock against true time. */
  offsetMs = 0;
  /** Share by which it is too fast, since when, and what it was then. */
  #drift = 0;
  #sinceMs = 0;
  #baseMs = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  setDrift(drift: number): void {
    this.#baseMs = this.monotonicMs();
    this.#sinceMs = this.#time.nowMs;
    this.#drift = drift;
  }

  realNs(): bigint {
    const ms = this.monotonicMs() + this.#time.skippedMs + this.offsetMs;
    return BigInt(Math.floor(ms * 1_000)) * 1_000n +
      BigInt(EPOCH_MS) * NS_PER_MS;
  }

  monotonicMs(): number {
    const elapsedMs = this.#time.nowMs - this.#sinceMs;
    return this.#baseMs + elapsedMs * (1 + this.#drift);
  }
}

/** How a command ended. */
export interface Ending {
  /** Undefined: well. */
  readonly error: string | undefined;
}

interface RunningCommand {
  readonly words: string;
  readonly life: Life;
  interrupt: () => void;
}

export class SimHost {
  readonly name: string;
  readonly files: SimFileSystem;
  readonly clock: SimClock;
  readonly options: HostOptions;
  lamport: LamportClock;
  /** What it has vowed, by resource: on a file system of its own, durable. */
  readonly vows = new Map<string, string>();
  /** Its tree may have forgotten something. */
  hasLostPower = false;
  #life: Life | undefined;
  #stopping = new AbortController();
  #onTrigger: (text: string) => void = () => {};
  readonly #workers = new Map<string, SimWorker>();
  readonly #commands = new Set<RunningCommand>();
  readonly #locks = new Set<string>();
  #tree: LinkTree | undefined;

  constructor(options: HostOptions) {
    this.name = options.name;
    this.options = options;
    this.files = new SimFileSystem(options.time, options.random);
    this.clock = new SimClock(options.time);
    this.lamport = new LamportClock(this.clock);
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  get isStopping(): boolean {
    return this.isRunning && this.#stopping.signal.aborted;
  }

  get commands(): readonly string[] {
    return [...this.#commands].map(({ words }) => words);
  }

  /** The links as the daemon knows them, or as they lie on the disk. */
  snapshot(): Snapshot {
    if (this.#tree !== undefined) return this.#tree.snapshot();
    return this.look();
  }

  /** The links as they lie on the disk. */
  look(): Snapshot {
    return this.files.snapshot();
  }

  worker(resource: string): SimWorker | undefined {
    const worker = this.#workers.get(resource);
    return worker?.options.life.isOver ? undefined : worker;
  }

  // ---- daemon ---------------------------------------------------------------

  start(): void {
    if (this.#life !== undefined) return;
    const life = new Life();
    const stopping = new AbortController();
    this.#life = life;
    this.#stopping = stopping;
    this.lamport = new LamportClock(this.clock);
    const tree = new LinkTree({
      root: ROOT,
      files: this.files.links(life),
      lamport: this.lamport,
    });
    this.#tree = tree;
    life.onEnd(() => {
      if (this.#life === life) this.#life = undefined;
      if (this.#tree === tree) this.#tree = undefined;
    });
    tree.resumeClock(this.name);
    tree.rescan();
    const daemon = new Daemon({
      settings: settingsOf(this.#line([])),
      buildTag: "simulated",
      reserveBytes: RESERVE_BYTES,
      replacedMs: 0,
      signal: stopping.signal,
      onReady: () => {},
    }, {
      clock: this.clock,
      lamport: this.lamport,
      tree,
      disk: this.files.links(life),
      openControl: (onText) => {
        this.#onTrigger = (text) => {
          if (!life.isOver) onText(text);
        };
        return {
          tell: () => life.check(),
          close: () => life.guard(() => {}),
        };
      },
      lock: (resource) => this.#lock(resource, "daemon", life),
      vows: {
        read: (resource) => this.vows.get(resource),
        write: (resource, text) =>
          life.guard(async () => {
            await this.options.time.sleep(1);
            life.check();
            this.vows.set(resource, text);
          }),
        remove: (resource) =>
          life.guard(() => {
            this.vows.delete(resource);
          }),
      },
      note: () => Promise.resolve(),
      tellSystemd: () => {},
      files: this.files.files(life),
      logDirectory: (path) => this.files.logDirectory(path, life),
      crc: portableCrc32c,
      readStretch: stretchReader(this.files.files(life), portableCrc32c),
      space: () => {
        life.check();
        const { freeBytes, totalBytes } = this.files;
        return { freeBytes, totalBytes };
      },
      startWorker: (subject) => this.#startWorker(subject, life),
      network: this.#network(life),
      serve: ({ handlers }) => {
        const close = this.options.network.listen(this.name, {
          life,
          handlers,
        });
        return Promise.resolve({
          port: 0,
          close: () => {
            close();
            return Promise.resolve();
          },
        });
      },
    });
    this.options.time.spawn(this.#run(daemon, life));
  }

  /** Asks the daemon to end; resolves when it has. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    const ended = new Promise<void>((resolve) => life.onEnd(resolve));
    this.#stopping.abort();
    await ended;
  }

  kill(): void {
    this.#life?.end();
  }

  cutPower(): void {
    this.hasLostPower = true;
    this.kill();
    for (const { life } of this.#commands) life.end();
    this.files.losePower();
  }

  async #run(daemon: Daemon, life: Life): Promise<void> {
    try {
      await daemon.run();
      life.end();
    } catch (error) {
      if (life.isOver) return;
      throw error;
    }
  }

  /** A process of its own looks at the links. */
  newTree(life: Life, lamport: LamportClock): LinkTree {
    return new LinkTree({
      farStamps: "keep",
      root: ROOT,
      files: this.files.links(life),
      lamport,
    });
  }

  /** What is written to the trigger arrives a little later, if it does. */
  #trigger(text: string): void {
    const deliver = this.#onTrigger;
    this.options.time.after(0.2, () => deliver(`\n${text}\n`));
  }

  #network(life: Life): Network {
    const { network } = this.options;
    return {
      isTrusted: () => true,
      dial: ({ host, trafficClass, signal }) =>
        life.guard(() =>
          network.dial({ host: this.name, life }, host, trafficClass, signal)
        ),
    };
  }

  #startWorker(subject: WorkerSubject, life: Life): SimWorker {
    const { time, random } = this.options;
    const watch = this.options.watchOf(subject.resource);
    const worker = new SimWorker({
      host: this.name,
      subject,
      time,
      random,
      files: this.files,
      truth: watch.truth,
      life,
      watch,
    });
    this.#workers.set(subject.resource, worker);
    return worker;
  }

  // ---- commands -------------------------------------------------------------

  /** Runs one command line of the production tool. */
  async command(words: readonly string[]): Promise<Ending> {
    const life = new Life();
    const running: RunningCommand = {
      words: words.join(" "),
      life,
      interrupt: () => {},
    };
    this.#commands.add(running);
    const { note } = this.options;
    note(`${this.name}$ ${running.words}`);
    const died = new Promise<Ending>((resolve) =>
      life.onEnd(() => resolve({ error: "killed" }))
    );
    const work = this.#execute(words, running);
    const ending = await Promise.race([work, died]);
    this.#commands.delete(running);
    note(`${this.name}$ ${running.words}: ${ending.error ?? "done"}`);
    return ending;
  }

  async #execute(
    words: readonly string[],
    running: RunningCommand,
  ): Promise<Ending> {
    try {
      await runCommand(this.#line(words), {
        print: () => {},
        warn: () => {},
        color: false,
        openShim: () => {
          throw new MarsError("There is no shim in a simulation");
        },
        effects: commandEffects(this, {
          life: running.life,
          trigger: (text) => this.#trigger(text),
          onInterrupt: (callback) => {
            running.interrupt = callback;
            return {
              [Symbol.dispose]: () => {
                running.interrupt = () => {};
              },
            };
          },
          lock: (name, holder) => this.#lock(name, holder, running.life),
        }),
      });
      return { error: undefined };
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      return { error: messageOf(error) };
    }
  }

  interruptCommands(): void {
    for (const { interrupt } of this.#commands) interrupt();
  }

  killCommands(): void {
    for (const { life } of [...this.#commands]) life.end();
  }

  #lock(name: string, holder: string, life: Life): Disposable {
    if (this.#locks.has(name)) {
      throw new RefusedError(`Cannot begin "${holder}"`, ["it is locked"]);
    }
    this.#locks.add(name);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#locks.delete(name);
      isHeld = false;
      forget();
    };
    const forget = life.onEnd(release);
    return { [Symbol.dispose]: release };
  }

  #line(words: readonly string[]): ReturnType<typeof parseCommandLine> {
    return parseCommandLine([
      ...words,
      `--mars-dir=${ROOT}`,
      "--run-dir=/run/mars",
      "--etc-dir=/etc/mars",
      `--host=${this.name}`,
    ]);
  }

  /** Writes links by hand, as `ln -s` and `touch` do. */
  writeLinks(links: Readonly<Record<string, string>>): void {
    const tree = this.newTree(new Life(), new LamportClock(this.clock));
    tree.rescan();
    tree.write(
      Object.entries(links).map(([path, value]) => ({ path, value })),
    );
    this.files.flushNames();
  }
}
