// Pure
/**
 * Acknowledgements that wait, first in, first out, each with one number.
 *
 * A ring of two parallel arrays that doubles when it is full; its length is
 * bounded by the requests that front ends have in flight.
 */
import { assert } from "../base/assert.ts";
import type { Acknowledge } from "../block/request.ts";

const CAPACITY_MIN = 64;

export class AckQueue {
  #acknowledges: (Acknowledge | undefined)[] = new Array(CAPACITY_MIN);
  #numbers: number[] = new Array(CAPACITY_MIN).fill(0);
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of the first one; none may be missing. */
  get firstNumber(): number {
    assert(this.#count > 0, "an acknowledgement waits");
    return this.#numbers[this.#first] ?? 0;
  }

  push(acknowledge: Acknowledge, number: number): void {
    if (this.#count === this.#numbers.length) this.#grow();
    const index = (this.#first + this.#count) & (this.#numbers.length - 1);
    this.#acknowledges[index] = acknowledge;
    this.#numbers[index] = number;
    this.#count++;
  }

  shift(): Acknowledge {
    const acknowledge = this.#acknowledges[this.#first];
    assert(acknowledge !== undefined, "an acknowledgement waits");
    this.#acknowledges[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#numbers.length - 1);
    this.#count--;
    return acknowledge;
  }

  /** Answers those that wait now; not those that come in meanwhile. */
  failAll(errno: number): void {
    for (let count = this.#count; count > 0; count--) this.shift()(errno);
  }

  #grow(): void {
    const { length } = this.#numbers;
    for (let index = 0; index < this.#first; index++) {
      this.#acknowledges[length + index] = this.#acknowledges[index];
      this.#numbers[length + index] = this.#numbers[index] ?? 0;
      this.#acknowledges[index] = undefined;
    }
    for (let index = length + this.#first; index < 2 * length; index++) {
      this.#acknowledges[index] = undefined;
      this.#numbers[index] = 0;
    }
  }
}
