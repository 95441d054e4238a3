// Pure
/**
 * Decompression of an LZ4 raw block.
 *
 * A block is a sequence of
 *
 *   token          high four bits: literal length, low four: match length - 4
 *   length bytes   if the literal length is 15: 255 goes on, less ends
 *   literals
 *   offset         two bytes, little-endian, 1 or more
 *   length bytes   if the match length is 15 + 4
 *
 * and ends after literals.
 *
 * Source: LZ4 block format description.
 */

const MATCH_BYTES_MIN = 4;
const LENGTH_GOES_ON = 15;

/** Returns the length of the data, or -1 if they are damaged or do not fit. */
export function lz4Decompress(packed: Uint8Array, target: Uint8Array): number {
  let at = 0;
  let end = 0;

  /** A length of which the token holds `first`; Infinity behind the block. */
  const readLength = (first: number): number => {
    let length = first;
    if (first !== LENGTH_GOES_ON) return length;
    for (;;) {
      const byte = packed[at++];
      if (byte === undefined) return Infinity;
      length += byte;
      if (byte !== 255) return length;
    }
  };

  for (;;) {
    const token = packed[at++];
    if (token === undefined) return -1;
    const literalLength = readLength(token >> 4);
    if (at + literalLength > packed.length) return -1;
    if (end + literalLength > target.length) return -1;
    target.set(packed.subarray(at, at + literalLength), end);
    at += literalLength;
    end += literalLength;
    if (at === packed.length) return end;

    const low = packed[at++];
    const high = packed[at++];
    if (low === undefined || high === undefined) return -1;
    const distance = low + 256 * high;
    const matchLength = readLength(token & 15) + MATCH_BYTES_MIN;
    if (distance === 0 || distance > end) return -1;
    if (end + matchLength > target.length) return -1;
    // Byte by byte: source and target may overlap, and then repeat.
    for (const matchEnd = end + matchLength; end < matchEnd; end++) {
      target[end] = target[end - distance] ?? 0;
    }
  }
}
