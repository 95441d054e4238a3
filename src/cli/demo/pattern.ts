// Pure
/**
 * Blocks that say themselves who wrote them: what the demo's writer writes.
 *
 *   offset  size  field
 *        0     4  magic
 *        4     4  sequence number of the write, from 1
 *        8     4  index of the block in the region
 *       12     4  checksum of the other words (FNV-1a by words)
 *       16  4080  words that follow from sequence and index
 *
 * All integers are little-endian. So a block needs no bookkeeping to be
 * checked, and a write that hit the wrong place or arrived in part shows.
 */
import { assert } from "../../base/assert.ts";
import { viewOf } from "../../base/bytes.ts";

export const BLOCK_BYTES = 4096;

const MAGIC = 0x4f4d_4544;
const MAGIC_AT = 0;
const SEQUENCE_AT = 4;
const INDEX_AT = 8;
const CHECKSUM_AT = 12;
const WORDS_AT = 16;
const WORD_BYTES = 4;

/** What a block says of itself. */
export type BlockContent =
  | { readonly kind: "empty" }
  | { readonly kind: "damaged" }
  | {
    readonly kind: "written";
    readonly sequence: number;
    readonly blockIndex: number;
  };

/** Fills `block` with what write `sequence` puts at `blockIndex`. */
export function fillBlock(
  block: Uint8Array,
  { sequence, blockIndex }: { sequence: number; blockIndex: number },
): void {
  assert(block.length === BLOCK_BYTES, "block is whole");
  assert(sequence > 0, "sequence counts from 1");
  const view = viewOf(block);
  view.setUint32(MAGIC_AT, MAGIC, true);
  view.setUint32(SEQUENCE_AT, sequence, true);
  view.setUint32(INDEX_AT, blockIndex, true);
  let word = nextWord(Math.imul(sequence, 0x9e37_79b1) ^ ~blockIndex);
  for (let at = WORDS_AT; at < BLOCK_BYTES; at += WORD_BYTES) {
    word = nextWord(word);
    view.setUint32(at, word, true);
  }
  view.setUint32(CHECKSUM_AT, checksumOf(view), true);
}

/** What `block` says; "empty" if it is all zeroes. */
export function readBlock(block: Uint8Array): BlockContent {
  assert(block.length === BLOCK_BYTES, "block is whole");
  const view = viewOf(block);
  if (view.getUint32(MAGIC_AT, true) !== MAGIC) {
    const isEmpty = block.every((byte) => byte === 0);
    return { kind: isEmpty ? "empty" : "damaged" };
  }
  if (view.getUint32(CHECKSUM_AT, true) !== checksumOf(view)) {
    return { kind: "damaged" };
  }
  return {
    kind: "written",
    sequence: view.getUint32(SEQUENCE_AT, true),
    blockIndex: view.getUint32(INDEX_AT, true),
  };
}

/** Xorshift; 0, which it would stick to, becomes something else. */
export function nextWord(word: number): number {
  let next = word === 0 ? MAGIC : word;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next >>> 0;
}

function checksumOf(view: DataView): number {
  let sum = 0x811c_9dc5;
  for (let at = 0; at < BLOCK_BYTES; at += WORD_BYTES) {
    if (at === CHECKSUM_AT) continue;
    sum = Math.imul(sum ^ view.getUint32(at, true), 0x0100_0193);
  }
  return sum >>> 0;
}
