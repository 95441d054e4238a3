/**
 * Scenarios: text in, links and plans out.
 *
 * A file holds scenarios. Each begins with a title and goes on with lines of
 * two kinds: what is given, and what is done. Below what is done stands what
 * came of it; the runner makes that part anew and compares.
 *
 *   == The old primary is busy                     title
 *   # why this matters                             remark
 *   host beta                                      who acts; alpha at first
 *   machine alpha                                  where commands are typed
 *   daemon off                                     none runs; one does at first
 *   link PATH VALUE [AGE_S]                        a link, fresh or so old
 *   unlink PATH
 *   disk NAME BYTES                                a file, `@NAME` in commands
 *   log SEQUENCE HOST BYTES [AGE_S]                a log of resource r
 *   when PATH VALUE => PATH VALUE …                what some daemon does about it
 *   after SECONDS PATH VALUE …                     news that comes while waiting
 *   fact NAME VALUE                                what `plan` is told; `exit`:
 *                                                  how programs end
 *   use NAME                                       the lines of a base scenario
 *
 *   $ mars COMMAND …                               runs it
 *   plan [RESOURCE]                                what the daemon would do
 *
 *   > TEXT    printed            ! TEXT    to the errors
 *   + PATH -> VALUE  set         - PATH    removed       t MESSAGE  trigger
 *   = CODE    exit code, if it is not 0
 *
 * A base scenario has a title that begins with "base ", and does nothing.
 * Time stands still but for waiting, which costs none.
 */
import { LamportClock } from "../../src/base/lamport.ts";
import { exitCodeOf, messageOf } from "../../src/base/errors.ts";
import { logFileName } from "../../src/base/names.ts";
import {
  type Clock,
  MS_PER_S,
  NS_PER_MS,
  NS_PER_S,
} from "../../src/base/time.ts";
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { performCommand } from "../../src/cli/run.ts";
import { type Effects, systemEffects } from "../../src/cli/effects.ts";
import { parseCommandLine, settingsOf } from "../../src/cli/options.ts";
import { plan } from "../../src/resource/plan.ts";
import { formatState } from "../../src/resource/verify_links.ts";
import type {
  Plan,
  PlanFacts,
  WorkerState,
} from "../../src/resource/plan_types.ts";
import { resourceView } from "../../src/resource/view.ts";
import type { Snapshot } from "../../src/tree/snapshot.ts";
import { LinkTree } from "../../src/tree/store.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";
import { IDLE_WORKER } from "../support/idle.ts";

export interface Scenario {
  readonly title: string;
  /** Without what came of it. */
  readonly lines: readonly string[];
  /** All of its lines as they stand in the file. */
  readonly text: string;
}

const RESULT = /^[>!+=t-] ?/;

/** The scenarios of a file, and what stands before the first. */
export function parseScenarios(
  text: string,
): { readonly head: string; readonly scenarios: readonly Scenario[] } {
  const [head = "", ...parts] = text.split(/^(?=== )/m);
  const scenarios = parts.map((part) => {
    const [first = "", ...rest] = part.trimEnd().split("\n");
    const lines = rest.filter((line) => line !== "" && !isResult(line));
    return { title: first.slice("== ".length), lines, text: part.trimEnd() };
  });
  return { head, scenarios };
}

function isResult(line: string): boolean {
  return RESULT.test(line) && /^(?:[>!+=t-])(?: |$)/.test(line);
}

const SHIM: Shim = loadShim(
  new URL("../../build/libmars.so", import.meta.url).pathname,
);

/** 2023-11-14 22:13:20 UTC, and every wait is over at once. */
class StandingClock implements Clock {
  nowNs = 1_700_000_000n * NS_PER_S;

  realNs(): bigint {
    return this.nowNs;
  }

  monotonicMs(): number {
    return Number(this.nowNs / NS_PER_MS);
  }

  readonly pass = (durationMs: number): Promise<void> => {
    this.nowNs += BigInt(Math.round(durationMs)) * NS_PER_MS;
    return Promise.resolve();
  };
}

/** What somebody does when a link has a value. */
interface Reaction {
  readonly path: string;
  readonly value: string;
  readonly links: readonly { readonly path: string; readonly value: string }[];
}

