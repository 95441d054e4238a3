/**
 * Hooks: programs of the administrator around every phase and resource.
 *
 *   hook-all-pre    before a phase, once for all resources
 *   hook-pre        before a phase of one resource
 *   hook-post       after it
 *   hook-all-post   after the phase of all resources
 *
 * Each of them also with `-COMMAND` behind it, and each with `.d`, a directory
 * of hooks. All directories of MARS_PATH are searched; what is found there
 * first runs first. Commands that only read call none, and a dry run only
 * tells which it would call.
 *
 * A hook gets the command, the resource (or a comma list) and the further
 * words as arguments, and in its environment the variables below. If it ends
 * with another code than 0, the phase is forbidden or the command goes no
 * further, unless --force is given. It runs while the resource is locked: it
 * may look, but not give commands that change the same resource.
 *
 * Source: hooks of `marsadm`; the environment is ours, and so is whom we trust.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import type { Settings } from "../base/settings.ts";
import type { Desk } from "./command.ts";
import type { Moment } from "./engine.ts";
import { distrustOf, findHooks } from "./hook_files.ts";
import type { Programs } from "./programs.ts";

/** What all hooks of one command have in common. */
export interface HookParts {
  readonly desk: Desk;
  readonly programs: Programs;
  readonly directories: readonly string[];
  /** The command as it was typed, and as it is called. */
  readonly typed: string;
  readonly name: string;
  readonly words: readonly string[];
}

/** Hooks of one command. */
export class Hooks {
  readonly #parts: HookParts;
  /** Paths by name of the hook: what appears meanwhile does not count. */
  readonly #found = new Map<string, readonly string[]>();

  constructor(parts: HookParts) {
    this.#parts = parts;
  }

  /**
   * Runs all hooks of one moment, one after the other.
   *
   * @throws RefusedError if one forbids what comes next; MarsError if one
   * fails afterwards
   */
  async run(moment: Moment): Promise<void> {
    for (const path of this.#pathsOf(moment.when)) {
      await this.#runOne(path, moment);
    }
  }

  #pathsOf(when: Moment["when"]): string[] {
    const { typed, name, directories } = this.#parts;
    const commands = [...new Set([name, typed])].map((word) =>
      `-${word.replaceAll(" ", "-")}`
    );
    return ["", ...commands].flatMap((suffix) => {
      const hook = `hook-${when}${suffix}`;
      const found = this.#found.get(hook) ?? findHooks(directories, hook);
      this.#found.set(hook, found);
      return found;
    });
  }

  async #runOne(path: string, moment: Moment): Promise<void> {
    const { desk, programs, typed, words } = this.#parts;
    const { options } = desk;
    const subject = moment.resources.join(",");
    const args = [typed, ...subject === "" ? [] : [subject], ...words];
    if (options.dryRun) {
      desk.print(`hook ${path} ${args.join(" ")}`);
      return;
    }
    const distrust = distrustOf(path);
    const complaint = distrust === undefined
      ? complaintOf(
        await programs.run({ path, args, environment: this.#tell(moment) }),
      )
      : `is not to be trusted: ${distrust}`;
    if (complaint === undefined) return;
    if (options.force) {
      desk.warn(`WARNING: hook "${path}" ${complaint}`);
      return;
    }
    const action = `${typed} ${subject}`.trim();
    const place = `phase ${moment.phase} of ${moment.phases}`;
    if (moment.when.endsWith("pre")) {
      throw new RefusedError(`Cannot begin ${place} of "${action}"`, [
        `hook "${path}" ${complaint}; --force goes on all the same`,
      ]);
    }
    throw new MarsError(
      `Stopped after ${place} of "${action}": hook "${path}" ${complaint}`,
    );
  }

  #tell(moment: Moment): Record<string, string> {
    const { desk, name } = this.#parts;
    return {
      ...settingsAsVariables(desk.settings),
      MARS_HOOK: moment.when,
      MARS_COMMAND: name,
      MARS_RESOURCE: moment.resources.join(","),
      MARS_PHASE: String(moment.phase),
      MARS_PHASES: String(moment.phases),
      MARS_PHASE_TITLE: moment.title,
      MARS_FORCE: desk.options.force ? "1" : "0",
    };
  }
}

/** Undefined if it ended as it should. */
function complaintOf(code: number): string | undefined {
  return code === 0 ? undefined : `ended with exit code ${code}`;
}

/** So that `mars` in a hook means the same host. */
function settingsAsVariables(settings: Settings): Record<string, string> {
  return {
    MARS_DIR: settings.marsDir,
    MARS_RUN_DIR: settings.runDir,
    MARS_CONTROL_DIR: settings.controlDir,
    MARS_ETC_DIR: settings.etcDir,
    MARS_HOST: settings.host,
    MARS_PORT: String(settings.port),
  };
}
