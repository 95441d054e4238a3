// Pure
/**
 * A gate: at most so many are inside at a time, the others wait in order.
 *
 * It bounds what foreign requests or our own windows may hold in memory.
 */
import { assert } from "../base/assert.ts";

export class Gate {
  #placesMax: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(placesMax: number) {
    assert(placesMax >= 1, "a gate has a place");
    this.#placesMax = placesMax;
  }

  /** Runs `work` when there is a place; gives back what it gives. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#placesMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#inside++;
    }
    try {
      return await work();
    } finally {
      this.#inside--;
      this.#admit();
    }
  }

  /** From now on. Who is inside stays until it is done. */
  set placesMax(count: number) {
    assert(count >= 1, "a gate has a place");
    this.#placesMax = count;
    this.#admit();
  }

  /** The place is taken here, so nobody can jump the queue. */
  #admit(): void {
    while (this.#inside < this.#placesMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inside++;
      next();
    }
  }
}
