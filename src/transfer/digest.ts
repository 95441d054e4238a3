/**
 * Digests of blocks of a disk, and what two of them say.
 *
 * Two kinds, of 16 bytes each. Digests of neighboring blocks stand one after the
 * other; the last block may be shorter.
 *
 *   keyed   NH under a random key that both sides have for one copy: whoever
 *           wrote the data could not know it, hence could not make two blocks
 *           alike. 6 GB/s on one processor, reading included
 *   plain   the beginning of SHA-256, for peers that do not know the other kind
 *
 * A block whose digest is that of as many zeroes is known without being read:
 * on the own side a hole is not read, and what a peer tells to be zero does not
 * have to be asked for.
 */
import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import { MarsError } from "../base/errors.ts";
import type { RandomFile } from "./file.ts";
import { SpareBuffers } from "./spare_buffers.ts";

export const DIGEST_BYTES = 16;

// Ours. What is compared first: 16 bytes per MiB are nothing on any line.
export const COARSE_BYTES = 1024 * 1024;
// Ours. What is compared where those differ: the page of most file systems.
export const FINE_BYTES = 4096;

/** A range of bytes of a disk. */
export type Extent = {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
};

/** What digests are made of. */
export type Digestible = Pick<RandomFile, "read" | "nextData" | "digest">;

/** Length of a seed of keyed digests; undefined stands for plain ones. */
export const SEED_BYTES = 32;
export type Seed = Uint8Array | undefined;

/** Extents in disk order; what is in neither list is equal. */
export type Comparison = {
  /** Zero there, and not here. */
  readonly zero: readonly Extent[];
  readonly differing: readonly Extent[];
};

/** Number of blocks of an extent, a shorter last one included. */
export function blockCountOf(extent: Extent, blockBytes: number): number {
  return Math.ceil(extent.lengthBytes / blockBytes);
}

/** Makes digests, with memory of its own. */
export class Digester {
  readonly #buffers = new SpareBuffers(COARSE_BYTES);
  /** By length. */
  readonly #ofZeroes = new Map<number, Promise<Uint8Array>>();

  /**
   * The digests of all blocks of `extent`.
   *
   * @param blockBytes at most COARSE_BYTES
   * @throws SyscallError; MarsError if the disk ends before
   */
  async digests(
    disk: Digestible,
    extent: Extent,
    { blockBytes, seed }: { readonly blockBytes: number; readonly seed: Seed },
  ): Promise<Uint8Array> {
    return seed === undefined
      ? await this.#plain(disk, extent, blockBytes)
      : await keyed(disk, extent, { blockBytes, seed });
  }

  async #plain(
    disk: Digestible,
    extent: Extent,
    blockBytes: number,
  ): Promise<Uint8Array> {
    const count = blockCountOf(extent, blockBytes);
    const joined = new Uint8Array(count * DIGEST_BYTES);
    let at = 0;
    let dataBytes = -1;
    const pieceBytes = COARSE_BYTES - COARSE_BYTES % blockBytes;
    for (const piece of cut(extent, pieceBytes)) {
      const endBytes = piece.offsetBytes + piece.lengthBytes;
      if (dataBytes < piece.offsetBytes) {
        dataBytes = await disk.nextData(piece.offsetBytes);
      }
      const digests = dataBytes >= endBytes
        ? await this.#zeroDigests(piece, blockBytes)
        : await this.#pieceDigests(disk, piece, blockBytes);
      joined.set(digests, at);
      at += digests.length;
    }
    assert(at === joined.length, "a digest per block");
    return joined;
  }

  /** Compares own digests with those of a peer. */
  async compare(
    { extent, blockBytes, seed, own, theirs }: {
      readonly extent: Extent;
      readonly blockBytes: number;
      readonly seed: Seed;
      readonly own: Uint8Array;
      readonly theirs: Uint8Array;
    },
  ): Promise<Comparison> {
    const size = blockCountOf(extent, blockBytes) * DIGEST_BYTES;
    assert(own.length === size, "an own digest per block");
    assert(theirs.length === size, "a foreign digest per block");
    const zero: Extent[] = [];
    const differing: Extent[] = [];
    for (const [index, block] of cut(extent, blockBytes).entries()) {
      const at = index * DIGEST_BYTES;
      const left = own.subarray(at, at + DIGEST_BYTES);
      const right = theirs.subarray(at, at + DIGEST_BYTES);
      if (equalBytes(left, right)) continue;
      const ofZeroes = seed === undefined
        ? await this.#zeroDigest(block.lengthBytes)
        : ZERO_DIGEST;
      (equalBytes(right, ofZeroes) ? zero : differing).push(block);
    }
    return { zero, differing };
  }

  async #pieceDigests(
    disk: Digestible,
    piece: Extent,
    blockBytes: number,
  ): Promise<Uint8Array> {
    const buffer = this.#buffers.take();
    const bytes = await readExactly(disk, piece, buffer);
    const digests = await digestsOf(bytes, blockBytes);
    this.#buffers.giveBack(buffer);
    return digests;
  }

  async #zeroDigests(piece: Extent, blockBytes: number): Promise<Uint8Array> {
    const blocks = cut(piece, blockBytes);
    const joined = new Uint8Array(blocks.length * DIGEST_BYTES);
    for (const [index, { lengthBytes }] of blocks.entries()) {
      const digest = await this.#zeroDigest(lengthBytes);
      joined.set(digest, index * DIGEST_BYTES);
    }
    return joined;
  }

  #zeroDigest(lengthBytes: number): Promise<Uint8Array> {
    const known = this.#ofZeroes.get(lengthBytes);
    if (known !== undefined) return known;
    const digest = digestsOf(new Uint8Array(lengthBytes), lengthBytes);
    this.#ofZeroes.set(lengthBytes, digest);
    return digest;
  }
}

