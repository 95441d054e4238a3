// Pure
/**
 * Ledger: every write of the demo, what became of it, and what a disk must
 * therefore hold.
 *
 *   open ──► acknowledged   a reply came
 *        └─► unknown        the connection ended before the reply
 *
 * Either may be lost later, by a failover to a host that lacked it: it is in
 * the "abandoned" history, but not in the "current" one.
 *
 * Writes are numbered in the order in which they were sent, which is the order
 * of the log. So whatever a secondary has is the state after one write n:
 * every block holds what the last write up to n put there (`stateAt`).
 *
 * Writes in flight never overlap, because their order would be open.
 */
import { assert, AssertionError } from "../../base/assert.ts";
import { equalBytes } from "../../base/bytes.ts";
import { BLOCK_BYTES, fillBlock, nextWord, readBlock } from "./pattern.ts";

/**
 * A block that is written with one request. One block is one record of the log:
 * after a loss it is there or not, while a larger write may be there in part,
 * as on any disk.
 */
export interface LedgerWrite {
  /** From 1. */
  readonly sequence: number;
  readonly blockIndex: number;
}

interface Entry extends LedgerWrite {
  fate: "open" | "acknowledged" | "unknown";
  isLost: boolean;
}

/** What counts: what was not lost, or what was there before the loss. */
export type History = "current" | "abandoned";

/** How a region compares with the ledger. */
export interface Verdict {
  /** Blocks that do not hold what they must. */
  readonly badCount: number;
  /** Newest write that was compared with. */
  readonly lastSequence: number;
}

/** One write in two goes to this part of the region: it is overwritten a lot. */
const HOT_PART = 1 / 8;
const PLACE_TRIES_MAX = 10_000;

export class Ledger {
  readonly blockCount: number;
  readonly #entries: Entry[] = [];
  readonly #busy: Uint8Array;
  #word: number;
  #acknowledgedCount = 0;
  #lostCount = 0;

  constructor(options: { blockCount: number; seed: number }) {
    assert(options.blockCount >= 64, "region is large enough");
    this.blockCount = options.blockCount;
    this.#busy = new Uint8Array(options.blockCount);
    this.#word = nextWord(options.seed);
  }

  /** Newest write that was begun. */
  get lastSequence(): number {
    return this.#entries.length;
  }

  /** Writes acknowledged so far, also those that were lost later. */
  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  get lostCount(): number {
    return this.#lostCount;
  }

  /** Chooses where to write next. */
  begin(): LedgerWrite {
    const write = this.#place();
    this.#entries.push({ ...write, fate: "open", isLost: false });
    this.#setBusy(write, 1);
    return write;
  }

  acknowledge(write: LedgerWrite): void {
    this.#close(write, "acknowledged");
    this.#acknowledgedCount += 1;
  }

  /** No reply came: it may or may not have been done. */
  forget(write: LedgerWrite): void {
    this.#close(write, "unknown");
  }

  /**
   * A host goes on that has the writes up to `sequence` only.
   *
   * @returns how many acknowledged writes are lost by that
   */
  loseAfter(sequence: number): number {
    let lostCount = 0;
    for (const entry of this.#entries.slice(sequence)) {
      assert(entry.fate !== "open", "nothing is in flight at a failover");
      if (entry.fate === "acknowledged") lostCount += 1;
      entry.isLost = true;
    }
    this.#lostCount += lostCount;
    return lostCount;
  }

  /** Newest write that was acknowledged, and is lost; 0 if there is none. */
  get lastLostSequence(): number {
    return this.#entries.findLast((entry) =>
      entry.isLost && entry.fate === "acknowledged"
    )?.sequence ?? 0;
  }

  /** Per block the write whose content it has after `sequence`; 0 for none. */
  stateAt(sequence: number, history: History = "current"): Uint32Array {
    const state = new Uint32Array(this.blockCount);
    for (const entry of this.#entries.slice(0, sequence)) {
      if (entry.isLost && history === "current") continue;
      state[entry.blockIndex] = entry.sequence;
    }
    return state;
  }

  /** Compares all bytes of `region` with the state after `sequence`. */
  compare(
    region: Uint8Array,
    sequence: number,
    history: History = "current",
  ): Verdict {
    assert(region.length === this.blockCount * BLOCK_BYTES, "region is whole");
    const expected = new Uint8Array(BLOCK_BYTES);
    let badCount = 0;
    for (
      const [blockIndex, last] of this.stateAt(sequence, history).entries()
    ) {
      if (last === 0) expected.fill(0);
      else fillBlock(expected, { sequence: last, blockIndex });
      const block = blockOf(region, blockIndex);
      if (!equalBytes(block, expected)) badCount += 1;
    }
    return { badCount, lastSequence: sequence };
  }

  /** Compares `region` with the state after the newest write it contains. */
  compareWithNewest(
    region: Uint8Array,
    history: History = "current",
  ): Verdict {
    let newest = 0;
    for (let blockIndex = 0; blockIndex < this.blockCount; blockIndex++) {
      const content = readBlock(blockOf(region, blockIndex));
      const isOurs = content.kind === "written" &&
        content.sequence <= this.lastSequence;
      if (isOurs) newest = Math.max(newest, content.sequence);
    }
    return this.compare(region, newest, history);
  }

  #place(): LedgerWrite {
    for (let attempt = 0; attempt < PLACE_TRIES_MAX; attempt++) {
      const room = this.#random(2) === 0
        ? Math.floor(this.blockCount * HOT_PART)
        : this.blockCount;
      const blockIndex = this.#random(room);
      if (this.#busy[blockIndex] === 0) {
        return { sequence: this.lastSequence + 1, blockIndex };
      }
    }
    throw new AssertionError("a place is free: few writes are in flight");
  }

  /** At least 0, below `limit`. */
  #random(limit: number): number {
    this.#word = nextWord(this.#word);
    return this.#word % limit;
  }

  #close(write: LedgerWrite, fate: "acknowledged" | "unknown"): void {
    const entry = this.#entries[write.sequence - 1];
    assert(entry?.fate === "open", "write is in flight");
    entry.fate = fate;
    this.#setBusy(write, 0);
  }

  #setBusy({ blockIndex }: LedgerWrite, flag: number): void {
    this.#busy[blockIndex] = flag;
  }
}

function blockOf(region: Uint8Array, blockIndex: number): Uint8Array {
  const startBytes = blockIndex * BLOCK_BYTES;
  return region.subarray(startBytes, startBytes + BLOCK_BYTES);
}
