// Pure
/**
 * Digests of record payloads.
 *
 * A digest D of 32 bytes is folded to the 16 stored ones:
 * `sum[i] = D[i] ^ D[i + 16]`. Rows in order of preference:
 *
 *   name     flag  D
 *   crc32c      4  eight parts of floor(n / 8) bytes, the last takes the rest;
 *                  CRC32C of each, little-endian
 *   crc32       8  the same with the IEEE polynomial, initial value 0, no
 *                  inversion
 *   md5         2  MD5 of the first half, MD5 of the second; even n only
 *   sha1       16  SHA1 of everything, twelve zero bytes
 *   md5Old      1  not folded: the first four bytes of the MD5 of everything,
 *                  in a field of their own
 *
 * Folding cancels equal halves: a payload of zeroes has a sum of zeroes.
 *
 * Source: MARS, log format version 1.
 */
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { viewOf } from "../base/bytes.ts";

/**
 * CRC32C by whoever composes: `shimCrc32c` in production, `portableCrc32c`
 * where there is no shim. Nothing is allocated per call.
 */
export interface Crc32c {
  /** CRC32C of `length` bytes from `start`; unsigned. */
  crc32c(bytes: Uint8Array, start: number, length: number): number;

  /**
   * The folded digest of `length` bytes from `start`, written as 16 bytes at
   * `target` of the same array.
   */
  fold(bytes: Uint8Array, start: number, length: number, target: number): void;
}

/** A digest that the flags of a record can name. */
export type DigestName = "crc32c" | "crc32" | "md5" | "sha1" | "md5Old";

// Prescribed by MARS.
export const DIGEST_FLAG: Readonly<Record<DigestName, number>> = {
  md5Old: 0x01,
  md5: 0x02,
  crc32c: 0x04,
  crc32: 0x08,
  sha1: 0x10,
};
export const SUM_BYTES = 16;
const OLD_SUM_BYTES = 4;
const PART_COUNT = 8;
const CASTAGNOLI = 0x82f63b78;
const IEEE = 0xedb88320;

/** All digests that are folded. */
export const FOLDED_FLAGS = DIGEST_FLAG.crc32c | DIGEST_FLAG.crc32 |
  DIGEST_FLAG.md5 | DIGEST_FLAG.sha1;

// Slicing by eight: table k holds the effect of a byte k places further on.
const CASTAGNOLI_TABLE = slicingTable(CASTAGNOLI);
const IEEE_TABLE = slicingTable(IEEE);

/** CRC32C without the instruction: slower, same results. */
export const portableCrc32c: Crc32c = {
  crc32c(bytes: Uint8Array, start: number, length: number): number {
    return ~updateCrc(CASTAGNOLI_TABLE, ~0, bytes, start, start + length) >>> 0;
  },
  fold(
    bytes: Uint8Array,
    start: number,
    length: number,
    target: number,
  ): void {
    bytes.set(
      foldParts(
        length,
        (at, count) => portableCrc32c.crc32c(bytes, start + at, count),
      ),
      target,
    );
  },
};

/**
 * The folded sum by the most preferred digest in `flags` that can digest
 * `data`; undefined if there is none.
 */
export function foldedSum(
  flags: number,
  data: Uint8Array,
  crc: Crc32c,
): Uint8Array | undefined {
  if (flags & DIGEST_FLAG.crc32c) {
    return foldParts(data.length, (at, count) => crc.crc32c(data, at, count));
  }
  if (flags & DIGEST_FLAG.crc32) {
    return foldParts(
      data.length,
      (at, count) => updateCrc(IEEE_TABLE, 0, data, at, at + count),
    );
  }
  if (flags & DIGEST_FLAG.md5 && data.length % 2 === 0) {
    const half = data.length / 2;
    return xor(md5(data.subarray(0, half)), md5(data.subarray(half)));
  }
  if (flags & DIGEST_FLAG.sha1) {
    const digest = new Uint8Array(2 * SUM_BYTES);
    digest.set(sha1(data));
    return xor(digest.subarray(0, SUM_BYTES), digest.subarray(SUM_BYTES));
  }
  return undefined;
}

/** The first four bytes of the MD5: the checksum of the oldest writers. */
export function oldSum(data: Uint8Array): Uint8Array {
  return md5(data).subarray(0, OLD_SUM_BYTES);
}

/**
 * Whether the CRC32C sum of `length` bytes from `start` is the one at `sumAt`
 * of `view`. The same as a comparison with `fold`, without writing anywhere.
 */
export function matchesCrc32c(
  crc: Crc32c,
  bytes: Uint8Array,
  start: number,
  length: number,
  view: DataView,
  sumAt: number,
): boolean {
  const partLength = Math.floor(length / PART_COUNT);
  for (let word = 0; word < PART_COUNT / 2; word++) {
    const at = start + word * partLength;
    const foldedAt = at + (PART_COUNT / 2) * partLength;
    const isLast = word === PART_COUNT / 2 - 1;
    const foldedLength = isLast ? start + length - foldedAt : partLength;
    const folded = crc.crc32c(bytes, at, partLength) ^
      crc.crc32c(bytes, foldedAt, foldedLength);
    if (folded !== view.getInt32(sumAt + 4 * word, true)) return false;
  }
  return true;
}

function foldParts(
  length: number,
  crcOf: (at: number, count: number) => number,
): Uint8Array {
  const partLength = Math.floor(length / PART_COUNT);
  const sum = new Uint8Array(SUM_BYTES);
  const view = viewOf(sum);
  for (let part = 0; part < PART_COUNT; part++) {
    const at = part * partLength;
    const isLast = part === PART_COUNT - 1;
    const crc = crcOf(at, isLast ? length - at : partLength);
    const word = 4 * (part % (PART_COUNT / 2));
    view.setInt32(word, view.getInt32(word, true) ^ crc, true);
  }
  return sum;
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, index) => byte ^ (right[index] ?? 0));
}

/** Eight tables of 256 entries for a reflected polynomial. */
function slicingTable(polynomial: number): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    }
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const before = table[index - 256] ?? 0;
    table[index] = (table[before & 0xff] ?? 0) ^ (before >>> 8);
  }
  return table;
}

function updateCrc(
  table: Int32Array,
  initial: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  // `?? 0` only pleases the compiler: all indices lie inside.
  const entry = (slice: number, byte: number): number =>
    table[slice * 256 + (byte & 0xff)] ?? 0;
  let crc = initial;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    crc ^= (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    crc = entry(7, crc) ^ entry(6, crc >>> 8) ^ entry(5, crc >>> 16) ^
      entry(4, crc >>> 24) ^ entry(3, bytes[at + 4] ?? 0) ^
      entry(2, bytes[at + 5] ?? 0) ^ entry(1, bytes[at + 6] ?? 0) ^
      entry(0, bytes[at + 7] ?? 0);
  }
  for (; at < end; at++) crc = entry(0, crc ^ (bytes[at] ?? 0)) ^ (crc >>> 8);
  return crc;
}
