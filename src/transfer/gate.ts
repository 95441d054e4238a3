// Pure
/**
 * A gate: at most so many places are taken at a time, the others wait: those
 * whose turn is due first enter first, and of these those who came first.
 *
 * It bounds what foreign requests or our own windows may hold in memory.
 */
import { assert } from "../base/assert.ts";

export type Visit = {
  /** The lowest of those who wait enters next. Default 0. */
  readonly turn?: number;
  /** How many it takes. Default 1. */
  readonly places?: number;
};

type Waiting = Required<Visit> & { readonly enter: () => void };

export class Gate {
  #placesMax: number;
  readonly #countMax: number;
  #taken = 0;
  #inside = 0;
  /** By `turn`; equal ones in order of arrival. */
  readonly #waiting: Waiting[] = [];

  /** @param countMax so many may be inside, however few places they take */
  constructor(placesMax: number, countMax = Infinity) {
    assert(placesMax >= 1, "a gate has a place");
    assert(countMax >= 1, "a gate lets in somebody");
    this.#placesMax = placesMax;
    this.#countMax = countMax;
  }

  /** Runs `work` when there is room; gives back what it gives. */
  async pass<T>(
    work: () => Promise<T>,
    { turn = 0, places = 1 }: Visit = {},
  ): Promise<T> {
    await new Promise<void>((enter) => {
      this.#wait({ turn, places, enter });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#taken -= places;
      this.#inside--;
      this.#admit();
    }
  }

  #wait(who: Waiting): void {
    let [from, to] = [0, this.#waiting.length];
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      const other = this.#waiting[middle];
      assert(other !== undefined, "the middle is in between");
      if (other.turn <= who.turn) from = middle + 1;
      else to = middle;
    }
    this.#waiting.splice(from, 0, who);
  }

  /** From now on. Who is inside stays until it is done. */
  set placesMax(count: number) {
    assert(count >= 1, "a gate has a place");
    this.#placesMax = count;
    this.#admit();
  }

  /**
   * The places are taken here, so nobody can jump the queue; nor does who needs
   * few pass who needs many. Who needs more than there are enters alone.
   */
  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const isRoom = this.#taken + next.places <= this.#placesMax &&
        this.#inside < this.#countMax;
      if (!isRoom && this.#inside > 0) return;
      this.#waiting.shift();
      this.#taken += next.places;
      this.#inside++;
      next.enter();
    }
  }
}
