// Pure
/**
 * The life of a process: what it owns stops working when it is over.
 *
 * Production code is not told of its death, as it never is: calls that answer
 * at once throw, calls that wait never return, and what was on its way is lost.
 */

/** Thrown by what belonged to a process that is dead; nobody handles it. */
export class HostDied extends Error {}

export class Life {
  #isOver = false;
  readonly #lastWords = new Set<() => void>();

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const callBack of this.#lastWords) callBack();
  }

  /**
   * Calls back when it is over; for the world, not for the process. The result
   * takes that back.
   */
  onEnd(callBack: () => void): () => void {
    this.#lastWords.add(callBack);
    return () => this.#lastWords.delete(callBack);
  }

  /** @throws HostDied */
  check(): void {
    if (this.#isOver) throw new HostDied();
  }

  /** `work` and its result, as long as this life lasts. */
  async guard<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#isOver) return await forever();
    try {
      const result = await work();
      return this.#isOver ? await forever() : result;
    } catch (error) {
      if (this.#isOver) return await forever();
      throw error;
    }
  }
}

function forever<T>(): Promise<T> {
  return new Promise(() => {});
}
