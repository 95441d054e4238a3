/**
 * Running a command: from words to a row, and what surrounds it.
 *
 *   mars [options] command [RESOURCE|LIST|all] [words…]
 *
 * Options may stand anywhere. `force-COMMAND` is COMMAND with --force. Called
 * as `marsadm` the program behaves exactly as `mars` does.
 *
 * Around a command that acts stand locks and checks (`admission.ts`), hooks
 * (`hooks.ts`) and the system log (`syslog.ts`).
 */
import { MarsError, SomeFailedError, UsageError } from "../base/errors.ts";
import type { Shim } from "../../ffi/shim.ts";
import { unitWish } from "../resource/systemd.ts";
import { Admission } from "./admission.ts";
import { ALL, resourcesOf } from "./arguments.ts";
import { type Command, Desk, SKIPPING, type Voice } from "./command.ts";
import { commandOf, namedWords } from "./commands.ts";
import { type Effects, systemEffects } from "./effects.ts";
import { type Failure, runPhases } from "./engine.ts";
import { headerLine } from "./header.ts";
import { Hooks } from "./hooks.ts";
import { marsPath } from "./mars_path.ts";
import {
  type CommandLine,
  type Options,
  optionsOf,
  settingsOf,
} from "./options.ts";
import type { Programs } from "./programs.ts";
import { checkStart } from "./start_checks.ts";
import { SystemLog } from "./syslog.ts";

/** What commands need from the program. */
export interface Surroundings extends Voice {
  readonly openShim: () => Shim;
  /** Whether words may be coloured. */
  readonly color: boolean;
  /** Others than those of this machine. */
  readonly effects?: Effects;
  /** For hooks and the system log; without it there are none. */
  readonly programs?: Programs;
  /** Asks at the terminal; without it nobody is there. */
  readonly confirm?: (question: string) => boolean;
}

/**
 * Runs the row that the words name, says what went wrong, and keeps a record
 * in the system log.
 *
 * @returns the exit code
 * @throws UsageError for an unknown command, and errors that nobody foresaw
 */
export async function performCommand(
  line: CommandLine,
  surroundings: Surroundings,
): Promise<number> {
  const call = callOf(line, surroundings.color);
  const voice = voiceFor(call, surroundings);
  if (call.command.isReading === true) {
    return await attempt(call, line, { ...surroundings, ...voice });
  }
  await using log = new SystemLog(surroundings.programs, call.options.logger);
  const force = call.options.force ? " --force" : "";
  const action = `mars ${line.words.join(" ")}${force}`;
  log.note(`begin: ${action}`);
  const recorded = log.recorded(voice);
  const code = await attempt(call, line, { ...surroundings, ...recorded });
  log.note(`end: ${action}: ${code === 0 ? "done" : `exit code ${code}`}`);
  return code;
}

/**
 * Runs the row that the words name.
 *
 * @throws the error of the only resource, or a SomeFailedError
 */
export async function runCommand(
  line: CommandLine,
  surroundings: Surroundings,
): Promise<void> {
  const call = callOf(line, surroundings.color);
  const { failures, count } = await run(call, line, {
    ...surroundings,
    ...voiceFor(call, surroundings),
  });
  const [first] = failures;
  if (first === undefined) return;
  if (count === 1) throw first.error;
  throw new SomeFailedError(
    summaryOf(failures, count),
    failures.map(({ error }) => error),
  );
}

function summaryOf(failures: readonly Failure[], count: number): string {
  return `Failed for ${failures.length} of ${count} resources`;
}

async function attempt(
  call: Call,
  line: CommandLine,
  surroundings: Surroundings,
): Promise<number> {
  try {
    const { failures, count } = await run(call, line, surroundings);
    const [first] = failures;
    if (first === undefined) return 0;
    if (count > 1) surroundings.warn(`mars: ${summaryOf(failures, count)}`);
    return first.error.exitCode;
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
    const isDying = call.command.isReading !== true &&
      !(error instanceof UsageError);
    surroundings.warn(`${isDying ? "DYING" : "mars"}: ${error.message}`);
    return error.exitCode;
  }
}

/** The same command, which only looks. @throws UsageError if there is none */
function rehearsalOf(command: Command): Command {
  const { name, usage, summary, subject, wordsMin, wordsMax, rehearse } =
    command;
  if (rehearse === undefined) {
    throw new UsageError(
      `Cannot rehearse "${name}": --check goes with primary and secondary`,
    );
  }
  return {
    ...{ name, usage, summary, subject, wordsMin, wordsMax },
    isReading: true,
    run: rehearse,
  };
}

/** What was typed, understood as far as that is possible without the tree. */
interface Call {
  readonly command: Command;
  readonly typed: string;
  /** Undefined if the command takes no resource. */
  readonly subject: string | undefined;
  readonly words: readonly string[];
  readonly options: Options;
  /** Nobody reads what it says, unless something is wrong. */
  readonly isTimed: boolean;
}

