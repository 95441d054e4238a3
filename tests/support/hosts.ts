/**
 * Real hosts for tests: a directory, a daemon as a child process, commands.
 *
 * Any number run on one machine, talking TCP on loopback. Everything ends with
 * `Hosts[Symbol.asyncDispose]`, also when a test fails.
 */
import { MarsError, messageOf } from "../../src/base/errors.ts";
import { freePort } from "../../src/cli/demo/network.ts";
import { waitFor } from "./deadline.ts";
import type { Network } from "./network.ts";

export { waitFor } from "./deadline.ts";

const MAIN = decodeURIComponent(
  new URL("../../main.ts", import.meta.url).pathname,
);

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One host: its directories and its daemon. */
export class Host {
  readonly name: string;
  readonly directory: string;
  readonly port: number;
  /** The `main.ts` that runs, with its `deno.json` beside it. */
  program = MAIN;
  /** Where it listens. */
  address = "127.0.0.1";
  /** Variables of everything that runs there. */
  env: Record<string, string> = {};
  readonly #wordsInside: readonly string[];
  #daemon: Deno.ChildProcess | undefined;
  #traces: Promise<void> | undefined;
  /** Length of the traces of daemons before. */
  #tracedBefore = 0;

  /** @param network it lives in; that of the test if undefined */
  constructor(name: string, root: string, network?: Network) {
    this.name = name;
    this.directory = `${root}/${name}`;
    this.port = freePort();
    this.#wordsInside = network?.wordsInside(name) ?? [];
    if (network !== undefined) this.address = network.addressOf(name);
    for (const part of ["mars", "run", "etc"]) {
      Deno.mkdirSync(`${this.directory}/${part}`, { recursive: true });
    }
  }

  get marsDir(): string {
    return `${this.directory}/mars`;
  }

  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  socket(device: string): string {
    return `${this.directory}/run/nbd/${device}.sock`;
  }

  get disk(): string {
    return `${this.directory}/disk`;
  }

  /** A sparse file as disk. */
  makeDisk(sizeBytes: number): string {
    using file = Deno.openSync(this.disk, { create: true, write: true });
    file.truncateSync(sizeBytes);
    return this.disk;
  }

