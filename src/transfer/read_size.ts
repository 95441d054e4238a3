// Pure
/**
 * How long a call for bulk may take, and how much one read asks for: less after
 * a line was lost without progress, more again while reads come back whole.
 *
 * A line that is always cut before a whole answer has come would bring nothing,
 * for ever. Kept by who starts transfers, because each line has its own.
 */
import { assert } from "../base/assert.ts";

// Ours. Dead lines are found by the line itself; this only ends a call that a
// living peer forgot. One read of each of 16 fetches that share a line needs
// 56 KB/s to stay below it.
export const CALL_TIMEOUT_MS = 300_000;

// Ours. Amortizes the cost of a call to nothing, and fits into a buffer of the
// line.
export const READ_BYTES_MAX = 1024 * 1024;
// Ours. Several at once fill a far line sooner than one that is as long.
const READ_BYTES_START = 256 * 1024;
// Ours. Smaller than what a handshake costs, there is nothing to win.
export const READ_BYTES_MIN = 4 * 1024;

// Ours. Down quickly, because each loss costs a new line; up slowly.
const SHRINK_FACTOR = 4;
const GROW_FACTOR = 2;

export class ReadSize {
  #bytes = READ_BYTES_START;

  /** How much to ask for. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A line was lost and nothing had come. */
  shrink(): void {
    this.#bytes = Math.max(READ_BYTES_MIN, this.#bytes / SHRINK_FACTOR);
    assert(Number.isInteger(this.#bytes), "a size is an integer");
  }

  /** A read came back whole. */
  grow(): void {
    this.#bytes = Math.min(READ_BYTES_MAX, this.#bytes * GROW_FACTOR);
  }
}
