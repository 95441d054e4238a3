/**
 * The command table, and the way from words to a row.
 *
 *   mars [options] command [RESOURCE|LIST|all] [words…]
 *
 * Options may stand anywhere. `force-COMMAND` is COMMAND with --force. Called
 * as `marsadm` the program behaves exactly as `mars` does.
 */
import { parseArgs } from "@std/cli/parse-args";
import { messageOf, UsageError } from "../base/errors.ts";
import { type Settings, settingsFrom } from "../base/settings.ts";
import { MS_PER_S } from "../base/time.ts";
import type { Shim } from "../../ffi/shim.ts";
import { ROTATE_BYTES_MIN, ROTATE_LOGS_MAX } from "../resource/retention.ts";
import { CLUSTER_COMMANDS } from "./cluster.ts";
import { type Command, Desk, type Options, resourcesOf } from "./command.ts";
import { INVALIDATE_COMMANDS } from "./invalidate.ts";
import { MAINTENANCE_COMMANDS } from "./maintenance.ts";
import { RESOURCE_COMMANDS } from "./resource.ts";
import { ROLE_COMMANDS } from "./role.ts";
import { SWITCH_COMMANDS } from "./switches.ts";
import { VIEW_COMMANDS } from "./view.ts";

export const COMMANDS: readonly Command[] = [
  ...CLUSTER_COMMANDS,
  ...RESOURCE_COMMANDS,
  ...INVALIDATE_COMMANDS,
  ...SWITCH_COMMANDS,
  ...ROLE_COMMANDS,
  ...VIEW_COMMANDS,
  ...MAINTENANCE_COMMANDS,
];

/** Command lines of the program itself, for help. */
export const PROGRAM_COMMANDS: readonly Pick<
  Command,
  "name" | "usage" | "summary"
>[] = [
  {
    name: "daemon",
    usage: "[--listen=ADDRESS] [--reserve=SIZE]",
    summary: "Run the daemon of this host in the foreground",
  },
  { name: "demo", usage: "[--keep]", summary: "Show what mars does, here" },
  { name: "key show", usage: "", summary: "Print the public key of this host" },
  {
    name: "token create",
    usage: "[--ip=ADDRESS[:PORT]]",
    summary: "Make a one-time token that lets another host join",
  },
  {
    name: "log dump",
    usage: "FILE [--json]",
    summary: "Print the records of a log file",
  },
  {
    name: "log verify",
    usage: "FILE [--json]",
    summary: "Check a log file; say where and how it is damaged",
  },
  { name: "help", usage: "[COMMAND]", summary: "Explain commands" },
  { name: "version", usage: "", summary: "Print the version" },
];

const SWITCH_OPTIONS = [
  "force",
  "dry-run",
  "verbose",
  "json",
  "ignore-sync",
  "keep",
  "help",
  "version",
];

const VALUE_OPTIONS = [
  "mars-dir",
  "run-dir",
  "etc-dir",
  "host",
  "port",
  "ip",
  "token",
  "timeout",
  "window",
  "thresh-logfiles",
  "thresh-logsize",
  "keep-backup-hours",
  "acknowledge",
  "listen",
  "reserve",
  "trace",
  "trace-format",
];

/** Words and options of a command line, before anything is believed. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
  readonly isOn: (option: string) => boolean;
}

/** @throws UsageError for an unknown option */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const parsed = parseArgs(args.map(withoutMinusOne), {
    boolean: SWITCH_OPTIONS,
    string: [...VALUE_OPTIONS, "_"],
    collect: VALUE_OPTIONS,
    alias: { force: "f", "dry-run": "d", verbose: "v", help: "h" },
    unknown: (argument, key) => {
      if (key === undefined) return true;
      throw new UsageError(
        `Unknown option "${argument}"; type mars help`,
      );
    },
  });
  const words = parsed._.map(String);
  const [name = ""] = words;
  const isForced = name.startsWith("force-");
  if (isForced) words[0] = name.slice("force-".length);
  const texts = (option: string): readonly string[] => {
    const value = parsed[option];
    return Array.isArray(value) ? value.map(String) : [];
  };
  return {
    words,
    texts,
    text: (option) => texts(option).at(-1),
    isOn: (option) =>
      parsed[option] === true || (option === "force" && isForced),
  };
}

/** `--timeout=-1` would be read as an option of its own. */
function withoutMinusOne(argument: string): string {
  return argument.replace(/^(--timeout)=-1$/, "$1=infinite");
}

export function settingsOf(line: CommandLine): Settings {
  return settingsFrom(
    {
      "mars-dir": line.text("mars-dir"),
      "run-dir": line.text("run-dir"),
      "etc-dir": line.text("etc-dir"),
      host: line.text("host"),
      port: line.text("port"),
    },
    (name) => Deno.env.get(name),
    () => Deno.hostname(),
  );
}

/** Prescribed by MARS. */
const TIMEOUT_S = 600;
const WINDOW_S = 60;
const KEEP_BACKUP_HOURS = 168;