/** @throws UsageError */
function callOf(line: CommandLine, color: boolean): Call {
  const [typed = "", ...rest] = namedWords(line.words);
  const options = optionsOf(line, color);
  const row = commandOf(typed, rest[0]);
  const command = options.check ? rehearsalOf(row) : row;
  const { subject, words } = subjectOf(command, rest);
  const isTimed = command.isQuiet === true && isList(subject) &&
    options.verbose <= 0 && !options.dryRun;
  return { command, typed, subject, words, options, isTimed };
}

/** The word for resources, if the command takes one, and those after it. */
function subjectOf(
  command: Command,
  rest: readonly string[],
): { subject: string | undefined; words: readonly string[] } {
  const isOptional = command.subject === "resources-or-all" &&
    rest.length <= command.wordsMin;
  const hasSubject = command.subject !== "none" && !isOptional;
  const subject = hasSubject ? rest[0] : isOptional ? ALL : undefined;
  const words = hasSubject ? rest.slice(1) : rest;
  const isGood = words.length >= command.wordsMin &&
    words.length <= command.wordsMax && (!hasSubject || rest.length > 0);
  if (isGood) return { subject, words };
  throw new UsageError(`Usage: mars ${command.name} ${command.usage}`.trim());
}

function isList(subject: string | undefined): boolean {
  return subject === ALL || subject?.includes(",") === true;
}

function voiceFor({ isTimed }: Call, voice: Voice): Voice {
  const { print, warn } = voice;
  if (!isTimed) return { print, warn };
  return {
    print: () => {},
    warn: (line) => {
      if (!line.startsWith(SKIPPING)) warn(line);
    },
  };
}

/** Failures that have been told, and of how many resources. */
interface Result {
  readonly failures: readonly Failure[];
  readonly count: number;
}

async function run(
  call: Call,
  line: CommandLine,
  surroundings: Surroundings,
): Promise<Result> {
  const { command, typed, subject, words, options, isTimed } = call;
  const { openShim, programs, confirm } = surroundings;
  const settings = settingsOf(line);
  const desk = new Desk({
    settings,
    options,
    effects: surroundings.effects ?? systemEffects(settings, openShim),
    voice: surroundings,
    openShim,
  });
  const isActing = command.isReading !== true;
  if (options.singlestep && confirm === undefined) {
    throw new UsageError(
      "Cannot go step by step: --singlestep needs a terminal to ask on",
    );
  }
  if (isActing) checkStart(command.name, desk);
  const resources = resourcesFor(command, desk, subject);
  if (resources.length === 0 && !isTimed) {
    desk.warn(`WARNING: "${desk.host}" takes part in no resource`);
  }
  if (isActing && options.dryRun) desk.warn("DRY RUN: changing nothing");
  const hooks = !isActing || programs === undefined ? undefined : new Hooks({
    desk,
    programs,
    directories: marsPath(desk.effects.environment),
    typed,
    name: command.name,
    words,
  });
  using admission = new Admission(command, desk);
  // So that what was taken away is put back.
  using _signals = command.phases === undefined
    ? undefined
    : desk.effects.onInterrupt(() => desk.interrupt());
  const failures = await runPhases(
    {
      command,
      typed,
      resources,
      words,
      parallel: parallelOf(command, desk, resources),
    },
    desk,
    {
      admit: (resource) => admission.admit(resource),
      introduce: (resource, voice) => {
        if (isIntroduced(call)) {
          voice.print(introduction(desk, resource));
        }
      },
      hook: (moment) => hooks?.run(moment),
      ask: (title) => ask(title, confirm),
    },
  );
  return { failures, count: resources.length };
}

/**
 * Units may take minutes to end: one resource must not wait for those of
 * another.
 */
function parallelOf(
  command: Command,
  desk: Desk,
  resources: readonly string[],
): number | undefined {
  const mayFork = command.phases !== undefined && resources.length > 1 &&
    !desk.options.singlestep;
  // There may be no tree at all.
  if (!mayFork) return undefined;
  const snapshot = desk.look();
  const hasUnits = resources.some((resource) =>
    unitWish(snapshot, resource, desk.host) !== undefined
  );
  return hasUnits ? Infinity : undefined;
}

function resourcesFor(
  command: Command,
  desk: Desk,
  subject: string | undefined,
): readonly string[] {
  if (subject === undefined) return [""];
  if (command.subject === "name") return [subject];
  return resourcesOf(subject, desk.look(), desk);
}

/** Whether it must be told which of several resources comes now. */
function isIntroduced({ command, subject, options }: Call): boolean {
  if (command.subject === "name" || !isList(subject)) return false;
  if (command.isReading === true) return false;
  return command.isQuiet !== true || options.verbose > 0;
}

function introduction(desk: Desk, resource: string): string {
  return headerLine(desk.look(), resource, desk.host);
}

/** @throws MarsError if the answer is no */
function ask(title: string, confirm: Surroundings["confirm"]): void {
  if (confirm?.(`Go on with "${title}"?`) === true) return;
  throw new MarsError(`Stopped before "${title}", as was answered`);
}
