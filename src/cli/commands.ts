/**
 * The command table, and the way from words to a row.
 *
 *   mars [options] command [RESOURCE|LIST|all] [words…]
 *
 * Options may stand anywhere. `force-COMMAND` is COMMAND with --force. Called
 * as `marsadm` the program behaves exactly as `mars` does.
 */
import { RefusedError, UsageError } from "../base/errors.ts";
import type { Shim } from "../../ffi/shim.ts";
import { ALL, resourcesOf } from "./arguments.ts";
import { CLUSTER_COMMANDS } from "./cluster.ts";
import { type Command, Desk, SKIPPING, type Voice } from "./command.ts";
import { type Effects, systemEffects } from "./effects.ts";
import { runPhases, type Surround } from "./engine.ts";
import { INVALIDATE_COMMANDS } from "./invalidate.ts";
import type { Lock } from "./lock.ts";
import { LEAVE_COMMANDS } from "./leave.ts";
import { HOUSEKEEPING_COMMANDS } from "./housekeeping.ts";
import {
  type CommandLine,
  OPTION_ROWS,
  type Options,
  optionsOf,
  settingsOf,
} from "./options.ts";
import { RESOURCE_COMMANDS } from "./resource.ts";
import { ROLE_COMMANDS } from "./role.ts";
import { checkStanding } from "./standing.ts";
import { SWITCH_COMMANDS } from "./switches.ts";
import { checkStart } from "./start_checks.ts";
import { VIEW_COMMANDS } from "./view.ts";
import { WAIT_COMMANDS } from "./wait.ts";

export const COMMANDS: readonly Command[] = [
  ...CLUSTER_COMMANDS,
  ...RESOURCE_COMMANDS,
  ...LEAVE_COMMANDS,
  ...INVALIDATE_COMMANDS,
  ...SWITCH_COMMANDS,
  ...ROLE_COMMANDS,
  ...VIEW_COMMANDS,
  ...WAIT_COMMANDS,
  ...HOUSEKEEPING_COMMANDS,
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

/** What commands need from the program. */
export interface Surroundings extends Voice {
  readonly openShim: () => Shim;
  /** Whether words may be coloured. */
  readonly color: boolean;
  /** Others than those of this machine. */
  readonly effects?: Effects;
}

/** Runs the row that the words name. @throws MarsError */
export async function runCommand(
  line: CommandLine,
  surroundings: Surroundings,
): Promise<void> {
  const [name = "", ...rest] = line.words;
  const command = commandOf(name);
  const settings = settingsOf(line);
  const { openShim, effects, color } = surroundings;
  const options = optionsOf(line, color);
  const { subject, words } = subjectOf(command, rest);
  const isTimed = isOfTimer(command, subject, options);
  const desk = new Desk({
    settings,
    options,
    effects: effects ?? systemEffects(settings, openShim),
    voice: isTimed ? warningVoice(surroundings) : surroundings,
    openShim,
  });
  if (command.isReading !== true) checkStart(command.name, desk);
  const resources = subject === undefined
    ? [""]
    : command.subject === "name"
    ? [subject]
    : resourcesOf(subject, desk.look(), desk);
  if (resources.length === 0 && !isTimed) {
    desk.warn(`WARNING: "${desk.host}" takes part in no resource`);
  }
  using holding = new Holding(command, desk);
  const held = resources.filter((resource) => holding.take(resource));
  for (const resource of held) checkStanding(command, desk, resource);
  // So that what was taken away is put back.
  using _signals = command.phases === undefined
    ? undefined
    : desk.effects.onInterrupt(() => desk.interrupt());
  await runPhases(command, desk, held, words, NO_SURROUND);
}

/** Whether nobody reads what the command says, unless something is wrong. */
function isOfTimer(
  { isQuiet }: Command,
  subject: string | undefined,
  { verbose, dryRun }: Options,
): boolean {
  const isList = subject === ALL || subject?.includes(",") === true;
  return isQuiet === true && isList && verbose <= 0 && !dryRun;
}

function warningVoice(voice: Voice): Voice {
  return {
    print: () => {},
    warn: (line) => {
      if (!line.startsWith(SKIPPING)) voice.warn(line);
    },
  };
}

const NO_SURROUND: Surround = {
  before: () => {},
  after: () => {},
  ask: () => {},
};

/** @throws UsageError naming those that are spelled alike */
function commandOf(name: string): Command {
  const command = COMMANDS.find((row) =>
    row.name === name || row.aliases?.includes(name)
  );
  if (command === undefined) throw unknownCommand(name);
  return command;
}

/** The word for resources, if the command takes one, and those after it. */
function subjectOf(
  command: Command,
  rest: readonly string[],
): { subject: string | undefined; words: readonly string[] } {
  const isOptional = command.subject === "resources-or-all" &&
    rest.length <= command.wordsMin;
  const hasSubject = command.subject !== "none" && !isOptional;
  const subject = hasSubject ? rest[0] : isOptional ? "all" : undefined;
  const words = hasSubject ? rest.slice(1) : rest;
  const isGood = words.length >= command.wordsMin &&
    words.length <= command.wordsMax && (!hasSubject || rest.length > 0);
  if (isGood) return { subject, words };
  throw new UsageError(`Usage: mars ${command.name} ${command.usage}`.trim());
}

/** Locks of one command. */
class Holding implements Disposable {
  readonly #command: Command;
  readonly #desk: Desk;
  readonly #locks: Lock[] = [];

  constructor(command: Command, desk: Desk) {
    this.#command = command;
    this.#desk = desk;
  }

  /** False if the resource is to be left out. @throws RefusedError */
  take(resource: string): boolean {
    const { name, isReading, whenBusy } = this.#command;
    if (isReading === true || this.#desk.options.dryRun) return true;
    // Commands on the cluster exclude each other, not those on resources.
    const lock = resource === "" ? ".cluster" : resource;
    try {
      this.#locks.push(
        this.#desk.effects.lock(lock, `${name} ${resource}`.trim()),
      );
      return true;
    } catch (error) {
      const isSkipped = error instanceof RefusedError && whenBusy === "skip";
      if (!isSkipped) throw error;
      this.#desk.warn(`${SKIPPING}${error.message}`);
      return false;
    }
  }

  [Symbol.dispose](): void {
    for (const lock of this.#locks) lock[Symbol.dispose]();
  }
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

Options:
${optionLines().join("\n")}

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 refused, 4 timed out.`;
}

function optionLines(): string[] {
  return OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true).map(
    ({ name, value = "", summary }) =>
      `  ${`--${name}${value}`.padEnd(28)} ${summary}`,
  );
}
