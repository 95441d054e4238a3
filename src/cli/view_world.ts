/**
 * The world of macros on this machine: the tree, this host's files, a terminal.
 *
 * Everything is read when a macro asks for it, and once between two readings of
 * the tree. `view` may only read, and not everything: of what lies below /proc,
 * /sys and /dev it sees nothing unless it was started with all permissions. The
 * launcher therefore hands over in MARS_MOUNTS where devices are mounted.
 *
 * Templates NAME.tpl are looked for in the directories of MARS_PATH.
 *
 * Source: `marsadm view`.
 */
import { green, red, yellow } from "@std/fmt/colors";
import { MarsError } from "../base/errors.ts";
import {
  controlPath,
  type Environment,
  nbdSocketPath,
} from "../base/settings.ts";
import { MS_PER_S, NS_PER_S } from "../base/time.ts";
import type { LocalLog } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { parseStamp } from "../tree/values.ts";
import type { Desk } from "./command.ts";
import { checkUserspace } from "./expert.ts";
import type { FileEntry, FileShelf } from "./files.ts";
import type { Templates } from "./macros/library.ts";
import type { Mood, Mount, StatusClass, World } from "./macros/world.ts";
import { timeText } from "./readable.ts";
import { Report, ResourceFacts } from "./report.ts";
import { isActingForAnother } from "./start_checks.ts";

/** Names of status files by class. */
const STATUS_FILES: Readonly<Record<Exclude<StatusClass, "log">, string>> = {
  warning: "2.warn.status",
  error: "3.error.status",
  fatal: "4.fatal.status",
};

/** Longer templates and status files are not meant for people. */
const TEXT_BYTES_MAX = 1024 * 1024;

const COLOURS: Readonly<Record<Mood, (word: string) => string>> = {
  good: green,
  changing: yellow,
  bad: red,
};

