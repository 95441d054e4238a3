/**
 * Commands: the table's row, options, and what a command works with.
 *
 * A command reads the tree, checks, and writes links; it never talks to the
 * daemon but for a nudge through the trigger file. So what it can do a script
 * with `ln -s` can do, and most of it works while the daemon is down.
 */
import { RefusedError, TimeoutError, UsageError } from "../base/errors.ts";
import { LamportClock } from "../base/lamport.ts";
import { isIdentifier } from "../base/names.ts";
import { daemonPid } from "../base/running.ts";
import { controlPath, type Settings } from "../base/settings.ts";
import { MS_PER_S, NS_PER_S, sleep, systemClock } from "../base/time.ts";
import type { Shim } from "../../ffi/shim.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { LinkTree, type LinkWrite, ReadOnlyTree } from "../tree/store.ts";

/** Options of all commands, decoded. */
export interface Options {
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  /** Whether the output goes to somebody's eyes. */
  readonly color: boolean;
  readonly ignoreSync: boolean;
  /** Infinite when given as -1. */
  readonly timeoutMs: number;
  /** Who was not heard of for so long counts as dead. */
  readonly windowMs: number;
  readonly threshLogs: number;
  readonly threshLogBytes: number;
  readonly keepBackupHours: number;
  /** Own address for other hosts, `address` or `address:port`. */
  readonly ip: string | undefined;
  readonly tokens: readonly string[];
  readonly acknowledge: string | undefined;
  readonly keep: boolean;
}

/** What a command takes after its name. */
export type Subject =
  /** No resource. */
  | "none"
  /** One new or existing name. */
  | "name"
  /** One, a comma list, or `all`. */
  | "resources"
  /** As before; `all` when missing. */
  | "resources-or-all";

/** One row of the command table. */
export interface Command {
  readonly name: string;
  /** Words after the name, for help: "RES DISK [SIZE]". */
  readonly usage: string;
  readonly summary: string;
  readonly subject: Subject;
  /** Count of further words. */
  readonly wordsMin: number;
  readonly wordsMax: number;
  /** Runs for one resource, or once with "" if the subject is "none". */
  readonly run: (
    desk: Desk,
    resource: string,
    words: readonly string[],
  ) => void | Promise<void>;
  /** Runs once after all resources. */
  readonly finish?: (desk: Desk) => void | Promise<void>;
}

/** Ours. Links arrive within milliseconds; looking is cheap. */
const POLL_MS = 100;

/** Messages of the trigger, as the original's daemon takes them. */
export type Trigger = "1" | "2" | "3" | "8";

/** What commands work with. */
export class Desk {
  readonly settings: Settings;
  readonly options: Options;
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly #openShim: () => Shim;
  readonly #lamport = new LamportClock(systemClock);
  #tree: LinkTree | undefined;

  constructor(
    parts: {
      settings: Settings;
      options: Options;
      print: (line: string) => void;
      warn: (line: string) => void;
      openShim: () => Shim;
    },
  ) {
    this.settings = parts.settings;
    this.options = parts.options;
    this.print = parts.print;
    this.warn = parts.warn;
    this.#openShim = parts.openShim;
  }

  get host(): string {
    return this.settings.host;
  }

  get shim(): Shim {
    return this.#openShim();
  }

  /** Nanoseconds since 1970, not below any stamp of the tree. */
  nowNs(): bigint {
    return this.#lamport.now();
  }

  isDaemonRunning(): boolean {
    return daemonPid(this.settings) !== undefined;
  }

  /** The links as they are now, for commands that only look. */
  look(): Snapshot {
    return ReadOnlyTree.read(this.settings.marsDir);
  }

  /** The links as they are now, for commands that write. */
  snapshot(): Snapshot {
    const tree = this.#openTree();
    tree.rescan();
    return tree.snapshot();
  }

  view(resource: string): ResourceView {
    return resourceView(this.snapshot(), resource, this.host);
  }

  resourcePath(resource: string): string {
    return `${this.settings.marsDir}/${linkPath.resource(resource)}`;
  }

