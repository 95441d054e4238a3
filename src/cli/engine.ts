/**
 * Engine: takes resources through the phases of a command.
 *
 *   phase 1   resource a, resource b, …      a barrier after each phase
 *   phase 2   resource a, resource b, …
 *
 * With --parallel each resource goes on alone from the phase that forks, or
 * from the first one. A phase that waits polls all of its resources together;
 * its time begins with the phase. A resource that fails is left out of the
 * later phases, and what its phases took away is put back, the last first. The
 * first error decides about the exit code, after all that can be done is done.
 *
 * Source: phases of `marsadm`; that failures undo is ours.
 */
import { MarsError, messageOf, SomeFailedError } from "../base/errors.ts";
import {
  type Command,
  type Desk,
  type Phase,
  POLL_MS,
  timeoutError,
  type Voice,
} from "./command.ts";

/** What happens around each phase of each resource. */
export interface Surround {
  /** @throws MarsError to forbid the phase */
  readonly before: (title: string, resource: string) => void | Promise<void>;
  readonly after: (title: string, resource: string) => void | Promise<void>;
  /** Asks somebody at the terminal. @throws MarsError if the answer is no */
  readonly ask: (title: string) => void | Promise<void>;
}

/** A resource on its way through the phases. */
interface Walker {
  /** Empty where the command has none. */
  readonly resource: string;
  readonly desk: Desk;
  readonly phases: readonly Phase[];
  /** Phases whose effect is put back if a later one fails. */
  readonly toUndo: Phase[];
  failure: { readonly error: unknown } | undefined;
}

/**
 * Runs `command` for all `resources`; for [""] if it takes none.
 *
 * @throws the error of the only resource, or a SomeFailedError
 */
export async function runPhases(
  command: Command,
  desk: Desk,
  resources: readonly string[],
  words: readonly string[],
  surround: Surround,
): Promise<void> {
  await command.begin?.(desk, resources, words);
  const { parallel } = desk.options;
  const isForked = parallel !== undefined && resources.length > 1;
  const walkers = resources.map((resource): Walker => {
    const own = isForked ? desk.withVoice(childVoice(desk, resource)) : desk;
    const phases = phasesOf(command, own, resource, words);
    return { resource, desk: own, phases, toUndo: [], failure: undefined };
  });
  const walk = new Walk(command, desk, surround, walkers.length);
  const count = walkers[0]?.phases.length ?? 0;
  const forkAt = isForked ? forkingPhase(walkers) : count;
  await walk.together(walkers, 0, forkAt);
  if (forkAt < count) {
    await atMost(
      parallel ?? 1,
      walkers,
      (walker) => walk.together([walker], forkAt, count),
    );
  }
  try {
    await command.finish?.(desk);
  } catch (error) {
    // What failed before is worse, because it is of somebody's resource.
    if (walkers.every(({ failure }) => failure === undefined)) throw error;
    desk.warn(`WARNING: ${messageOf(error)}`);
  }
  report(walkers);
}

function phasesOf(
  command: Command,
  desk: Desk,
  resource: string,
  words: readonly string[],
): readonly Phase[] {
  const { run, phases, summary } = command;
  if (phases !== undefined) return phases(desk, resource, words);
  return [{ title: summary, act: () => run?.(desk, resource, words) }];
}

function forkingPhase(walkers: readonly Walker[]): number {
  const phases = walkers[0]?.phases ?? [];
  return Math.max(0, phases.findIndex(({ forks }) => forks === true));
}

/** Lines of resources that go on alone must be told apart. */
function childVoice(desk: Desk, resource: string): Voice {
  return {
    print: (line) => desk.print(`CHILD ${resource}: ${line}`),
    warn: (line) => desk.warn(`CHILD ${resource}: ${line}`),
  };
}

async function atMost<Item>(
  limit: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const runOne = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await work(item);
    }
  };
  const count = Math.min(limit, items.length);
  await Promise.all(Array.from({ length: count }, runOne));
}