export class ViewWorld implements World {
  readonly #desk: Desk;
  readonly #warned = new Set<string>();
  #host: string | undefined;
  #snapshot: Snapshot | undefined;
  #facts = new Map<string, ResourceFacts>();
  #reports = new Map<string, Report>();
  #isDaemonRunning: boolean | undefined;
  #slipNs: bigint | undefined;
  #mounts: ReadonlyMap<string, Mount> | undefined;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  get marsDir(): string {
    return this.#desk.settings.marsDir;
  }

  /** Not the one that a command acts as, if that is another one. */
  get host(): string {
    return this.#host ??= isActingForAnother(this.#desk, this.snapshot)
      ? this.#desk.effects.machine.realHost()
      : this.#desk.host;
  }

  /** An empty one, and a warning, if there is no tree. */
  get snapshot(): Snapshot {
    return this.#snapshot ??= this.#look();
  }

  get realNs(): bigint {
    return this.#desk.clock.realNs();
  }

  get lamportNs(): bigint {
    return this.realNs + (this.#slipNs ??= this.#readSlip());
  }

  get isDaemonRunning(): boolean {
    return this.#isDaemonRunning ??= this.#desk.isDaemonRunning();
  }

  get countsDeletedPeers(): boolean {
    return this.#desk.options.ignoreDeletedPeers === 0;
  }

  refresh(): void {
    this.#snapshot = undefined;
    this.#facts = new Map();
    this.#reports = new Map();
    this.#isDaemonRunning = undefined;
    this.#slipNs = undefined;
  }

  report(resource: string, host: string): Report {
    const key = `${resource}/${host}`;
    let report = this.#reports.get(key);
    if (report === undefined) {
      report = new Report(this.facts(resource), host);
      this.#reports.set(key, report);
    }
    return report;
  }

  facts(resource: string): ResourceFacts {
    let facts = this.#facts.get(resource);
    if (facts === undefined) {
      const look = (): readonly LocalLog[] => this.#logs(resource);
      let logs: readonly LocalLog[] | undefined;
      facts = new ResourceFacts(this.snapshot, resource, {
        host: this.host,
        nowNs: this.lamportNs,
        get logs() {
          return logs ??= look();
        },
      });
      this.#facts.set(resource, facts);
    }
    return facts;
  }

  /** Why the tree takes no links, as far as this user may know. */
  get treeTrouble(): string {
    return readText(controlPath(this.#desk.settings, "trouble")) ?? "";
  }

  addressOf(host: string): string | undefined {
    const own = host === this.host ? this.#desk.options.ip : undefined;
    return own ?? this.snapshot.value(linkPath.ip(host));
  }

  isThere(path: string): boolean | undefined {
    try {
      Deno.statSync(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      if (isForbidden(error)) return undefined;
      throw error;
    }
  }

  nbdSocket(device: string): string | undefined {
    const path = nbdSocketPath(this.#desk.settings, device);
    // Where only root may look, the device itself says that it is there.
    return this.isThere(path) === false ? undefined : path;
  }

  mountOf(device: string): Mount | undefined {
    this.#mounts ??= readMounts(this.#desk.effects.environment);
    return this.#mounts.get(`/dev/mars/${device}`) ??
      this.#mounts.get(realPath(`/dev/mars/${device}`) ?? "");
  }

  statusText(resource: string, kind: StatusClass): string {
    const name = kind === "log"
      ? `logstatus-${this.host}.status`
      : STATUS_FILES[kind];
    return readText(`${this.#desk.resourcePath(resource)}/${name}`) ?? "";
  }

  glob(pattern: string): string[] {
    const root = `${this.marsDir}/`;
    const names = pattern.startsWith(root)
      ? pattern.slice(root.length).split("/")
      : pattern.split("/");
    const isInside = !names.includes("..") && names[0] !== "";
    if (!isInside || names.length > GLOB_NAMES_MAX) {
      throw new MarsError(
        `Cannot look for "${pattern}": expected a pattern below ${root}`,
      );
    }
    let found = [this.marsDir];
    for (const name of names) {
      const expression = globExpression(name);
      found = found.flatMap((directory) =>
        namesIn(directory).filter((each) =>
          expression.test(each) &&
          (name.startsWith(".") || !each.startsWith("."))
        ).map((each) => `${directory}/${each}`)
      );
    }
    return found.sort();
  }

  readFile(path: string): string | undefined {
    return readText(path);
  }

  /** `2026-11-22 12:49:30`, local time. */
  formatTime(ns: bigint): string {
    return timeText(Number(ns / NS_PER_S));
  }

  paint(text: string, mood: Mood): string {
    return this.#desk.options.color ? COLOURS[mood](text) : text;
  }

  warn(line: string): void {
    if (this.#warned.has(line)) return;
    this.#warned.add(line);
    this.#desk.warn(line);
  }

  /** Evaluation is synchronous, and so is its sleep. */
  sleep(durationMs: number): void {
    if (this.#desk.options.dryRun) return;
    const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(nobodyWakes, 0, 0, durationMs);
  }

  askPeers(): void {
    try {
      this.#desk.trigger("3");
    } catch (error) {
      // A program that only looks may not: then peers speak when they do.
      if (!isForbidden(error)) throw error;
    }
  }

  setLink(path: string, value: string): void {
    checkUserspace(this.#desk, "write", [path]);
    try {
      this.#desk.write([{ path, value }]);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      throw new MarsError(
        `Cannot write "${path}": macros may write only with --force; or type mars set-link`,
        { cause: error },
      );
    }
    this.refresh();
  }

  #look(): Snapshot {
    try {
      return this.#desk.look();
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      this.warn(`WARNING: ${error.message}`);
      return new Snapshot([]);
    }
  }

  #logs(resource: string): LocalLog[] {
    const { snapshot } = this;
    // First the links, so that a race can only show too little as deletable.
    for (const member of snapshot.members(resource)) {
      snapshot.value(linkPath.replay(resource, member));
    }
    return this.#desk.logs.look(resource)
      .map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes }));
  }

  /** How far the daemon's Lamport clock is ahead of its wall clock. */
  #readSlip(): bigint {
    const text = this.isDaemonRunning
      ? readText(controlPath(this.#desk.settings, "lamport_clock"))
      : undefined;
    const stamp = (name: string): bigint | undefined =>
      parseStamp(new RegExp(`^${name}=(.*)$`, "m").exec(text ?? "")?.[1] ?? "");
    const [real, lamport] = [stamp("CURRENT_TIME"), stamp("lamport_now")];
    if (real === undefined || lamport === undefined) return 0n;
    return lamport > real ? lamport - real : 0n;
  }
}

/** Below the root are at most three names. */
const GLOB_NAMES_MAX = 3;

/** `*`, `?` and `[…]` as the shell takes them. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*").replaceAll("?", ".").replaceAll("[!", "[^");
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new MarsError(
      `Cannot look for "${pattern}": a bracket is not closed`,
    );
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

// ---- templates ------------------------------------------------------------

/** Templates in directories of the administrator. */
export function templatesIn(
  directories: readonly string[],
  files: Pick<FileShelf, "list" | "read">,
): Templates {
  let paths: ReadonlyMap<string, string> | undefined;
  return (name) => {
    paths ??= templatePaths(directories, files);
    const path = paths.get(name);
    const text = path && files.read(path);
    // The line end of the file is none of the macro's.
    return path === undefined || text === undefined
      ? undefined
      : { name: path, text: text.replace(/\n$/, "") };
  };
}

export const TEMPLATE_SUFFIX = ".tpl";

/** Listed once: asking for each name in each directory would cost more. */
function templatePaths(
  directories: readonly string[],
  files: Pick<FileShelf, "list">,
): Map<string, string> {
  const paths = new Map<string, string>();
  for (const directory of directories) {
    for (const { name } of entriesOf(directory, files)) {
      if (!name.endsWith(TEMPLATE_SUFFIX)) continue;
      const macro = name.slice(0, -TEMPLATE_SUFFIX.length);
      if (!paths.has(macro)) paths.set(macro, `${directory}/${name}`);
    }
  }
  return paths;
}

/** None of a directory that is somebody else's. */
function entriesOf(
  directory: string,
  files: Pick<FileShelf, "list">,
): readonly FileEntry[] {
  try {
    return files.list(directory);
  } catch (error) {
    if (error instanceof MarsError) return [];
    throw error;
  }
}

// ---- mounts ---------------------------------------------------------------

/** By device. */
function readMounts(environment: Environment): ReadonlyMap<string, Mount> {
  const text = readText("/proc/mounts") ?? environment("MARS_MOUNTS") ?? "";
  const mounts = new Map<string, Mount>();
  for (const line of text.split("\n")) {
    const [device = "", directory, type = "", options = ""] = line.split(" ")
      .map(unescapeMount);
    // The first mount is what people mean; later ones are bound to it.
    if (directory !== undefined && !mounts.has(device)) {
      mounts.set(device, { directory, type, options });
    }
  }
  return mounts;
}

/** Blanks and the like stand there as `\040`. */
function unescapeMount(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_all, digits) => String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

// ---- files ----------------------------------------------------------------

/** Undefined if there is none, or none for this user. @throws MarsError */
function readText(path: string): string | undefined {
  try {
    const text = Deno.readTextFileSync(path);
    if (text.length <= TEXT_BYTES_MAX) return text;
    throw new MarsError(
      `Cannot read "${path}": it is longer than ${TEXT_BYTES_MAX} bytes`,
    );
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** A command that only looks has no right to devices. */
function isForbidden(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
}

/** Variables that every evaluation begins with. */
export function variablesOf(
  desk: Desk,
  command: string,
): Map<string, string> {
  const { options, settings } = desk;
  const seconds = (ms: number): string =>
    ms === Infinity ? "-1" : String(ms / MS_PER_S);
  return new Map([
    ["cmd", command],
    ["res", ""],
    ["mars", settings.marsDir],
    ["host", settings.host],
    ["real_host", desk.effects.machine.realHost()],
    ["timeout", seconds(options.timeoutMs)],
    ["threshold", String(options.thresholdBytes)],
    ["window", seconds(options.windowMs)],
    ["stuck-seconds", seconds(options.stuckMs)],
    ["keep-backup-hours", String(options.keepBackupHours)],
    ["keep-backup-seconds", String(options.keepBackupHours * S_PER_HOUR)],
    ["force", options.force ? "1" : "0"],
    ["dry-run", options.dryRun ? "1" : "0"],
    ["verbose", String(options.verbose)],
  ]);
}

const S_PER_HOUR = 3600;
