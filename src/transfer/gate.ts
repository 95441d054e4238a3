// Pure
/**
 * A gate: at most so many are inside at a time, the others wait in order.
 *
 * It bounds what foreign requests or our own windows may hold in memory.
 */
import { assert } from "../base/assert.ts";

export class Gate {
  readonly #placesMax: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(placesMax: number) {
    assert(placesMax >= 1, "a gate has a place");
    this.#placesMax = placesMax;
  }

  /** Runs `work` when there is a place; gives back what it gives. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside === this.#placesMax) {
      // The place is handed over by who leaves, so nobody can jump the queue.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#inside++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
