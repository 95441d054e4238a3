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
import { linkPath } from "../tree/path.ts";
import {
  haveSameValues,
  type Snapshot,
  type Subtree,
} from "../tree/snapshot.ts";

// Ours. Rates fall to zero, messages end, and what failed is tried again.
const PAUSE_MS_MIN = 1_000;
// Ours. Where something runs, others are told how it goes.
const PAUSE_MS_MAX_RUNNING = 5_000;
const PAUSE_MS_MAX = 60_000;
// Ours. A step takes a millisecond or two.
const OTHERS_PER_ROUND_MAX = 10;

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

  /**
   * Which of `resources` to step now: all to which something happened, and a
   * few of the others that are due, so that a round is short.
   */
  take(
    resources: readonly string[],
    snapshot: Snapshot,
    nowMs: number,
  ): { readonly taken: readonly string[]; readonly hasMore: boolean } {
    const urgent: string[] = [];
    const others: string[] = [];
    for (const resource of resources) {
      if (this.#hasChanged(resource, snapshot)) urgent.push(resource);
      else if (this.#isDue(resource, nowMs)) others.push(resource);
    }
    const taken = [...urgent, ...others.slice(0, OTHERS_PER_ROUND_MAX)];
    return { taken, hasMore: others.length > OTHERS_PER_ROUND_MAX };
  }

  /** (1) and (2) */
  #hasChanged(resource: string, snapshot: Snapshot): boolean {
    const entry = this.#entries.get(resource);
    if (entry === undefined) return false;
    if (entry.dueAtMs === -Infinity) return true;
    const subtree = snapshot.subtree(linkPath.resource(resource));
    if (!haveSameValues(entry.subtree, subtree)) {
      this.poke(resource);
      return true;
    }
    // The next comparison begins here, where more is shared.
    entry.subtree = subtree;
    return false;
  }

  /** (3) and (4). One that was never stepped is due. */
  #isDue(resource: string, nowMs: number): boolean {
    return nowMs >= (this.#entries.get(resource)?.dueAtMs ?? -Infinity);
  }

  /** What the step sees; whatever happens from now on makes it due again. */
  begin(resource: string, snapshot: Snapshot): void {
    const pauseMs = this.#entries.get(resource)?.pauseMs ?? PAUSE_MS_MIN;
    const subtree = snapshot.subtree(linkPath.resource(resource));
    this.#entries.set(resource, { subtree, pauseMs, dueAtMs: Infinity });
  }

  end(resource: string, { nowMs, isGood, isIdle }: StepEnd): void {
    const entry = this.#entries.get(resource);
    // What happened meanwhile stays.
    if (entry === undefined || entry.dueAtMs < Infinity) return;
    const pauseMs = isGood ? entry.pauseMs : PAUSE_MS_MIN;
    entry.dueAtMs = nowMs + pauseMs;
    entry.pauseMs = isIdle
      ? Math.min(4 * pauseMs, PAUSE_MS_MAX)
      : Math.min(2 * pauseMs, PAUSE_MS_MAX_RUNNING);
  }

  /** Something happened to it (2). */
  poke(resource: string): void {
    const entry = this.#entries.get(resource);
    if (entry === undefined) return;
    entry.dueAtMs = -Infinity;
    entry.pauseMs = PAUSE_MS_MIN;
  }

  /** Something happened that concerns all (3). */
  pokeAll(): void {
    for (const entry of this.#entries.values()) {
      entry.dueAtMs = Math.min(entry.dueAtMs, 0);
      entry.pauseMs = PAUSE_MS_MIN;
    }
  }

  forget(resource: string): void {
    this.#entries.delete(resource);
  }
}

/** Whether links on which plans of all resources depend have the same values. */
function haveSameShared(before: Snapshot, after: Snapshot): boolean {
  if (before === after) return true;
  const tops = new Set([...before.tops(), ...after.tops()].filter(isShared));
  return [...tops].every((top) =>
    haveSameValues(before.subtree(top), after.subtree(top))
  );
}

/** Cluster, hosts and settings. */
function isShared(top: string): boolean {
  return top === "" || top === "ips" || top.startsWith("defaults") ||
    top.startsWith("todo-");
}
