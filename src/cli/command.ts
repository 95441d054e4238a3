/**
 * Commands: the table's row, and the desk at which a command works.
 *
 * A command reads the tree, checks, and writes links; it never talks to the
 * daemon but for a nudge through the trigger. So what it can do a script with
 * `ln -s` can do, and most of it works while the daemon is down.
 *
 * A command is a list of phases. All resources go through one phase before the
 * next begins; see `engine.ts`.
 */
import { MarsError, RefusedError, TimeoutError } from "../base/errors.ts";
import { LamportClock } from "../base/lamport.ts";
import type { LogName } from "../base/names.ts";
import type { Settings } from "../base/settings.ts";
import { type Clock, MS_PER_S, NS_PER_S } from "../base/time.ts";
import type { Shim } from "../../ffi/shim.ts";
import { triggerFiles } from "../resource/systemd.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite, TreeStore } from "../tree/store.ts";
import type { DiskAccess, Effects, LogShelf } from "./effects.ts";
import type { FileShelf } from "./files.ts";
import type { Options } from "./options.ts";

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

/** What must hold of each resource before the first phase. */
export type Standing =
  /** This host has a disk or at least the device of it. */
  | "member"
  /** It exists. */
  | "known"
  /** Nothing. */
  | "none";

/**
 * One step of a command for one resource. It acts, or it waits, or both: first
 * the one, then the other.
 */
export type Phase =
  & Step
  & (Wait | { goal?: undefined; until?: undefined; limitMs?: undefined });

/** What a phase waits for when it has acted. */
export interface Wait {
  /** As in "waiting for the disk to be attached", behind "for". */
  readonly goal: string;
  /** Names what still stands in the way; the phase ends when nothing does. */
  readonly until: (
    snapshot: Snapshot,
  ) => readonly string[] | Promise<readonly string[]>;
  /** It is not waited for longer, whatever --timeout says. */
  readonly limitMs?: number;
}

interface Step {
  /** What is done, as in "attach the disk". */
  readonly title: string;
  readonly act?: () => void | Promise<void>;
  /** Puts back what `act` took away, if this or a later phase fails. */
  readonly undo?: () => void | Promise<void>;
  /** From here on each resource goes on alone, if --parallel is given. */
  readonly forks?: true;
}

/** One row of the command table. */
export interface Command {
  readonly name: string;
  /** Other names, for scripts of other tools. */
  readonly aliases?: readonly string[];
  /** Words after the name, for help: "RES DISK [SIZE]". */
  readonly usage: string;
  readonly summary: string;
  /** Further sentences for `mars help COMMAND` and the manual. */
  readonly details?: string;
  readonly subject: Subject;
  /** Count of further words. */
  readonly wordsMin: number;
  readonly wordsMax: number;
  /** By subject: "member" for resources, "none" else. */
  readonly standing?: Standing;
  /** Left out of the list of commands: there is a better name. */
  readonly isOldName?: true;
  /** It changes nothing: needs no lock, calls no hooks, is not recorded. */
  readonly isReading?: true;
  /** It takes a lock of its own when it needs one. */
  readonly locksItself?: true;
  /** What becomes of a resource that another command works on. */
  readonly whenBusy?: "skip";
  /** A timer runs it: for `all` or a list it only warns, unless --verbose. */
  readonly isQuiet?: true;
  /** Once, before the phases of all resources. */
  readonly begin?: (
    desk: Desk,
    resources: readonly string[],
    words: readonly string[],
  ) => void | Promise<void>;
  /** The one phase: for each resource, or once with "" if there is none. */
  readonly run?: (
    desk: Desk,
    resource: string,
    words: readonly string[],
  ) => void | Promise<void>;
  /** The phases, if there are several; of all resources equally many. */
  readonly phases?: (
    desk: Desk,
    resource: string,
    words: readonly string[],
  ) => readonly Phase[];
  /** With --check in place of all that: only looks, and says what it saw. */
  readonly rehearse?: (desk: Desk, resource: string) => void;
  /** Once, after all resources. */
  readonly finish?: (desk: Desk) => void | Promise<void>;
}

/** Prescribed by MARS: begins what is said of a resource that is left out. */
export const SKIPPING = "SKIPPING: ";

/** Ours. Links arrive within milliseconds; looking is cheap. */
export const POLL_MS = 100;

/** Ours. Who waits for longer is told what for. */
const SILENT_MS = 3 * MS_PER_S;

/** Of `answer`; see docs/view-json.md. */
const ANSWER_SCHEMA = 1;

