// Pure
/**
 * A copy or comparison that ends again and again: as long as it gets further in
 * between, that is how bad lines are; when it does not, somebody should look.
 */

// Ours. A restart over there may make two tries fail.
const TRIES = 3;

export class Standstill {
  #count = 0;
  #reachedBytes = -1;

  /** It was given up at this point. */
  ended(reachedBytes: number): void {
    this.#count = reachedBytes > this.#reachedBytes ? 1 : this.#count + 1;
    this.#reachedBytes = reachedBytes;
  }

  /** It has done what it should. */
  over(): void {
    this.#count = 0;
    this.#reachedBytes = -1;
  }

  /** How messages about it begin. */
  get severity(): "inf" | "wrn" {
    return this.#count < TRIES ? "inf" : "wrn";
  }
}
