/**
 * Engine: takes resources through the phases of a command.
 *
 *   phase 1   resource a, resource b, …      a barrier after each phase
 *   phase 2   resource a, resource b, …
 *
 * With --parallel each resource goes on alone from the phase that forks, or
 * from the first one. A phase that waits polls all of its resources together;
 * its time begins with the phase. A resource that fails is left out of the
 * later phases, and what its phases took away is put back, the last first; not
 * so if all phases have been done and only a hook complains. Everything is done
 * that can be done before the failures are counted.
 *
 * Failures are told when they happen, with prefixes that scripts look for:
 *
 *   stderr  DYING: <what was wrong>                  of a command that acts
 *   stdout  FAILURE cmd='<command>' res='<resource>'  if it has a resource
 *   stderr  mars: <what was wrong>                   of a command that reads
 *
 * Source: phases and prefixes of `marsadm`; that failures undo is ours.
 */
import { MarsError, messageOf } from "../base/errors.ts";
import {
  type Command,
  type Desk,
  Patience,
  type Phase,
  POLL_MS,
  type Voice,
} from "./command.ts";

/** Ours: of resources that are waited for, in one line. */
const SHOWN_MAX = 5;

/** A command with what was typed behind it. */
export interface Call {
  readonly command: Command;
  /** The name that was typed: of the row, or one of its aliases. */
  readonly typed: string;
  /** [""] if the command takes none. */
  readonly resources: readonly string[];
  readonly words: readonly string[];
  /** How many resources at once, unless options say so. */
  readonly parallel?: number | undefined;
}

/** A point between phases at which hooks are called. */
export interface Moment {
  /** Of all resources together, or of one of them. */
  readonly when: "all-pre" | "pre" | "post" | "all-post";
  readonly title: string;
  /** Counts from 1. */
  readonly phase: number;
  readonly phases: number;
  readonly resources: readonly string[];
}

/** What happens around each phase of each resource. */
export interface Surround {
  /**
   * Locks and checks a resource before its first phase.
   *
   * @returns false if it is to be left out
   * @throws MarsError if the command cannot work on it
   */
  readonly admit: (resource: string) => boolean;
  /** Says which resource comes now; called once for each. */
  readonly introduce: (resource: string, voice: Voice) => void;
  /** @throws MarsError to forbid what comes next */
  readonly hook: (moment: Moment) => void | Promise<void>;
  /** Asks somebody at the terminal. @throws MarsError if the answer is no */
  readonly ask: (title: string) => void | Promise<void>;
}

/** What became of a resource; the error has been told. */
export interface Failure {
  readonly resource: string;
  readonly error: MarsError;
}

/** A resource on its way through the phases. */
interface Walker {
  /** Empty where the command has none. */
  readonly resource: string;
  readonly desk: Desk;
  /** Empty until it is admitted. */
  phases: readonly Phase[];
  /** Phases whose effect is put back if a later one fails. */
  readonly toUndo: Phase[];
  failure: { readonly error: unknown } | undefined;
}

/**
 * Takes all resources of a call through the phases of its command.
 *
 * @returns failures in the order of resources
 * @throws what `begin` and `finish` of the command throw, and errors that
 * nobody foresaw
 */