/** How a command speaks: one call, one line. */
export interface Voice {
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** What commands work with. */
export class Desk {
  readonly settings: Settings;
  readonly options: Options;
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly #effects: Effects;
  readonly #openShim: () => Shim;
  readonly #shared: Shared;

  constructor(
    parts: {
      readonly settings: Settings;
      readonly options: Options;
      readonly effects: Effects;
      readonly voice: Voice;
      readonly openShim: () => Shim;
    },
    shared?: Shared,
  ) {
    this.settings = parts.settings;
    this.options = parts.options;
    this.print = parts.voice.print;
    this.warn = parts.voice.warn;
    this.#effects = parts.effects;
    this.#openShim = parts.openShim;
    this.#shared = shared ?? {
      lamport: new LamportClock(parts.effects.clock),
      tree: undefined,
      isInterrupted: false,
    };
  }

  /** The same desk for somebody who speaks otherwise. */
  withVoice(voice: Voice): Desk {
    return new Desk({
      settings: this.settings,
      options: this.options,
      effects: this.#effects,
      voice,
      openShim: this.#openShim,
    }, this.#shared);
  }

  /** The host that commands act as. */
  get host(): string {
    return this.settings.host;
  }

  get shim(): Shim {
    return this.#openShim();
  }

  get clock(): Clock {
    return this.#effects.clock;
  }

  /** Log files of this host. */
  get logs(): LogShelf {
    return this.#effects.logs;
  }

  get files(): FileShelf {
    return this.#effects.files;
  }

  get effects(): Effects {
    return this.#effects;
  }

  /** What a command was asked for: as text, or with --json as one object. */
  answer(text: string, facts: Readonly<Record<string, string>>): void {
    this.print(
      this.options.json
        ? JSON.stringify({ schema: ANSWER_SCHEMA, ...facts })
        : text,
    );
  }

  /** Nanoseconds since 1970, not below any stamp of the tree. */
  nowNs(): bigint {
    return this.#shared.lamport.now();
  }

  isDaemonRunning(): boolean {
    return this.#effects.isDaemonRunning();
  }

  /** The links as they are now, for commands that only look. */
  look(): Snapshot {
    return this.#effects.look();
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

  /** Makes directories of the tree, as far as they are missing. */
  makeDirectory(path: string): void {
    if (!this.options.dryRun) this.#effects.makeDirectory(path);
  }

  /** Bytes of a block device or a regular file. @throws MarsError */
  diskBytes(path: string, access: DiskAccess = "exclusive"): number {
    return this.#effects.diskBytes(path, access);
  }

  /** Writes links with one stamp, then nudges the daemon. */
  write(links: readonly LinkWrite[], trigger?: string): void {
    if (links.length === 0) return;
    if (this.options.dryRun) {
      for (const { path, value } of links) this.print(`${path} -> ${value}`);
    } else {
      this.#openTree().write(links);
      this.#touchTriggers(links);
    }
    this.trigger(trigger ?? triggerFor(links));
  }

  /** Lets systemd look, if links concern it. */
  #touchTriggers(links: readonly LinkWrite[]): void {
    if (this.options.systemd === false) return;
    const paths = links.map(({ path }) => path);
    for (const file of triggerFiles(paths, this.look(), this.host)) {
      try {
        this.#effects.files.touch(`${this.settings.marsDir}/${file}`);
      } catch (error) {
        if (!(error instanceof MarsError)) throw error;
        // The links are what counts; systemd looks again some other time.
        this.warn(`WARNING: ${error.message}`);
      }
    }
  }

  /** Removes a link without a trace, if it still has this value. */
  unlink(path: string, value: string): void {
    if (this.options.dryRun) this.print(`unlink ${path}`);
    else this.#openTree().unlink(path, value);
  }

  /** Removes a file, a link that is none of the tree, an empty directory. */
  remove(path: string): void {
    if (this.options.dryRun) this.print(`remove ${path}`);
    else this.#effects.files.remove(path);
  }

  /** Removes the copy of a log that is here; no other host hears of it. */
  async removeLog(resource: string, log: LogName): Promise<void> {
    const path = linkPath.log(resource, log.sequence, log.host);
    if (this.options.dryRun) this.print(`remove ${path}`);
    else await this.logs.delete(resource, log);
  }

  /** Cuts the copy of a log that is here; no other host hears of it. */
  async cutLog(resource: string, log: LogName, bytes: number): Promise<void> {
    const path = linkPath.log(resource, log.sequence, log.host);
    if (this.options.dryRun) this.print(`cut ${path} to ${bytes} bytes`);
    else await this.logs.truncate(resource, log, bytes);
  }

  /** Removes a directory and everything in it. */
  removeAll(path: string): void {
    if (this.options.dryRun) this.print(`remove ${path}`);
    else this.#effects.files.removeAll(path);
  }

  /** Makes everything in the tree durable. */
  flushTree(): void {
    if (!this.options.dryRun) this.#openTree().flush();
  }

  /** Messages of the trigger, as the original's daemon takes them. */
  trigger(message: string): void {
    if (this.options.dryRun) this.print(`trigger ${message}`);
    else this.#effects.trigger(message);
  }

  /** Whether `host` was heard of within the window. */
  isRecent(snapshot: Snapshot, host: string): boolean {
    return this.isRecentStamp(
      snapshot.stampNs(linkPath.global(host, "time")),
    );
  }

  /** Whether a stamp lies within so many windows before now. */
  isRecentStamp(stampNs: bigint | undefined, windows = 1): boolean {
    const spanNs = BigInt(Math.round(windows * this.options.windowMs)) *
      NS_PER_S / BigInt(MS_PER_S);
    return stampNs !== undefined && stampNs + spanNs >= this.nowNs();
  }

  async sleep(durationMs: number): Promise<void> {
    if (!this.options.dryRun) await this.#effects.sleep(durationMs);
  }

  /** Lets whatever waits at this desk or its copies end with an error. */
  interrupt(): void {
    this.#shared.isInterrupted = true;
  }

  /** @throws MarsError after an interruption */
  checkInterruption(): void {
    if (this.#shared.isInterrupted) throw new MarsError("Interrupted");
  }

  /**
   * Waits until nothing stands in the way. A dry run does not wait.
   *
   * @throws TimeoutError that names what still stands in the way
   */
  async waitUntil({ goal, until, limitMs }: Wait): Promise<void> {
    if (this.options.dryRun) return;
    const patience = new Patience(this, limitMs);
    for (;;) {
      this.checkInterruption();
      const left = await until(this.snapshot());
      if (left.length === 0) return;
      patience.check(goal, left);
      patience.tell(goal, left);
      await this.#effects.sleep(POLL_MS);
    }
  }

  #openTree(): TreeStore {
    const { tree, lamport } = this.#shared;
    if (tree !== undefined) return tree;
    const opened = this.#effects.openTree(lamport);
    // The wall clock may have jumped since the daemon began.
    opened.resumeClock(this.host);
    this.#shared.tree = opened;
    return opened;
  }
}

/** What copies of a desk have in common. */
interface Shared {
  readonly lamport: LamportClock;
  tree: TreeStore | undefined;
  isInterrupted: boolean;
}

/** One wait: how long it may last, and what is said meanwhile. */
export class Patience {
  readonly #desk: Desk;
  readonly #timeoutMs: number;
  readonly #startedMs: number;
  #isTold = false;

