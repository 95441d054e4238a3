/**
 * Admission: locks a resource, and checks that a command may work on it.
 *
 * Locks last as long as the command. Whoever only reads takes none, and a dry
 * run neither.
 */
import { RefusedError } from "../base/errors.ts";
import { type Command, type Desk, SKIPPING } from "./command.ts";
import { CLUSTER_LOCK, type Lock } from "../base/lock.ts";
import { checkStanding } from "./standing.ts";

/** Locks and checks of one command. */
export class Admission implements Disposable {
  readonly #command: Command;
  readonly #desk: Desk;
  readonly #locks: Lock[] = [];

  constructor(command: Command, desk: Desk) {
    this.#command = command;
    this.#desk = desk;
  }

  /**
   * @returns false if the resource is to be left out
   * @throws RefusedError if another command works on it, or this must not
   */
  admit(resource: string): boolean {
    if (!this.#lock(resource)) return false;
    checkStanding(this.#command, this.#desk, resource);
    return true;
  }

  [Symbol.dispose](): void {
    for (const lock of this.#locks) lock[Symbol.dispose]();
  }

  #lock(resource: string): boolean {
    const { name, isReading, locksItself, whenBusy } = this.#command;
    const { options, effects } = this.#desk;
    if (isReading === true || locksItself === true || options.dryRun) {
      return true;
    }
    // Commands on the cluster exclude each other, not those on resources.
    const lock = resource === "" ? CLUSTER_LOCK : resource;
    const holder = `"${`${name} ${resource}`.trim()}"`;
    try {
      this.#locks.push(effects.lock(lock, holder));
      return true;
    } catch (error) {
      const isSkipped = error instanceof RefusedError && whenBusy === "skip";
      if (!isSkipped) throw error;
      this.#desk.warn(`${SKIPPING}${error.message}`);
      return false;
    }
  }
}