function report(walkers: readonly Walker[]): void {
  const errors = walkers.flatMap(({ failure }) =>
    failure === undefined ? [] : [failure.error]
  );
  if (errors.length === 0) return;
  // One that nobody foresaw must show where it came from.
  const unforeseen = errors.find((error) => !(error instanceof MarsError));
  if (unforeseen !== undefined || walkers.length === 1) {
    throw unforeseen ?? errors[0];
  }
  throw new SomeFailedError(
    `Failed for ${errors.length} of ${walkers.length} resources`,
    errors,
  );
}

/** Phases of one command. */
class Walk {
  readonly #command: Command;
  readonly #desk: Desk;
  readonly #surround: Surround;
  readonly #isList: boolean;

  constructor(
    command: Command,
    desk: Desk,
    surround: Surround,
    resourceCount: number,
  ) {
    this.#command = command;
    this.#desk = desk;
    this.#surround = surround;
    this.#isList = resourceCount > 1;
  }

  /** Takes walkers through phases, with a barrier after each. */
  async together(
    walkers: readonly Walker[],
    from: number,
    until: number,
  ): Promise<void> {
    for (let index = from; index < until; index++) {
      const going = walkers.filter(({ failure }) => failure === undefined);
      const title = going[0]?.phases[index]?.title;
      if (title === undefined) return;
      await this.#announce(index, title);
      for (const walker of going) {
        await this.#attempt(walker, () => this.#begin(walker, index));
      }
      await this.#wait(going, index);
      for (const walker of going) {
        await this.#attempt(
          walker,
          () => this.#surround.after(title, walker.resource),
        );
      }
    }
  }

  async #announce(index: number, title: string): Promise<void> {
    const { options } = this.#desk;
    if (this.#command.isReading === true) return;
    if (options.verbose > 0 || options.singlestep) {
      this.#desk.print(`-------- PHASE ${index + 1} -------- ${title}:`);
    }
    if (options.singlestep) await this.#surround.ask(title);
  }

  async #begin(walker: Walker, index: number): Promise<void> {
    const phase = walker.phases[index];
    if (phase === undefined) return;
    walker.desk.checkInterruption();
    if (this.#desk.options.failInPhase === index + 1) {
      throw new MarsError(`Failed in phase ${index + 1}, as was asked for`);
    }
    await this.#surround.before(phase.title, walker.resource);
    // Before it acts: half of it may be done when it fails.
    if (phase.undo !== undefined) walker.toUndo.push(phase);
    await phase.act?.();
  }

  /** Until no walker has an obstacle left, or its time is over. */
  async #wait(walkers: readonly Walker[], index: number): Promise<void> {
    const { options, clock } = this.#desk;
    if (options.dryRun) return;
    const startedMs = clock.monotonicMs();
    let waiting = walkers.filter((walker) =>
      walker.phases[index]?.until !== undefined
    );
    for (;;) {
      waiting = waiting.filter(({ failure }) => failure === undefined);
      if (waiting.length === 0) return;
      const snapshot = this.#desk.snapshot();
      const waitedMs = clock.monotonicMs() - startedMs;
      const stillWaiting: Walker[] = [];
      for (const walker of waiting) {
        await this.#attempt(walker, () => {
          walker.desk.checkInterruption();
          const phase = walker.phases[index];
          const left = phase?.until?.(snapshot) ?? [];
          if (left.length === 0) return;
          if (waitedMs >= options.timeoutMs) {
            throw timeoutError(waitedMs, `to ${phase?.title}`, left);
          }
          stillWaiting.push(walker);
        });
      }
      waiting = stillWaiting;
      if (waiting.length > 0) await this.#desk.sleep(POLL_MS);
    }
  }

  /** A resource that fails puts back what it took, and goes no further. */
  async #attempt(
    walker: Walker,
    act: () => void | Promise<void>,
  ): Promise<void> {
    if (walker.failure !== undefined) return;
    try {
      await act();
    } catch (error) {
      walker.failure = { error };
      const { desk, resource } = walker;
      if (this.#isList) desk.warn(`${resource}: ${messageOf(error)}`);
      for (const phase of walker.toUndo.reverse()) {
        try {
          await phase.undo?.();
        } catch (undoing) {
          desk.warn(
            `WARNING: "${resource}": cannot undo "${phase.title}": ${
              messageOf(undoing)
            }`,
          );
        }
      }
    }
  }
}