const ZERO_DIGEST = new Uint8Array(DIGEST_BYTES);

async function keyed(
  disk: Digestible,
  extent: Extent,
  { blockBytes, seed }: { readonly blockBytes: number; seed: Uint8Array },
): Promise<Uint8Array> {
  const count = blockCountOf(extent, blockBytes);
  const joined = new Uint8Array(count * DIGEST_BYTES);
  const dataBytes = await disk.nextData(extent.offsetBytes);
  const holeBytes = dataBytes - extent.offsetBytes;
  if (holeBytes >= extent.lengthBytes) return joined;
  const skippedCount = Math.floor(holeBytes / blockBytes);
  const skippedBytes = skippedCount * blockBytes;
  const rest = {
    offsetBytes: extent.offsetBytes + skippedBytes,
    lengthBytes: extent.lengthBytes - skippedBytes,
  };
  const digests = await disk.digest(rest, blockBytes, seed);
  const at = skippedCount * DIGEST_BYTES;
  if (at + digests.length !== joined.length) {
    throw new MarsError(
      `Cannot read a disk: it ends before ${
        extent.offsetBytes + extent.lengthBytes
      }`,
    );
  }
  joined.set(digests, at);
  return joined;
}

/** The digests of all blocks of `bytes`, which stay unchanged meanwhile. */
async function digestsOf(
  bytes: Uint8Array<ArrayBuffer>,
  blockBytes: number,
): Promise<Uint8Array> {
  const pending: Promise<ArrayBuffer>[] = [];
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const block = bytes.subarray(start, start + blockBytes);
    pending.push(crypto.subtle.digest("SHA-256", block));
  }
  const digests = await Promise.all(pending);
  const joined = new Uint8Array(digests.length * DIGEST_BYTES);
  for (const [index, digest] of digests.entries()) {
    joined.set(new Uint8Array(digest, 0, DIGEST_BYTES), index * DIGEST_BYTES);
  }
  return joined;
}

/** The bytes of an extent, at the begin of `buffer`. @throws MarsError */
export async function readExactly<B extends ArrayBufferLike>(
  disk: Pick<RandomFile, "read">,
  extent: Extent,
  buffer: Uint8Array<B>,
): Promise<Uint8Array<B>> {
  const bytes = buffer.subarray(0, extent.lengthBytes);
  const count = await disk.read(bytes, extent.offsetBytes);
  if (count === bytes.length) return bytes;
  throw new MarsError(
    `Cannot read a disk: ${count} of ${bytes.length} bytes at ` +
      `${extent.offsetBytes}`,
  );
}

/**
 * Extents that are at most `gapBytes` apart become one, of at most `lengthMax`
 * bytes.
 */
export function merged(
  extents: readonly Extent[],
  lengthMax: number,
  gapBytes = 0,
): Extent[] {
  const result: Extent[] = [];
  for (const extent of extents) {
    const last = result.at(-1);
    if (last === undefined) {
      result.push(extent);
      continue;
    }
    const endBytes = last.offsetBytes + last.lengthBytes;
    const lengthBytes = extent.offsetBytes + extent.lengthBytes -
      last.offsetBytes;
    const isNear = extent.offsetBytes - endBytes <= gapBytes;
    if (isNear && lengthBytes <= lengthMax) {
      result[result.length - 1] = {
        offsetBytes: last.offsetBytes,
        lengthBytes,
      };
    } else result.push(extent);
  }
  return result;
}

/** Cuts an extent into pieces of `lengthMax` bytes; the last may be shorter. */
export function cut(extent: Extent, lengthMax: number): Extent[] {
  const pieces: Extent[] = [];
  for (let start = 0; start < extent.lengthBytes; start += lengthMax) {
    pieces.push({
      offsetBytes: extent.offsetBytes + start,
      lengthBytes: Math.min(lengthMax, extent.lengthBytes - start),
    });
  }
  return pieces;
}