  constructor(desk: Desk, limitMs = Infinity) {
    this.#desk = desk;
    this.#timeoutMs = Math.min(limitMs, desk.options.timeoutMs);
    this.#startedMs = desk.clock.monotonicMs();
  }

  get #waitedMs(): number {
    return this.#desk.clock.monotonicMs() - this.#startedMs;
  }

  /** @throws TimeoutError if the time is over */
  check(goal: string, obstacles: readonly string[]): void {
    if (this.#waitedMs < this.#timeoutMs) return;
    throw timeoutError(this.#waitedMs, goal, obstacles);
  }

  /** Says once what is waited for, if it takes long. */
  tell(goal: string, obstacles: readonly string[]): void {
    if (this.#isTold || this.#waitedMs < SILENT_MS) return;
    this.#isTold = true;
    const limit = Number.isFinite(this.#timeoutMs)
      ? `, at most ${Math.round(this.#timeoutMs / MS_PER_S)} s`
      : "";
    this.#desk.warn(`Waiting for ${goal}${limit}: ${obstacles.join("; ")}`);
  }
}

/** Who waited for `goal` in vain. */
export function timeoutError(
  waitedMs: number,
  goal: string,
  obstacles: readonly string[],
): TimeoutError {
  const waitedS = Math.round(waitedMs / MS_PER_S);
  return new TimeoutError(
    `Gave up after ${waitedS} s waiting for ${goal}: ${obstacles.join("; ")}`,
  );
}

/** Prescribed by MARS: what others must hear of at once. */
function triggerFor(links: readonly LinkWrite[]): string {
  const isUrgent = links.some(({ path }) =>
    path.endsWith("/primary") || path.startsWith("todo-global/") ||
    path.startsWith("ips/")
  );
  return isUrgent ? "2" : "1";
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