  /** Writes links with one stamp, then nudges the daemon. */
  write(links: readonly LinkWrite[], trigger: Trigger = "1"): void {
    if (this.options.dryRun) {
      for (const { path, value } of links) this.print(`${path} -> ${value}`);
      return;
    }
    this.#openTree().write(links);
    this.trigger(trigger);
  }

  /** Removes a link without a trace. */
  unlink(path: string): void {
    if (this.options.dryRun) this.print(`unlink ${path}`);
    else this.#openTree().unlink(path);
  }

  /** Makes everything in the tree durable. */
  flushTree(): void {
    if (!this.options.dryRun) this.#openTree().flush();
  }

  trigger(message: Trigger): void {
    try {
      Deno.writeTextFileSync(controlPath(this.settings, "trigger"), message, {
        create: false,
      });
    } catch (error) {
      // No daemon has run here: there is nobody to nudge.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Whether `host` was heard of within the window. */
  isRecent(snapshot: Snapshot, host: string): boolean {
    const aliveNs = snapshot.stampNs(linkPath.global(host, "time"));
    const windowNs = BigInt(this.options.windowMs) * NS_PER_S /
      BigInt(MS_PER_S);
    return aliveNs !== undefined && aliveNs + windowNs >= this.nowNs();
  }

  /**
   * Waits until `obstacles` returns none.
   *
   * @throws TimeoutError that names what still stands in the way
   */
  async waitUntil(
    goal: string,
    obstacles: (snapshot: Snapshot) => readonly string[],
  ): Promise<void> {
    if (this.options.dryRun) return;
    const startedMs = systemClock.monotonicMs();
    for (;;) {
      const left = obstacles(this.snapshot());
      if (left.length === 0) return;
      const waitedMs = systemClock.monotonicMs() - startedMs;
      if (waitedMs >= this.options.timeoutMs) {
        throw new TimeoutError(
          `Gave up after ${
            Math.round(waitedMs / MS_PER_S)
          } s waiting ${goal}: ${left.join("; ")}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  #openTree(): LinkTree {
    if (this.#tree !== undefined) return this.#tree;
    this.#tree = new LinkTree({
      root: this.settings.marsDir,
      shim: this.shim,
      lamport: this.#lamport,
    });
    return this.#tree;
  }
}

/** Resources that `word` names on this host. @throws UsageError */
export function resourcesOf(
  word: string,
  snapshot: Snapshot,
  host: string,
): string[] {
  if (word === "all") {
    return snapshot.resources().filter((resource) =>
      snapshot.value(linkPath.device(resource, host)) !== undefined
    );
  }
  const names = word.split(",");
  for (const name of names) {
    checkName(name, "resource");
    const size = snapshot.value(linkPath.size(name));
    if (size === undefined) {
      const known = snapshot.resources().join(", ");
      throw new UsageError(
        `No resource "${name}"; there ${
          known === "" ? "is none" : `are: ${known}`
        }`,
      );
    }
  }
  return names;
}

/** @throws UsageError unless `name` may name a resource or a host */
export function checkName(name: string, subject: string): void {
  if (isIdentifier(name)) return;
  throw new UsageError(
    `Cannot use "${name}" as ${subject} name: expected letters, digits, "_" or "-", at most 63, and no reserved word`,
  );
}

/** @throws RefusedError naming all obstacles, unless there are none */
export function refuseIf(
  action: string,
  obstacles: readonly string[],
  options: Options,
): void {
  if (obstacles.length === 0) return;
  if (options.force) return;
  throw new RefusedError(`Cannot ${action}`, obstacles);
}

const SIZE_FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
};

/** Prescribed by MARS. */
export const SIZE_ALIGNMENT_BYTES = 4096;

/** Lower-case suffixes are powers of 1000, upper-case ones of 1024. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgtpKMGTP]?)$/.exec(text);
  const bytes = Number(match?.[1]) * (SIZE_FACTORS[match?.[2] ?? ""] ?? 1);
  const isGood = match !== null && Number.isSafeInteger(bytes) && bytes > 0;
  if (!isGood || bytes % SIZE_ALIGNMENT_BYTES !== 0) {
    throw new UsageError(
      `Cannot use size "${text}": expected a number with k m g t p or K M G T P, a multiple of 4096 bytes`,
    );
  }
  return bytes;
}
