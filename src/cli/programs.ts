/**
 * Programs: what commands start besides themselves, hooks and the logger.
 *
 * They get the environment of their caller without what only concerns the
 * runtime that carries us.
 */
import { deadline } from "@std/async/deadline";
import { MarsError, messageOf } from "../base/errors.ts";

export interface Programs {
  /**
   * Runs a program to its end. What it prints goes where ours goes; its input
   * is empty.
   *
   * @returns its exit code, or 128 and the number of a signal
   * @throws MarsError if it cannot be started
   */
  readonly run: (program: Program) => Promise<number>;
  /** Starts a program that reads lines; undefined if it cannot be started. */
  readonly feed: (program: Program) => LineSink | undefined;
}

export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  /** Further variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Takes lines; whether they arrive is nobody's concern. */
export interface LineSink {
  readonly write: (line: string) => void;
  /** Waits until the program has taken all and ended, but not for long. */
  readonly end: () => Promise<void>;
}

/** Ours. A system log that takes longer than this will not take it. */
const SINK_END_MS = 1000;

/** The programs of this machine. */
export const SYSTEM_PROGRAMS: Programs = { run, feed };

async function run(program: Program): Promise<number> {
  const { path, args, environment = {} } = program;
  try {
    const child = new Deno.Command(path, {
      args: [...args],
      env: { ...inherited(), ...environment },
      clearEnv: true,
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    return (await child.status).code;
  } catch (error) {
    throw new MarsError(`Cannot start "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function feed(program: Program): LineSink | undefined {
  const { path, args, environment = {} } = program;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, {
      args: [...args],
      env: { ...inherited(), ...environment },
      clearEnv: true,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      // An interruption must not end it: it is to hear of that, too.
      detached: true,
    }).spawn();
  } catch {
    // Not there, not executable, not allowed: then there is none.
    return undefined;
  }
  const writer = child.stdin.getWriter();
  // It may end whenever it likes; what it misses is lost.
  const ignored = (): void => {};
  writer.closed.catch(ignored);
  const encoder = new TextEncoder();
  return {
    write: (line) => {
      writer.write(encoder.encode(`${line}\n`)).catch(ignored);
    },
    end: async () => {
      const ended = Promise.all([writer.close().catch(ignored), child.status]);
      try {
        await deadline(ended, SINK_END_MS);
      } catch {
        // It hangs. What it has not taken by now is lost.
        kill(child);
        await ended;
      }
    },
  };
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has just ended.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Variables that are the runtime's business and nobody else's. */
const RUNTIME_VARIABLES = /^(?:DENO_|LD_|MARS_SHIM$|MARS_EXECUTABLE$)/;

/** The environment of our caller, for programs that we start. */
export function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) =>
      !RUNTIME_VARIABLES.test(name)
    ),
  );
}