/** What will be heard of. */
interface News {
  readonly atMs: number;
  readonly links: Reaction["links"];
}

/** Runs one scenario; gives its text as it should stand in the file. */
export async function runScenario(
  scenario: Scenario,
  bases: ReadonlyMap<string, Scenario>,
): Promise<string> {
  using stage = new Stage(bases);
  const text = [`== ${scenario.title}`];
  for (const line of scenario.lines) {
    text.push(line, ...await stage.play(line));
  }
  return text.join("\n");
}

/** One tree, and a host that acts on it. */
class Stage implements Disposable {
  readonly #bases: ReadonlyMap<string, Scenario>;
  readonly #directory = Deno.makeTempDirSync({ prefix: "mars-scenario-" });
  readonly #marsDir = `${this.#directory}/mars`;
  readonly #clock = new StandingClock();
  readonly #tree: LinkTree;
  readonly #reactions: Reaction[] = [];
  #news: News[] = [];
  readonly #facts = new Map<string, string>();
  #host = "alpha";
  #machine: string | undefined;
  #isDaemonRunning = true;

  constructor(bases: ReadonlyMap<string, Scenario>) {
    this.#bases = bases;
    Deno.mkdirSync(this.#marsDir);
    this.#tree = new LinkTree({
      root: this.#marsDir,
      shim: SHIM,
      lamport: new LamportClock(this.#clock),
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
  }

  /** What came of a line. */
  async play(line: string): Promise<readonly string[]> {
    const [verb = "", ...words] = line.trim().split(/ +/);
    const [first = "", second = "", third] = words;
    switch (verb) {
      case "#":
        return [];
      case "use":
        return await this.#use(words.join(" "));
      case "host":
        this.#host = first;
        return [];
      case "machine":
        this.#machine = first;
        return [];
      case "daemon":
        this.#isDaemonRunning = first === "on";
        return [];
      case "link":
        this.#link(first, second, Number(third ?? 0));
        return [];
      case "unlink":
        Deno.removeSync(`${this.#marsDir}/${first}`);
        return [];
      case "disk":
        Deno.writeFileSync(
          `${this.#directory}/${first}`,
          new Uint8Array(Number(second)),
        );
        return [];
      case "log":
        this.#log(Number(first), second, Number(third), Number(words[3] ?? 0));
        return [];
      case "fact":
        this.#facts.set(first, second);
        return [];
      case "when":
        this.#reactions.push(reactionOf(words));
        return [];
      case "after":
        this.#news.push({
          atMs: this.#clock.monotonicMs() + Number(first) * MS_PER_S,
          links: linksOf(words.slice(1).map(unblanked)),
        });
        return [];
      case "plan":
        return this.#plan(first === "" ? "r" : first);
      case "$":
        return await this.#run(words.slice(1));
      default:
        throw new Error(`Scenario line not understood: ${line}`);
    }
  }