  /** `mars` with further words, where the host lives. */
  #command(
    words: readonly string[],
    options: Deno.CommandOptions,
  ): Deno.Command {
    const [program = "", ...args] = this.#words(words);
    const env = { ...this.env, ...options.env };
    return new Deno.Command(program, { ...options, args, env, stdin: "null" });
  }

  #words(words: readonly string[]): string[] {
    return [
      ...this.#wordsInside,
      Deno.execPath(),
      "run",
      "--allow-all",
      `--config=${this.program.replace(/main\.ts$/, "deno.json")}`,
      this.program,
      `--mars-dir=${this.marsDir}`,
      `--run-dir=${this.directory}/run`,
      `--etc-dir=${this.directory}/etc`,
      `--host=${this.name}`,
      `--port=${this.port}`,
      "--logger=",
      ...words,
    ];
  }

  /** Starts the daemon; its traces go to a file. */
  start(...words: string[]): void {
    if (this.#daemon !== undefined) throw new MarsError("Daemon runs already");
    this.#tracedBefore = this.traces().length;
    const daemon = [
      "daemon",
      `--listen=${this.address}`,
      "--reserve=0",
      "--trace=debug",
    ];
    this.#daemon = this.#command([...daemon, ...words], {
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#traces = this.#collect(this.#daemon);
  }

  /** Waits until the daemon that was started last serves. */
  async listening(): Promise<void> {
    const isServing = (): boolean =>
      this.traces().slice(this.#tracedBefore).includes("daemon: Started");
    try {
      await waitFor(`${this.name} to listen`, isServing);
    } catch (error) {
      throw new MarsError(
        `${messageOf(error)}:\n${this.traces().slice(-2000)}`,
      );
    }
  }

  /** `pipeTo` a file would hold short chunks back. */
  async #collect(daemon: Deno.ChildProcess): Promise<void> {
    using file = Deno.openSync(this.tracePath, { create: true, append: true });
    const copy = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const chunk of stream) file.writeSync(chunk);
    };
    await Promise.all([copy(daemon.stderr), copy(daemon.stdout)]);
  }

  get tracePath(): string {
    return `${this.directory}/daemon.log`;
  }

  traces(): string {
    try {
      return Deno.readTextFileSync(this.tracePath);
    } catch {
      // Nothing was traced yet.
      return "";
    }
  }

  /** Ends the daemon with a signal; resolves when it is gone. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus | undefined> {
    const daemon = this.#daemon;
    if (daemon === undefined) return undefined;
    try {
      daemon.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    const status = await daemon.status;
    await this.#traces;
    this.#daemon = undefined;
    return status;
  }

  /** The words before a command, for a shell. */
  commandLine(): string {
    return this.#words([]).join(" ");
  }

  /** Runs a command of this host. */
  run(...words: string[]): Promise<Outcome> {
    return this.runWith({}, ...words);
  }

  /** Runs a command with further variables in its environment. */
  async runWith(
    env: Record<string, string>,
    ...words: string[]
  ): Promise<Outcome> {
    const output = await this.#command(words, { env }).output();
    const decoder = new TextDecoder();
    return {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
  }

  /** Runs a command and sends it SIGINT once `isDue`. */
  async interrupt(
    words: readonly string[],
    isDue: () => boolean,
  ): Promise<Outcome> {
    const child = this.#command(words, {
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await waitFor(`the moment in "${words.join(" ")}"`, isDue);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  }

  /** Runs a command that must succeed. */
  async must(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words);
    if (code === 0) return stdout;
    throw new MarsError(
      `"${words.join(" ")}" on ${this.name} ended with ${code}: ${stderr}\n` +
        this.traces().split("\n").slice(-40).join("\n"),
    );
  }

  /** The value of a link of this host's tree. */
  link(path: string): string | undefined {
    try {
      return Deno.readLinkSync(`${this.marsDir}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async waitLink(
    path: string,
    isGood: (value: string) => boolean,
  ): Promise<string> {
    let last: string | undefined;
    try {
      return await waitFor(`${path} on ${this.name}`, () => {
        last = this.link(path);
        return last !== undefined && isGood(last) ? last : undefined;
      });
    } catch (error) {
      throw new MarsError(
        `${String(error)}; it is "${last}"\n` +
          this.traces().split("\n").slice(-40).join("\n"),
      );
    }
  }
}

/** Hosts that vanish with their directory. */
export class Hosts {
  readonly root: string;
  readonly #network: Network | undefined;
  readonly #hosts: Host[] = [];

  /**
   * @param parent of the directory; that of temporary files if undefined
   * @param network they live in; that of the test if undefined
   */
  constructor(parent?: string, network?: Network) {
    this.#network = network;
    this.root = Deno.makeTempDirSync({
      prefix: "mars",
      ...(parent === undefined ? {} : { dir: parent }),
    });
  }

  add(name: string): Host {
    const host = new Host(name, this.root, this.#network);
    this.#hosts.push(host);
    return host;
  }

  /** A cluster of the named hosts with running daemons. */
  async cluster(...names: string[]): Promise<Host[]> {
    const hosts = names.map((name) => this.add(name));
    await this.unite(hosts);
    return hosts;
  }

  /** Starts the daemons of hosts that were added and makes them a cluster. */
  async unite(hosts: readonly Host[]): Promise<void> {
    for (const [index, host] of hosts.entries()) {
      host.start();
      await host.listening();
      const ip = `--ip=${host.address}:${host.port}`;
      if (index === 0) {
        await host.must("create-cluster", ip);
        continue;
      }
      const tokens: string[] = [];
      for (const member of hosts.slice(0, index)) {
        const output = await member.must(
          "token",
          "create",
          `--ip=${member.address}:${member.port}`,
        );
        const token = /mars1\.\S+/.exec(output)?.[0];
        if (token === undefined) throw new MarsError(`No token in ${output}`);
        tokens.push(`--token=${token}`);
      }
      await host.must("join-cluster", ip, ...tokens);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host.end("SIGKILL");
    await Deno.remove(this.root, { recursive: true });
  }
}
