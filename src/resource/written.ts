// Pure
/**
 * Which blocks of a disk were written: one bit for each.
 *
 * Blocks have 4 KiB, or more where the disk is so large that the bits would
 * need more than 32 MiB. What is asked for are ranges; where there are too many
 * of them neighbors are joined, so that they cover more than was written, and
 * never less.
 */
import { assert } from "../base/assert.ts";

/** A range of bytes of a disk. */
export interface Range {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** What a record of a log holds at most; blocks are multiples of it. */
export const BLOCK_BYTES = 4096;

// Ours. 32 MiB of bits: blocks of 4 KiB up to a disk of 1 TiB.
const BLOCKS_MAX = 2 ** 28;
const BITS = 8;

export class WrittenBlocks {
  readonly #sizeBytes: number;
  readonly #blockBytes: number;
  readonly #bits: Uint8Array;

  /** @param sizeBytes of the disk; nothing behind it is noted */
  constructor(sizeBytes: number) {
    assert(Number.isSafeInteger(sizeBytes), "a disk has whole bytes");
    assert(sizeBytes >= 0, "a disk has no negative length");
    let blockBytes = BLOCK_BYTES;
    while (sizeBytes / blockBytes > BLOCKS_MAX) blockBytes *= 2;
    this.#sizeBytes = sizeBytes;
    this.#blockBytes = blockBytes;
    this.#bits = new Uint8Array(Math.ceil(sizeBytes / blockBytes / BITS));
  }

  /** Notes that a range was written, perhaps only in part. */
  add(offsetBytes: number, lengthBytes: number): void {
    const endBytes = Math.min(offsetBytes + lengthBytes, this.#sizeBytes);
    const end = Math.ceil(endBytes / this.#blockBytes);
    let block = Math.floor(offsetBytes / this.#blockBytes);
    for (; block < end; block++) {
      const index = Math.floor(block / BITS);
      this.#bits[index] = (this.#bits[index] ?? 0) | (1 << (block % BITS));
    }
  }

  /** All of them in order, disjoint and inside the disk; at most `countMax`. */
  ranges(countMax: number): Range[] {
    assert(countMax > 0, "at least one range");
    // What lies between joined ranges is read in vain, so small gaps go first.
    for (let gapBlocks = 1;; gapBlocks *= 2) {
      const ranges = this.#joined(gapBlocks, countMax);
      if (ranges !== undefined) return ranges;
    }
  }

  /** Undefined if there are too many. */
  #joined(gapBlocks: number, countMax: number): Range[] | undefined {
    const ranges: { startBlock: number; endBlock: number }[] = [];
    let last: { startBlock: number; endBlock: number } | undefined;
    for (const [index, bits] of this.#bits.entries()) {
      if (bits === 0) continue;
      for (let bit = 0; bit < BITS; bit++) {
        if ((bits & (1 << bit)) === 0) continue;
        const block = index * BITS + bit;
        if (last !== undefined && block - last.endBlock < gapBlocks) {
          last.endBlock = block + 1;
          continue;
        }
        if (ranges.length === countMax) return undefined;
        last = { startBlock: block, endBlock: block + 1 };
        ranges.push(last);
      }
    }
    return ranges.map(({ startBlock, endBlock }) => {
      const offsetBytes = startBlock * this.#blockBytes;
      const endBytes = Math.min(endBlock * this.#blockBytes, this.#sizeBytes);
      return { offsetBytes, lengthBytes: endBytes - offsetBytes };
    });
  }
}
