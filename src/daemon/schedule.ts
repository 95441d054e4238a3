// Pure
/**
 * Schedule: which resources are looked at in a round. Two hundred idle ones
 * must cost next to nothing, and the one that changed must not wait.
 *
 * A resource is due when
 *   (1) a link below it has another value; new stamps alone mean nothing,
 *   (2) something else happened to it: its worker, a transfer, a log file,
 *   (3) something happened that concerns all: a line, a setting, the space,
 *   (4) its time has come, however quiet it is: a promise lost nowhere stays
 *       lost for long.
 */
import { haveSameValues, type Subtree } from "../tree/snapshot.ts";

type Entry = {
  subtree: Subtree | undefined;
  dueAtMs: number;
};

export class Schedule {
  readonly #entries = new Map<string, Entry>();

  /** (1) and (4). A resource that was never stepped is due. */
  isDue(
    resource: string,
    now: { readonly subtree: Subtree | undefined; readonly nowMs: number },
  ): boolean {
    const entry = this.#entries.get(resource);
    if (entry === undefined || now.nowMs >= entry.dueAtMs) return true;
    if (!haveSameValues(entry.subtree, now.subtree)) return true;
    // The next comparison begins at the newest, which it probably shares.
    entry.subtree = now.subtree;
    return false;
  }

  /** What the step is about to see; what comes later makes it due again. */
  begin(resource: string, subtree: Subtree | undefined): void {
    this.#entries.set(resource, { subtree, dueAtMs: Infinity });
  }

  /** At the end of a step; what happened during it is not forgotten. */
  end(resource: string, nextMs: number): void {
    const entry = this.#entries.get(resource);
    if (entry !== undefined) entry.dueAtMs = Math.min(entry.dueAtMs, nextMs);
  }

  /** (2) */
  poke(resource: string): void {
    const entry = this.#entries.get(resource);
    if (entry !== undefined) entry.dueAtMs = -Infinity;
  }

  /** (3) */
  pokeAll(): void {
    for (const entry of this.#entries.values()) entry.dueAtMs = -Infinity;
  }

  forget(resource: string): void {
    this.#entries.delete(resource);
  }

  /** When the next one is due by itself. */
  nextMs(): number {
    let nextMs = Infinity;
    for (const { dueAtMs } of this.#entries.values()) {
      nextMs = Math.min(nextMs, dueAtMs);
    }
    return nextMs;
  }
}
