/**
 * Stage: what every step of the demo stands on, and how it waits.
 *
 * Whatever takes time waits for a condition with a deadline; a signal, or a
 * daemon that ended although nobody ended it, ends every wait.
 */
import { MarsError, TimeoutError } from "../../base/errors.ts";
import { MS_PER_S, sleep } from "../../base/time.ts";
import type { ResourceView } from "../../resource/view.ts";
import { DemoHost } from "./host.ts";
import { Ledger } from "./ledger.ts";
import { Network } from "./network.ts";
import { BLOCK_BYTES } from "./pattern.ts";
import type { Screen } from "./screen.ts";
import { Writer } from "./writer.ts";

export const RESOURCE = "data";
const MIB = 1024 * 1024;
/** The file system comes first, then the region of the writer. */
export const FILE_SYSTEM_BYTES = 48 * MIB;
export const DISK_BYTES = 64 * MIB;
const LEDGER_SEED = 20_240_229;

const POLL_MS = 25;
/** No step of the demo takes as long on a machine that is not overloaded. */
const WAIT_TIMEOUT_MS = 40_000;

export const HOST_NAMES = ["alpha", "beta", "gamma"] as const;
export type HostName = typeof HOST_NAMES[number];

export interface StageOptions {
  /** Empty directory. */
  readonly root: string;
  readonly self: readonly string[];
  readonly screen: Screen;
  /** Somebody wants the demo to end. */
  readonly signal: AbortSignal;
}

/** Somebody pressed Ctrl-C. */
export class InterruptedError extends MarsError {
  override readonly name = "InterruptedError";
  override readonly exitCode = 130;
}

/** What `until` waits for. */
export interface Wait {
  /** "for beta to be synced" */
  readonly goal: string;
  readonly isDone: () => boolean | Promise<boolean>;
  /** From 0 to 1; for the bar. */
  readonly fraction?: () => number;
  /** What is still missing, for the message at the deadline. */
  readonly left?: () => string;
}

export class Stage {
  readonly root: string;
  readonly screen: Screen;
  readonly hosts: Readonly<Record<HostName, DemoHost>>;
  readonly network: Network;
  readonly ledger = new Ledger({
    blockCount: (DISK_BYTES - FILE_SYSTEM_BYTES) / BLOCK_BYTES,
    seed: LEDGER_SEED,
  });
  readonly #signal: AbortSignal;
  readonly #writers: Writer[] = [];

  constructor(options: StageOptions) {
    this.root = options.root;
    this.screen = options.screen;
    this.#signal = options.signal;
    this.network = new Network(
      HOST_NAMES,
      (host) => this.all.find(({ name }) => name === host)?.pid,
    );
    const make = (name: HostName): DemoHost =>
      new DemoHost({
        name,
        root: `${options.root}/${name}`,
        port: this.network.portOf(name),
        self: options.self,
      });
    this.hosts = {
      alpha: make("alpha"),
      beta: make("beta"),
      gamma: make("gamma"),
    };
  }

  get all(): DemoHost[] {
    return HOST_NAMES.map((name) => this.hosts[name]);
  }

  view(host: DemoHost): ResourceView {
    return host.view(RESOURCE);
  }

  /** Shows and runs a command. @throws MarsError if it fails */
  async command(host: DemoHost, ...words: string[]): Promise<string> {
    this.screen.command(host.name, ["mars", ...words.map(shortened)]);
    const result = await host.command(words);
    this.#checkSignal();
    if (result.code !== 0) {
      throw new MarsError(
        `Command "mars ${
          words.join(" ")
        }" of "${host.name}" ended with ${result.code}: ${
          result.errors || result.output
        }`,
      );
    }
    if (result.errors !== "") this.screen.answer(result.errors);
    return result.output;
  }

  /** Opens the device on `host` and begins to write. */
  async startWriter(host: DemoHost): Promise<Writer> {
    const writer = await Writer.start({
      socketPath: host.socketPath(RESOURCE),
      device: RESOURCE,
      regionStartBytes: FILE_SYSTEM_BYTES,
      ledger: this.ledger,
    });
    this.#writers.push(writer);
    return writer;
  }

  /** @returns milliseconds it took. @throws TimeoutError, MarsError */
  async until(wait: Wait): Promise<number> {
    const startedMs = performance.now();
    for (;;) {
      this.#checkSignal();
      for (const { failure } of this.all) {
        if (failure !== undefined) throw failure;
      }
      const waitedMs = performance.now() - startedMs;
      if (await wait.isDone()) {
        this.screen.clearBar();
        return waitedMs;
      }
      if (waitedMs > WAIT_TIMEOUT_MS) {
        throw new TimeoutError(
          `Gave up after ${WAIT_TIMEOUT_MS / MS_PER_S} s waiting ${wait.goal}${
            wait.left === undefined ? "" : `: ${wait.left()}`
          }`,
        );
      }
      const fraction = wait.fraction?.();
      if (fraction !== undefined) this.screen.bar(fraction, wait.goal);
      await sleep(POLL_MS, this.#signal);
    }
  }

  /** Until the writer has done `count` more writes. */
  async untilWritten(writer: Writer, count: number): Promise<void> {
    const from = writer.count;
    await this.until({
      goal: `for ${count} writes to be acknowledged`,
      isDone: () => {
        if (writer.failure !== undefined) throw writer.failure;
        return writer.count >= from + count;
      },
      fraction: () => (writer.count - from) / count,
      left: () => `${writer.count - from} were`,
    });
  }

  /** Ends everything that runs. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((host) => host.stopDaemon()));
    await Promise.all(this.#writers.map((writer) => writer.ended));
    await this.network.close();
  }

  #checkSignal(): void {
    if (this.#signal.aborted) throw new InterruptedError("Interrupted");
  }
}

/** Tokens are long; what is after the first letters says nothing. */
function shortened(word: string): string {
  return word.replace(/^(--token=.{12}).*$/, "$1…");
}