/** @throws UsageError for a value that is no number */
export function optionsOf(line: CommandLine, color: boolean): Options {
  const number = (option: string, standard: number): number => {
    const text = line.text(option);
    if (text === undefined) return standard;
    if (text === "infinite" && option === "timeout") return Infinity;
    if (/^\d+$/.test(text)) return Number(text);
    throw new UsageError(
      `Cannot use "${text}" as --${option}: expected a whole number`,
    );
  };
  return {
    force: line.isOn("force"),
    dryRun: line.isOn("dry-run"),
    verbose: line.isOn("verbose"),
    json: line.isOn("json"),
    color,
    ignoreSync: line.isOn("ignore-sync"),
    keep: line.isOn("keep"),
    timeoutMs: number("timeout", TIMEOUT_S) * MS_PER_S,
    windowMs: number("window", WINDOW_S) * MS_PER_S,
    threshLogs: number("thresh-logfiles", ROTATE_LOGS_MAX),
    threshLogBytes: number("thresh-logsize", ROTATE_BYTES_MIN),
    keepBackupHours: number("keep-backup-hours", KEEP_BACKUP_HOURS),
    ip: line.text("ip"),
    tokens: line.texts("token"),
    acknowledge: line.text("acknowledge"),
  };
}

/** What commands need from the program. */
export interface Surroundings {
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly openShim: () => Shim;
  /** Whether words may be coloured. */
  readonly color: boolean;
}

/** Runs the row that the words name. @throws MarsError */
export async function runCommand(
  line: CommandLine,
  surroundings: Surroundings,
): Promise<void> {
  const [name = "", ...rest] = line.words;
  const command = COMMANDS.find((row) => row.name === name);
  if (command === undefined) throw unknownCommand(name);
  const desk = new Desk({
    settings: settingsOf(line),
    options: optionsOf(line, surroundings.color),
    ...surroundings,
  });
  const isOptional = command.subject === "resources-or-all" &&
    rest.length <= command.wordsMin;
  const hasSubject = command.subject !== "none" && !isOptional;
  const subject = hasSubject ? rest.shift() : "all";
  const isCount = rest.length >= command.wordsMin &&
    rest.length <= command.wordsMax;
  if (subject === undefined || !isCount) {
    throw new UsageError(`Usage: mars ${command.name} ${command.usage}`.trim());
  }
  await runFor(command, desk, subject, rest);
}

async function runFor(
  command: Command,
  desk: Desk,
  subject: string,
  words: readonly string[],
): Promise<void> {
  if (command.subject === "none") return await command.run(desk, "", words);
  if (command.subject === "name") {
    return await command.run(desk, subject, words);
  }
  const resources = resourcesOf(subject, desk.look(), desk.host);
  const errors: unknown[] = [];
  for (const resource of resources) {
    try {
      await command.run(desk, resource, words);
    } catch (error) {
      errors.push(error);
      // One resource that fails must not keep the others.
      if (resources.length > 1) desk.warn(`${resource}: ${messageOf(error)}`);
    }
  }
  await command.finish?.(desk);
  if (errors.length > 0) throw errors[0];
}

/** Names the commands that are spelled most alike. */
function unknownCommand(name: string): UsageError {
  const names = [...COMMANDS, ...PROGRAM_COMMANDS].map((row) => row.name);
  const nearest = names
    .map((known) => ({ known, distance: distanceOf(name, known) }))
    .sort((left, right) => left.distance - right.distance)
    .slice(0, 3)
    .map(({ known }) => known);
  return new UsageError(
    `Unknown command "${name}"; nearest: ${nearest.join(", ")}; type mars help`,
  );
}

/** Edits from one word to the other (Levenshtein). */
function distanceOf(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [at, letter] of [...left].entries()) {
    const next = [at + 1];
    for (const [index, other] of [...right].entries()) {
      next.push(Math.min(
        (next[index] ?? 0) + 1,
        (row[index + 1] ?? 0) + 1,
        (row[index] ?? 0) + (letter === other ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

/** All commands, or one. */
export function helpText(name: string | undefined): string {
  const rows = [...PROGRAM_COMMANDS, ...COMMANDS];
  const wanted = name === undefined
    ? rows
    : rows.filter((row) => row.name === name);
  if (wanted.length === 0) throw unknownCommand(name ?? "");
  const lines = wanted.map((row) =>
    `  ${`${row.name} ${row.usage}`.trim()}\n      ${row.summary}`
  );
  if (name !== undefined) return lines.join("\n");
  return `mars replicates block devices over long distances.

Usage: mars [options] command [RESOURCE|LIST|all] [words]

${lines.join("\n")}

Options of all commands:
  --mars-dir=DIR --run-dir=DIR --etc-dir=DIR   where things are
  --host=NAME --port=PORT                      who this host is
  --force --dry-run --verbose --json
  --timeout=S     give up waiting, 600; -1 never
  --window=S      who was silent for so long is dead, 60

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 refused, 4 timed out.`;
}