  async #use(name: string): Promise<string[]> {
    const base = this.#bases.get(name);
    if (base === undefined) throw new Error(`No base scenario "${name}"`);
    for (const line of base.lines) await this.play(line);
    return [];
  }

  #link(path: string, value: string, ageS: number): void {
    const stampNs = this.#clock.realNs() - BigInt(ageS) * NS_PER_S;
    this.#tree.write([{ path, value: value.replaceAll("␣", " "), stampNs }]);
  }

  #log(sequence: number, host: string, bytes: number, ageS: number): void {
    const directory = `${this.#marsDir}/resource-r`;
    Deno.mkdirSync(directory, { recursive: true });
    const path = `${directory}/${logFileName({ sequence, host })}`;
    Deno.writeFileSync(path, new Uint8Array(bytes));
    const atS = Number(this.#clock.realNs() / NS_PER_MS) / MS_PER_S - ageS;
    Deno.utimeSync(path, atS, atS);
  }

  #snapshot(): Snapshot {
    this.#tree.load();
    return this.#tree.snapshot();
  }

  async #run(words: readonly string[]): Promise<string[]> {
    const before = this.#snapshot();
    const filesBefore = this.#files();
    const told: string[] = [];
    const directories = ["mars", "run", "etc"].map((name) =>
      `--${name}-dir=${this.#directory}/${name}`
    );
    const line = parseCommandLine([
      // Else it would depend on who calls.
      "--systemd-enable=1",
      ...words.map((word) =>
        word.replaceAll("␣", " ").replace(/^@/, `${this.#directory}/`)
      ),
      ...directories,
      `--host=${this.#host}`,
      "--logger=",
    ]);
    const openShim = (): Shim => SHIM;
    const system = systemEffects(settingsOf(line), openShim);
    const effects: Effects = {
      ...system,
      machine: {
        ...system.machine,
        realHost: () => this.#machine ?? this.#host,
      },
      clock: this.#clock,
      sleep: async (durationMs) => {
        await this.#clock.pass(durationMs);
        this.#hear();
      },
      isDaemonRunning: () => this.#isDaemonRunning,
      environment: (name) => this.#environment(name),
      run: (program, args) => {
        told.push(`> runs ${[program, ...args].join(" ")}`);
        const code = Number(this.#facts.get("exit") ?? 0);
        return Promise.resolve({ code, output: "" });
      },
      trigger: (message) => {
        told.push(`t ${message}`);
        this.#react();
      },
    };
    let code = 0;
    try {
      code = await performCommand(line, {
        print: (text) => void told.push(...prefixed("> ", text)),
        warn: (text) => void told.push(...prefixed("! ", text)),
        openShim,
        color: false,
        effects,
      });
    } catch (error) {
      code = exitCodeOf(error);
      told.push(`! mars: ${messageOf(error)}`);
      if (code === 1 && error instanceof TypeError) throw error;
    }
    told.push(...this.#changes(before));
    told.push(...this.#fileChanges(filesBefore));
    if (code !== 0) told.push(`= ${code}`);
    return told.map((text) => this.#plain(text));
  }

  /** Nothing of this machine. */
  #environment(name: string): string | undefined {
    const directories = ["MARS_PATH", "SYSTEMD_TARGET_DIR", "ETC_MARSADM"];
    return directories.includes(name)
      ? `${this.#directory}/${name}`
      : undefined;
  }

  /** What daemons do about links that have the value they wait for. */
  #react(): void {
    const snapshot = this.#snapshot();
    for (const { path, value, links } of this.#reactions) {
      if (snapshot.value(path) !== value) continue;
      this.#tree.write(links);
    }
  }

  /** Links whose time has come. */
  #hear(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const { atMs, links } of this.#news) {
      if (atMs <= nowMs) this.#tree.write(links);
    }
    this.#news = this.#news.filter(({ atMs }) => atMs > nowMs);
  }

  #changes(before: Snapshot): string[] {
    const after = this.#snapshot();
    const paths = new Set(
      [...before.all(), ...after.all()].map(({ path }) => path),
    );
    return [...paths].sort().flatMap((path) => {
      const link = after.get(path);
      if (link === undefined) return [`- ${path}`];
      const old = before.get(path);
      const isSame = old?.value === link.value &&
        (old.stampNs === link.stampNs || link.value === TOMBSTONE);
      return isSame ? [] : [`+ ${path} -> ${link.value}`];
    });
  }

  /** Log files: name to size. */
  #files(): Map<string, number> {
    const files = new Map<string, number>();
    const visit = (directory: string): void => {
      for (const entry of Deno.readDirSync(`${this.#marsDir}/${directory}`)) {
        const path = directory === ""
          ? entry.name
          : `${directory}/${entry.name}`;
        if (entry.isDirectory) visit(path);
        if (!entry.isFile) continue;
        files.set(path, Deno.statSync(`${this.#marsDir}/${path}`).size);
      }
    };
    visit("");
    return files;
  }

  #fileChanges(before: ReadonlyMap<string, number>): string[] {
    const after = this.#files();
    const gone = [...before.keys()].filter((path) => !after.has(path));
    const made = [...after].filter(([path, size]) => before.get(path) !== size);
    return [
      ...gone.map((path) => `- ${path} (file)`),
      ...made.map(([path, size]) => `+ ${path} (file, ${size} bytes)`),
    ].sort();
  }

  #plan(resource: string): string[] {
    const snapshot = this.#snapshot();
    const view = resourceView(snapshot, resource, this.#host);
    const next = plan(view, this.#planFacts());
    // As the executor does: only what changes is written.
    const publish = next.publish.filter(({ path, value }) =>
      snapshot.value(path) !== value
    );
    return planLines({ ...next, publish });
  }

  #planFacts(): PlanFacts {
    const number = (name: string, standard: number): number =>
      Number(this.#facts.get(name) ?? standard);
    const worker: Record<string, string | number> = { ...IDLE_WORKER };
    for (const [name, value] of this.#facts) {
      if (!(name in IDLE_WORKER)) continue;
      worker[name] = name === "role" ? value : Number(value);
    }
    const files = [...this.#files()].flatMap(([path, bytes]) => {
      const match = /^resource-r\/log-(\d+)-(.+)$/.exec(path);
      if (match === null) return [];
      const log = { sequence: Number(match[1]), host: match[2] ?? "" };
      return [{ log, bytes, idleMs: this.#idleMs(path) }];
    });
    return {
      logs: files,
      worker: this.#facts.get("role") === "none" ? undefined : {
        ...IDLE_WORKER,
        ...worker,
        role: roleOf(this.#facts.get("role")),
      },
      isRunning: this.#facts.get("isRunning") !== "no",
      mayLead: this.#facts.get("mayLead") !== "no",
      emergencyLevel: number("emergencyLevel", 0),
      restPercent: number("restPercent", 100),
      isReplaysTurn: number("isReplaysTurn", 0) === 1,
      logShare: number("logShare", 1),
      rotateBytes: number("rotateBytes", Infinity),
    };
  }

  /** Since a file was written to. */
  #idleMs(path: string): number {
    const { mtime } = Deno.statSync(`${this.#marsDir}/${path}`);
    return this.#clock.monotonicMs() - (mtime?.getTime() ?? 0);
  }

  /** Without what differs from run to run. */
  #plain(text: string): string {
    return text.replaceAll(this.#directory, "");
  }
}

