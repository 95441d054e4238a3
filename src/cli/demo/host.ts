/**
 * DemoHost: one host of the demo, made of three directories and a process.
 *
 *   <root>/mars   tree and logs        <root>/env        variables for a shell
 *   <root>/run    sockets              <root>/daemon.log traces of the daemon
 *   <root>/etc    keys                 <root>/disk       the disk
 */
import { MarsError } from "../../base/errors.ts";
import { nbdSocketPath, type Settings } from "../../base/settings.ts";
import { type ResourceView, resourceView } from "../../resource/view.ts";
import type { Snapshot } from "../../tree/snapshot.ts";
import { ReadOnlyTree } from "../../tree/store.ts";

export interface DemoHostOptions {
  readonly name: string;
  /** Absolute; below it everything of this host lies. */
  readonly root: string;
  readonly port: number;
  /** Words that start this program. */
  readonly self: readonly string[];
}

/** What a command said. */
export interface CommandResult {
  readonly code: number;
  /** Without the newline at the end. */
  readonly output: string;
  readonly errors: string;
}

const SIGKILL_CODE = 137;
/** Longer than a daemon needs to write back and say good-bye. */
const STOP_TIMEOUT_MS = 8_000;
/** What is quoted of the traces of a daemon that failed. */
const TAIL_LINES = 8;

export class DemoHost {
  readonly name: string;
  readonly settings: Settings;
  readonly diskPath: string;
  readonly logPath: string;
  readonly envPath: string;
  readonly #self: readonly string[];
  #daemon: Deno.ChildProcess | undefined;
  #isExpectedToEnd = false;
  #failure: MarsError | undefined;

  /** Makes the directories. */
  constructor(options: DemoHostOptions) {
    const { name, root, port } = options;
    this.name = name;
    this.#self = options.self;
    this.settings = {
      marsDir: `${root}/mars`,
      runDir: `${root}/run`,
      controlDir: `${root}/run/control`,
      etcDir: `${root}/etc`,
      host: name,
      port,
    };
    this.diskPath = `${root}/disk`;
    this.logPath = `${root}/daemon.log`;
    this.envPath = `${root}/env`;
    const { marsDir, runDir, etcDir } = this.settings;
    for (const path of [marsDir, runDir, etcDir]) {
      Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    }
    const variables = Object.entries(this.#environment)
      .map(([variable, value]) => `export ${variable}='${value}'\n`);
    Deno.writeTextFileSync(this.envPath, variables.join(""));
  }

  /** The process number of the daemon; undefined while none runs. */
  get pid(): number | undefined {
    return this.#daemon?.pid;
  }

  /** Why the daemon ended although nobody ended it. */
  get failure(): MarsError | undefined {
    return this.#failure;
  }

  socketPath(device: string): string {
    return nbdSocketPath(this.settings, device);
  }

  snapshot(): Snapshot {
    return ReadOnlyTree.read(this.settings.marsDir);
  }

  view(resource: string): ResourceView {
    return resourceView(this.snapshot(), resource, this.name);
  }

  startDaemon(): void {
    const words = [
      ...this.#self,
      "daemon",
      "--listen=127.0.0.1",
      "--reserve=0",
      "--trace=info",
    ];
    this.#isExpectedToEnd = false;
    // The shell only opens the file and becomes the daemon.
    const daemon = new Deno.Command("/bin/sh", {
      args: ["-c", 'exec "$@" >> "$0" 2>&1', this.logPath, ...words],
      env: this.#environment,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#daemon = daemon;
    daemon.status.then(({ code }) => this.#ended(daemon, code));
  }

  /** As if the host had lost its power. */
  async killDaemon(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.#isExpectedToEnd = true;
    signal(daemon, "SIGKILL");
    const { code } = await daemon.status;
    if (code !== SIGKILL_CODE) {
      throw new MarsError(`Cannot kill "${this.name}": it ended with ${code}`);
    }
  }

  /** Ends the daemon in good order, or else with force. */
  async stopDaemon(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.#isExpectedToEnd = true;
    signal(daemon, "SIGTERM");
    const timer = setTimeout(() => signal(daemon, "SIGKILL"), STOP_TIMEOUT_MS);
    await daemon.status;
    clearTimeout(timer);
  }

  /** Runs `mars` with `words` as this host. */
  async command(words: readonly string[]): Promise<CommandResult> {
    const [program = "", ...before] = this.#self;
    const result = await new Deno.Command(program, {
      args: [...before, ...words, "--logger="],
      env: this.#environment,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const decoder = new TextDecoder();
    return {
      code: result.code,
      output: decoder.decode(result.stdout).trimEnd(),
      errors: decoder.decode(result.stderr).trimEnd(),
    };
  }

  get #environment(): Record<string, string> {
    const { marsDir, runDir, etcDir, host, port } = this.settings;
    return {
      MARS_DIR: marsDir,
      MARS_RUN_DIR: runDir,
      MARS_ETC_DIR: etcDir,
      MARS_HOST: host,
      MARS_PORT: String(port),
      // Hooks are for the hosts of this machine, not for ours.
      MARS_PATH: "",
    };
  }

  #ended(daemon: Deno.ChildProcess, code: number): void {
    if (this.#daemon === daemon) this.#daemon = undefined;
    if (this.#isExpectedToEnd) return;
    const lines = Deno.readTextFileSync(this.logPath).trimEnd().split("\n");
    const tail = lines.slice(-TAIL_LINES).map((line) => `  ${line}\n`).join("");
    this.#failure = new MarsError(
      `Daemon of "${this.name}" ended with ${code}; its last words:\n${tail}`,
    );
  }
}

function signal(process: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    process.kill(name);
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}
