/**
 * `mars demo`: three hosts on this machine show what mars does.
 *
 *   cluster → resource → secondaries → handover → cut → failover → return
 *     → comparison of every byte
 *
 * Everything is real: three daemons of this very program, TLS over TCP, an
 * application that writes all the time, kill -9. Nothing needs root. Whatever
 * is claimed on the screen was checked just before; the first thing that is
 * not as it must be ends the demo with exit code 1, and its directory is kept.
 */
import { exitCodeOf, messageOf } from "../../base/errors.ts";
import { compareAll, handbook } from "./ending.ts";
import { createResource, formCluster, joinSecondaries } from "./opening.ts";
import { Screen } from "./screen.ts";
import { InterruptedError, Stage } from "./stage.ts";
import { comeBack, cutOff, failOver, handOver } from "./trouble.ts";

export interface DemoOptions {
  /** Words that start this program. */
  readonly self: readonly string[];
  /** Leaves the cluster running until a signal comes. */
  readonly keep: boolean;
  readonly print: (line: string) => void;
  readonly isTerminal: boolean;
}

/**
 * The path of a unix socket has less than 108 bytes, and that of an NBD socket
 * is this much longer than the directory of the demo.
 */
const DIRECTORY_CHARACTERS_MAX = 107 - "/alpha/run/nbd/data.sock".length;
const DIRECTORY_PREFIX = "mars-demo-";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** @returns the exit code */
export async function runDemo(options: DemoOptions): Promise<number> {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  for (const name of SIGNALS) Deno.addSignalListener(name, interrupt);
  try {
    return await run(options, stop.signal);
  } finally {
    for (const name of SIGNALS) Deno.removeSignalListener(name, interrupt);
  }
}

async function run(
  options: DemoOptions,
  signal: AbortSignal,
): Promise<number> {
  const { self, print, isTerminal } = options;
  const screen = new Screen({ print, isTerminal });
  const root = makeDirectory();
  screen.line(`Three hosts on this machine, in ${root}`);
  const stage = new Stage({ root, self, screen, signal });
  let error: unknown;
  try {
    await play(stage);
    if (options.keep) {
      handbook(stage, self).forEach((line) => screen.line(line));
      await aborted(signal);
    }
  } catch (thrown) {
    error = thrown;
  }
  screen.clearBar();
  await stage.close();
  if (error !== undefined && !(error instanceof InterruptedError)) {
    screen.line("");
    screen.line(`FAILED: ${messageOf(error)}`);
    screen.line(`Kept for you: ${root}, traces in ${root}/*/daemon.log`);
    return exitCodeOf(error);
  }
  Deno.removeSync(root, { recursive: true });
  screen.line(
    `${error === undefined ? "" : "Interrupted. "}Everything is cleaned up.`,
  );
  return error === undefined ? 0 : exitCodeOf(error);
}

async function play(stage: Stage): Promise<void> {
  await formCluster(stage);
  const volume = await createResource(stage);
  const onAlpha = await joinSecondaries(stage);
  const onBeta = await handOver(stage, { writer: onAlpha, volume });
  await cutOff(stage, onBeta);
  const onGamma = await failOver(stage, { writer: onBeta, volume });
  await comeBack(stage, { writer: onGamma, volume });
  await compareAll(stage, { writer: onGamma, volume });
}

function makeDirectory(): string {
  const directory = Deno.makeTempDirSync({ prefix: DIRECTORY_PREFIX });
  if (directory.length <= DIRECTORY_CHARACTERS_MAX) return directory;
  Deno.removeSync(directory);
  return Deno.makeTempDirSync({ dir: "/tmp", prefix: DIRECTORY_PREFIX });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