export async function runPhases(
  call: Call,
  desk: Desk,
  surround: Surround,
): Promise<readonly Failure[]> {
  const { command, resources, words } = call;
  const parallel = desk.options.parallel ?? call.parallel;
  const isForked = parallel !== undefined && resources.length > 1;
  const walk = new Walk(call, desk, surround);
  const walkers = await walk.admit(resources.map((resource): Walker => ({
    resource,
    desk: isForked ? desk.withVoice(childVoice(desk, resource)) : desk,
    phases: [],
    toUndo: [],
    failure: undefined,
  })));
  const admitted = walkers.filter(isGoing);
  // What concerns the whole host is done even if all resources are busy.
  if (admitted.length > 0 || walkers.length === 0) {
    const names = admitted.map(({ resource }) => resource);
    await command.begin?.(desk, names, words);
    const going = await walk.plan(admitted);
    const count = going[0]?.phases.length ?? 0;
    const forkAt = isForked ? forkingPhase(going) : count;
    await walk.together(going, 0, forkAt);
    if (forkAt < count) {
      await atMost(
        parallel ?? 1,
        going,
        (walker) => walk.together([walker], forkAt, count),
      );
    }
    try {
      await command.finish?.(desk);
    } catch (error) {
      // What failed before is worse, because it is of somebody's resource.
      if (walkers.every(isGoing)) throw error;
      desk.warn(`WARNING: ${messageOf(error)}`);
    }
  }
  return walkers.flatMap(({ resource, failure }) => {
    if (failure === undefined) return [];
    // One that nobody foresaw must show where it came from.
    if (!(failure.error instanceof MarsError)) throw failure.error;
    return [{ resource, error: failure.error }];
  });
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

/** Phases of one call. */
class Walk {
  readonly #call: Call;
  readonly #desk: Desk;
  readonly #surround: Surround;

  constructor(call: Call, desk: Desk, surround: Surround) {
    this.#call = call;
    this.#desk = desk;
    this.#surround = surround;
  }

  /** Those that take part, and those that have failed already. */
  async admit(walkers: readonly Walker[]): Promise<readonly Walker[]> {
    const staying = new Set(walkers);
    // Two commands on two lists must not wait for each other.
    for (const walker of walkers.toSorted(byResource)) {
      await this.#attempt(walker, () => {
        if (!this.#surround.admit(walker.resource)) staying.delete(walker);
      });
    }
    return walkers.filter((walker) => staying.has(walker));
  }

  /** Decides about the phases of all before the first one begins. */
  async plan(walkers: readonly Walker[]): Promise<readonly Walker[]> {
    const { command, words } = this.#call;
    for (const walker of walkers) {
      await this.#attempt(walker, () => {
        const { desk, resource } = walker;
        walker.phases = phasesOf(command, desk, resource, words);
      });
    }
    return walkers.filter(isGoing);
  }

  /** Takes walkers through phases, with a barrier after each. */
  async together(
    walkers: readonly Walker[],
    from: number,
    until: number,
  ): Promise<void> {
    for (let index = from; index < until; index++) {
      const going = walkers.filter(isGoing);
      await this.#attemptAll(going, async () => {
        await this.#announce(going, index);
        await this.#hook("all-pre", going, index);
      });
      for (const walker of going) {
        await this.#attempt(walker, () => this.#begin(walker, index));
      }
      await this.#wait(going, index);
      for (const walker of going) {
        // What is complete is not undone.
        if (index + 1 === walker.phases.length && isGoing(walker)) {
          walker.toUndo.length = 0;
        }
        await this.#attempt(
          walker,
          () => this.#hook("post", [walker], index),
        );
      }
      const done = going.filter(isGoing);
      await this.#attemptAll(done, () => this.#hook("all-post", done, index));
    }
  }

  async #announce(walkers: readonly Walker[], index: number): Promise<void> {
    const title = walkers[0]?.phases[index]?.title;
    const { options } = this.#desk;
    if (title === undefined || this.#call.command.isReading === true) return;
    if (options.verbose > 0 || options.singlestep) {
      this.#desk.print(`-------- PHASE ${index + 1} -------- ${title}:`);
    }
    if (options.singlestep) await this.#surround.ask(title);
  }

  async #hook(
    when: Moment["when"],
    walkers: readonly Walker[],
    index: number,
  ): Promise<void> {
    const phases = walkers[0]?.phases;
    const title = phases?.[index]?.title;
    if (phases === undefined || title === undefined) return;
    await this.#surround.hook({
      when,
      title,
      phase: index + 1,
      phases: phases.length,
      resources: walkers.map(({ resource }) => resource),
    });
  }

  /** What forbids a phase of all forbids it of each. */
  async #attemptAll(
    walkers: readonly Walker[],
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      for (const walker of walkers) {
        await this.#attempt(walker, () => Promise.reject(error));
      }
    }
  }

  async #begin(walker: Walker, index: number): Promise<void> {
    const phase = walker.phases[index];
    if (phase === undefined) return;
    walker.desk.checkInterruption();
    if (index === 0) this.#surround.introduce(walker.resource, walker.desk);
    if (this.#desk.options.failInPhase === index + 1) {
      throw new MarsError(`Failed in phase ${index + 1}, as was asked for`);
    }
    await this.#hook("pre", [walker], index);
    // Before it acts: half of it may be done when it fails.
    if (phase.undo !== undefined) walker.toUndo.push(phase);
    await phase.act?.();
  }

  /** Until no walker has an obstacle left, or its time is over. */
  async #wait(walkers: readonly Walker[], index: number): Promise<void> {
    if (this.#desk.options.dryRun) return;
    const { limitMs } = walkers[0]?.phases[index] ?? {};
    const patience = new Patience(this.#desk, limitMs);
    let waiting = walkers.filter((walker) =>
      walker.phases[index]?.until !== undefined
    );
    for (;;) {
      waiting = waiting.filter(({ failure }) => failure === undefined);
      if (waiting.length === 0) return;
      const snapshot = this.#desk.snapshot();
      const stillWaiting: Walker[] = [];
      const obstacles: string[] = [];
      for (const walker of waiting) {
        await this.#attempt(walker, async () => {
          walker.desk.checkInterruption();
          const { goal = "", until } = walker.phases[index] ?? {};
          const left = await until?.(snapshot) ?? [];
          if (left.length === 0) return;
          patience.check(goal, left);
          stillWaiting.push(walker);
          obstacles.push(`${this.#prefixOf(walker)}${left.join("; ")}`);
        });
      }
      waiting = stillWaiting;
      const [first] = waiting;
      if (first === undefined) return;
      patience.tell(first.phases[index]?.goal ?? "", shortened(obstacles));
      await this.#desk.sleep(POLL_MS);
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
      // One that nobody foresaw is thrown, with its stack.
      if (error instanceof MarsError) this.#tell(walker, error);
      await this.#undo(walker);
    }
  }

  /** Which of several resources a line is about. */
  #prefixOf({ resource }: Walker): string {
    return this.#call.resources.length > 1 ? `"${resource}": ` : "";
  }

  #tell(walker: Walker, error: MarsError): void {
    const { desk, resource } = walker;
    const { command, typed } = this.#call;
    const subject = this.#prefixOf(walker);
    if (command.isReading === true) {
      desk.warn(`mars: ${subject}${error.message}`);
      return;
    }
    desk.warn(`DYING: ${subject}${error.message}`);
    if (resource !== "") {
      desk.print(`FAILURE cmd='${typed}' res='${resource}'`);
    }
  }

  async #undo({ desk, resource, toUndo }: Walker): Promise<void> {
    for (const phase of toUndo.reverse()) {
      try {
        await phase.undo?.();
      } catch (error) {
        desk.warn(
          `WARNING: "${resource}": cannot undo "${phase.title}": ${
            messageOf(error)
          }`,
        );
      }
    }
  }
}

/** Not more than a terminal can show. */
function shortened(texts: readonly string[]): readonly string[] {
  const rest = texts.length - SHOWN_MAX;
  return rest <= 0 ? texts : [...texts.slice(0, SHOWN_MAX), `and ${rest} more`];
}

function isGoing({ failure }: Walker): boolean {
  return failure === undefined;
}

function byResource(left: Walker, right: Walker): number {
  return left.resource < right.resource ? -1 : 1;
}
