// Pure
/**
 * What a copy has to do: which extents, in which order, and how closely; and up
 * to where all of it is done.
 *
 *   extents   pieces of the disk on a grid, in its order; all of them, or only
 *             those that somebody named
 *   front     the begin of the first piece that is not done
 *   density   how much of what was compared closely has differed lately; where
 *             nearly everything does, comparing closely is in vain
 */
import { assert } from "../base/assert.ts";
import { FINE_BYTES } from "./digest.ts";
import type { Extent } from "./digest.ts";

/**
 * Extents of a copy from `startBytes` to `sizeBytes`, none longer than
 * `gridBytes`, none across a multiple of it.
 *
 * @param gridBytes asked anew for each extent
 * @param only in disk order, disjoint; rounded to FINE_BYTES. Undefined: all
 */
export function* extentsOf(
  { startBytes, sizeBytes, gridBytes, only }: {
    readonly startBytes: number;
    readonly sizeBytes: number;
    readonly gridBytes: () => number;
    readonly only: readonly Extent[] | undefined;
  },
): Generator<Extent> {
  const whole = { offsetBytes: 0, lengthBytes: sizeBytes };
  let atBytes = startBytes;
  let lastBytes = 0;
  for (const { offsetBytes, lengthBytes } of only ?? [whole]) {
    assert(offsetBytes >= lastBytes, "extents are in disk order");
    lastBytes = offsetBytes;
    const firstBytes = Math.floor(offsetBytes / FINE_BYTES) * FINE_BYTES;
    const endBytes = Math.min(
      Math.ceil((offsetBytes + lengthBytes) / FINE_BYTES) * FINE_BYTES,
      sizeBytes,
    );
    atBytes = Math.max(atBytes, firstBytes);
    while (atBytes < endBytes) {
      const grid = gridBytes();
      const nextBytes = (Math.floor(atBytes / grid) + 1) * grid;
      const stopBytes = Math.min(nextBytes, endBytes);
      yield { offsetBytes: atBytes, lengthBytes: stopBytes - atBytes };
      atBytes = stopBytes;
    }
  }
}

/** Pieces begin in disk order, or inside of one that has, and end in any. */
export class Front {
  readonly #pieces = new Set<{ readonly offsetBytes: number }>();
  #endBytes: number;

  constructor(startBytes: number) {
    this.#endBytes = startBytes;
  }

  /** Everything before was begun and is done. Never moves back. */
  get bytes(): number {
    let bytes = this.#endBytes;
    for (const { offsetBytes } of this.#pieces) {
      bytes = Math.min(bytes, offsetBytes);
    }
    return bytes;
  }

  /** What it gives back is called when the piece is done, and not otherwise. */
  begin({ offsetBytes, lengthBytes }: Extent): () => void {
    assert(offsetBytes >= this.bytes, "nothing is begun that is done");
    const piece = { offsetBytes };
    this.#pieces.add(piece);
    this.#endBytes = Math.max(this.#endBytes, offsetBytes + lengthBytes);
    return () => this.#pieces.delete(piece);
  }
}

// Ours. A close look costs reading both disks again and 1/256 of the bytes; it
// pays unless nearly everything is new.
const DENSE = 0.8;
// Ours. How much one result weighs against what was known.
const WEIGHT = 0.25;
// Ours. So that a copy notices when the old data are over.
const LOOK_EVERY = 16;

/** Whether it is worth to compare closely what differs. */
export class Density {
  #share = 0;
  #skippedCount = 0;

  /** Whether the next block shall be compared closely; counts. */
  takeLook(): boolean {
    if (this.#share < DENSE) return true;
    this.#skippedCount++;
    if (this.#skippedCount < LOOK_EVERY) return false;
    this.#skippedCount = 0;
    return true;
  }

  /** A close look found this share of a block to differ, 0 to 1. */
  note(share: number): void {
    assert(share >= 0, "a share is not negative");
    assert(share <= 1, "a share is at most all");
    this.#share += (share - this.#share) * WEIGHT;
  }
}
