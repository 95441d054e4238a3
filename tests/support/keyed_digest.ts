/** Digests of blocks under a key, for files that are not of this machine. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { DIGEST_BYTES } from "../../src/transfer/digest.ts";

/** Like `RandomFile.digest`, but for bytes. */
export function keyedDigests(
  bytes: Uint8Array,
  blockBytes: number,
  seed: Uint8Array,
): Uint8Array {
  const count = Math.ceil(bytes.length / blockBytes);
  const digests = new Uint8Array(count * DIGEST_BYTES);
  for (let index = 0; index < count; index++) {
    const start = index * blockBytes;
    const block = bytes.subarray(start, start + blockBytes);
    // As the real ones: zeroes stand for zeroes.
    if (isZero(block)) continue;
    const digest = createHash("sha256").update(seed).update(block).digest();
    digests.set(digest.subarray(0, DIGEST_BYTES), index * DIGEST_BYTES);
  }
  return digests;
}

const ZEROES = new Uint8Array(64 * 1024);

/** Compares in large pieces; a loop over bytes would take most of the time. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROES.length) {
    const piece = bytes.subarray(at, at + ZEROES.length);
    const zeroes = ZEROES.subarray(0, piece.length);
    if (Buffer.compare(piece, zeroes) !== 0) return false;
  }
  return true;
}