function roleOf(text: string | undefined): WorkerState["role"] {
  return text === "log" || text === "replay" || text === "stopped"
    ? text
    : "idle";
}

function prefixed(prefix: string, text: string): string[] {
  return text.split("\n").map((line) => `${prefix}${line}`.trimEnd());
}

function reactionOf(words: readonly string[]): Reaction {
  const [path = "", value = "", , ...rest] = words.map(unblanked);
  return { path, value, links: linksOf(rest) };
}

function unblanked(word: string): string {
  return word.replaceAll("␣", " ");
}

/** Paths and values in turn. */
function linksOf(words: readonly string[]): Reaction["links"] {
  const links: { path: string; value: string }[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    links.push({ path: words[at] ?? "", value: words[at + 1] ?? "" });
  }
  return links;
}

/** A plan in words; what is as usual is left out. */
function planLines(next: Plan): string[] {
  const log = next.log === undefined
    ? ""
    : ` ${logFileName(next.log)} ${next.startBytes}..${next.logEndBytes}`;
  const lines = [`> ${next.role}${log}`];
  if (next.bypass !== "off") lines.push(`> bypass ${next.bypass}`);
  if (next.fetch !== undefined) lines.push(`> fetch ${short(next.fetch)}`);
  if (next.sync !== undefined) lines.push(`> sync ${short(next.sync)}`);
  if (next.verify !== undefined) {
    const { isRepair, state } = next.verify;
    lines.push(
      `> verify ${isRepair ? "repair" : "check"} ${formatState(state)}`,
    );
  }
  if (next.repair !== undefined) lines.push(`> repair ${short(next.repair)}`);
  for (const change of next.logFiles) {
    lines.push(`> ${change.kind} ${logFileName(change.log)}`);
  }
  for (const { key, text } of next.obstacles) lines.push(`! ${key}: ${text}`);
  for (const { path, value } of next.publish) {
    lines.push(`+ ${path} -> ${value}`);
  }
  return lines;
}

function short(value: unknown): string {
  return JSON.stringify(value).replaceAll('"', "");
}
