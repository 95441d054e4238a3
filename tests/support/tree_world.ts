/** A tree in a temporary directory, and commands run against it. */
import { runCommand } from "../../src/cli/run.ts";
import {
  type Effects,
  type Ended,
  systemEffects,
} from "../../src/cli/effects.ts";
import {
  type CommandLine,
  optionsOf,
  parseCommandLine,
  settingsOf,
} from "../../src/cli/options.ts";
import { Desk } from "../../src/cli/command.ts";
import { logFileName } from "../../src/base/names.ts";
import { LamportClock } from "../../src/base/lamport.ts";
import type { Settings } from "../../src/base/settings.ts";
import { MS_PER_S, NS_PER_S, systemClock } from "../../src/base/time.ts";
import { LinkTree } from "../../src/tree/store.ts";
import { loadShim, type Shim } from "../../ffi/shim.ts";

const SHIM: Shim = loadShim(
  new URL("../../build/libmars.so", import.meta.url).pathname,
);

/** What a command wrote. */
export interface Output {
  readonly printed: readonly string[];
  readonly warned: readonly string[];
}

export class TreeWorld implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "mars-tree-" });
  readonly marsDir = `${this.directory}/mars`;
  /** How far the wall clock of commands is ahead. */
  aheadS = 0;
  /** All that commands see of the environment. */
  readonly environment: Record<string, string> = {
    SYSTEMD_TARGET_DIR: `${this.directory}/units`,
    SYSTEMD_SCRIPT_DIR: `${this.directory}/scripts`,
    ETC_MARSADM: `${this.directory}/etc`,
  };
  /** Number of the process that calls commands. */
  parentPid = 4711;
  /** Programs that commands ran, with arguments. */
  readonly ran: string[] = [];
  /** How they end. */
  ends: (line: string) => Ended = () => ({ code: 0, output: "" });
  readonly #tree: LinkTree;

  constructor() {
    Deno.mkdirSync(this.marsDir);
    this.#tree = new LinkTree({
      root: this.marsDir,
      shim: SHIM,
      lamport: new LamportClock(systemClock),
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }

  /** Writes links that are `ageS` old; those of age 0 are newer than all. */
  link(links: Readonly<Record<string, string>>, ageS = 0): void {
    const pastNs = systemClock.realNs() - BigInt(ageS) * NS_PER_S;
    const stamp = ageS === 0 ? {} : { stampNs: pastNs };
    this.#tree.write(
      Object.entries(links).map(([path, value]) => ({ path, value, ...stamp })),
    );
  }

  /** The text of a link; undefined if there is none. */
  value(path: string): string | undefined {
    try {
      return Deno.readLinkSync(`${this.marsDir}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Makes a log of resource `r` that was written `ageS` ago. */
  log(sequence: number, host: string, bytes: number, ageS: number): void {
    const directory = `${this.marsDir}/resource-r`;
    const path = `${directory}/${logFileName({ sequence, host })}`;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.writeFileSync(path, new Uint8Array(bytes));
    const writtenS = Date.now() / MS_PER_S - ageS;
    Deno.utimeSync(path, writtenS, writtenS);
  }

  /** Names of the regular files of resource `r`, sorted. */
  files(): string[] {
    return [...Deno.readDirSync(`${this.marsDir}/resource-r`)]
      .filter((entry) => entry.isFile).map(({ name }) => name).sort();
  }

  /** Runs a command of host alpha. @throws MarsError */
  run(...args: readonly string[]): Promise<Output> {
    return this.runWith((shim) => shim, args);
  }

  /** The same with system calls that `wrap` has changed. */
  async runWith(
    wrap: (shim: Shim) => Shim,
    args: readonly string[],
  ): Promise<Output> {
    const printed: string[] = [];
    const warned: string[] = [];
    await runCommand(this.commandLine(args), {
      print: (line) => printed.push(line),
      warn: (line) => warned.push(line),
      openShim: () => wrap(SHIM),
      color: false,
      effects: this.#effects(
        settingsOf(this.commandLine(args)),
        () => wrap(SHIM),
      ),
    });
    return { printed, warned };
  }

  /** What a command would work with. */
  desk(...args: readonly string[]): Desk {
    const line = this.commandLine(args);
    const settings = settingsOf(line);
    const openShim = (): Shim => SHIM;
    return new Desk({
      settings,
      options: optionsOf(line, false),
      effects: this.#effects(settings, openShim),
      voice: { print: () => {}, warn: () => {} },
      openShim,
    });
  }

  #effects(settings: Settings, openShim: () => Shim): Effects {
    return {
      ...systemEffects(settings, openShim),
      clock: {
        realNs: () => systemClock.realNs() + BigInt(this.aheadS) * NS_PER_S,
        monotonicMs: () => systemClock.monotonicMs(),
      },
      environment: (name) => this.environment[name],
      parentPid: () => this.parentPid,
      run: (program, args) => {
        const line = [program, ...args].join(" ");
        this.ran.push(line);
        return Promise.resolve(this.ends(line));
      },
    };
  }

  commandLine(args: readonly string[]): CommandLine {
    return parseCommandLine([
      ...args,
      `--mars-dir=${this.marsDir}`,
      `--run-dir=${this.directory}/run`,
      `--etc-dir=${this.directory}/etc`,
      "--host=alpha",
    ]);
  }
}

/** Links of resource `r`: alpha is primary, beta follows, all is on. */
export function clusterLinks(): Record<string, string> {
  const links: Record<string, string> = {
    uuid: "alpha_1.000000000",
    "resource-r/size": "1048576",
    "resource-r/primary": "alpha",
    "resource-r/actual-alpha/is-primary": "1",
  };
  for (const host of ["alpha", "beta"]) {
    links[`ips/ip-${host}`] = "127.0.0.1";
    links[`actual-${host}/time`] = "1.000000000";
    links[`resource-r/data-${host}`] = "/dev/null";
    links[`resource-r/device-${host}`] = "r";
    links[`resource-r/syncstatus-${host}`] = "1048576";
    links[`resource-r/actual-${host}/is-attached`] = "1";
    for (const name of ["attach", "connect", "sync", "allow-replay"]) {
      links[`resource-r/todo-${host}/${name}`] = "1";
    }
  }
  return links;
}
