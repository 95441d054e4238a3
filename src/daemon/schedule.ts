// Pure
/**
 * Schedule: which resources are stepped in a round. Hundreds of quiet ones must
 * cost next to nothing, and the one that changed must not wait.
 *
 * A resource is due when
 *   (1) a link below it has another value; new stamps alone mean nothing,
 *   (2) something else happened to it: its worker, a transfer, a log file,
 *   (3) something happened that concerns all: a line, the space, a setting,
 *   (4) its time has come: what nobody told, or what did not go well, is found
 *       by looking again; the pauses between get longer as long as nothing
 *       happens.
 */
import { classify, linkPath } from "../tree/path.ts";
import {
  haveSameValues,
  type Snapshot,
  type Subtree,
} from "../tree/snapshot.ts";

// Ours. Rates fall to zero, messages end, and what failed is tried again.
const PAUSE_MS_MIN = 1_000;
// Ours. Where something runs, others are told how it goes.
const PAUSE_MS_MAX_RUNNING = 5_000;
const PAUSE_MS_MAX = 30_000;

type Entry = {
  subtree: Subtree | undefined;
  pauseMs: number;
  dueAtMs: number;
};

/** How a step ended. */
export type StepEnd = {
  readonly nowMs: number;
  readonly isGood: boolean;
  /** Whether nothing of the resource runs. */
  readonly isIdle: boolean;
};

export class Schedule {
  readonly #entries = new Map<string, Entry>();
  #facts = "";
  #snapshot: Snapshot | undefined;

  /**
   * Takes note of what concerns all resources (3).
   *
   * @param facts as text: if it differs from the last one, all are due
   */
  observe(snapshot: Snapshot, facts: string): void {
    const isSame = facts === this.#facts && this.#snapshot !== undefined &&
      haveSameShared(this.#snapshot, snapshot);
    this.#facts = facts;
    this.#snapshot = snapshot;
    if (!isSame) this.pokeAll();
  }

  isDue(resource: string, snapshot: Snapshot, nowMs: number): boolean {
    const entry = this.#entries.get(resource);
    if (entry === undefined || nowMs >= entry.dueAtMs) return true;
    const subtree = snapshot.subtree(linkPath.resource(resource));
    if (!haveSameValues(entry.subtree, subtree)) {
      this.poke(resource);
      return true;
    }
    // The next comparison begins here, where more is shared.
    entry.subtree = subtree;
    return false;
  }

  /** What the step sees; whatever happens from now on makes it due again. */
  begin(resource: string, snapshot: Snapshot): void {
    const pauseMs = this.#entries.get(resource)?.pauseMs ?? PAUSE_MS_MIN;
    const subtree = snapshot.subtree(linkPath.resource(resource));
    this.#entries.set(resource, { subtree, pauseMs, dueAtMs: Infinity });
  }

  end(resource: string, { nowMs, isGood, isIdle }: StepEnd): void {
    const entry = this.#entries.get(resource);
    if (entry === undefined || entry.dueAtMs === -Infinity) return;
    const pauseMs = isGood ? entry.pauseMs : PAUSE_MS_MIN;
    entry.dueAtMs = nowMs + pauseMs;
    entry.pauseMs = Math.min(
      2 * pauseMs,
      isIdle ? PAUSE_MS_MAX : PAUSE_MS_MAX_RUNNING,
    );
  }

  /** Something happened to it (2). */
  poke(resource: string): void {
    const entry = this.#entries.get(resource);
    if (entry === undefined) return;
    entry.dueAtMs = -Infinity;
    entry.pauseMs = PAUSE_MS_MIN;
  }

  pokeAll(): void {
    for (const resource of this.#entries.keys()) this.poke(resource);
  }

  forget(resource: string): void {
    this.#entries.delete(resource);
  }
}

/** Whether links outside of resources have the same values, signs of life aside. */
function haveSameShared(before: Snapshot, after: Snapshot): boolean {
  if (before === after) return true;
  const isShared = (top: string): boolean =>
    !top.startsWith(linkPath.resource(""));
  for (const top of before.tops()) {
    if (isShared(top) && after.subtree(top) === undefined) return false;
  }
  for (const top of after.tops()) {
    const isSame = !isShared(top) ||
      haveSameValues(before.subtree(top), after.subtree(top), isSignOfLife);
    if (!isSame) return false;
  }
  return true;
}

function isSignOfLife(path: string): boolean {
  return classify(path)?.value === "stamp";
}
