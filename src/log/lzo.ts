// Pure
/**
 * Decompression of an LZO1X block.
 *
 * A block is a sequence of instructions; `s` are literals that follow the
 * match, `H` a byte, `D` the upper 14 bits of a little-endian word whose lower
 * two are `s`. A length of 0 goes on: zero bytes count 255 each, the byte that
 * ends them counts itself, plus the largest length that the field can hold.
 *
 *   first byte          effect
 *   0000LLLL            no literals before: 3 + L literals
 *   0000DDss H          1-3 literals before: 2 bytes, distance 4 H + D + 1
 *   0000DDss H          4 or more before: 3 bytes, distance 4 H + D + 2049
 *   0001HLLL word       2 + L bytes, distance 16384 H + D + 16384; 16384: end
 *   001LLLLL word       2 + L bytes, distance D + 1
 *   01LDDDss H          3 + L bytes, distance 8 H + D + 1
 *   1LLDDDss H          5 + L bytes, distance 8 H + D + 1
 *
 * Only the very first byte may also be 18 or more and then means that many
 * literals minus 17.
 *
 * Source: description of the LZO stream format in the Linux documentation.
 */

const FIRST_LITERALS = 17;
/** Literals before an instruction count up to here. */
const MANY_LITERALS = 4;
const FAR_DISTANCE = 16_384;
const MIDDLE_DISTANCE = 2_049;
const END_LENGTH = 3;

/** Returns the length of the data, or -1 if they are damaged or do not fit. */
export function lzo1xDecompress(
  packed: Uint8Array,
  target: Uint8Array,
): number {
  let at = 0;
  let end = 0;
  let literals = 0;

  // Behind the block everything reads as a length that nothing can hold.
  const readByte = (): number => packed[at++] ?? Infinity;
  const readWord = (): number => readByte() + 256 * readByte();
  const readLength = (field: number, fieldMax: number): number => {
    if (field !== 0) return field;
    let length = fieldMax;
    for (;;) {
      const byte = readByte();
      if (byte !== 0) return length + byte;
      length += 255;
    }
  };
  const copyLiterals = (count: number): boolean => {
    if (at + count > packed.length) return false;
    if (end + count > target.length) return false;
    target.set(packed.subarray(at, at + count), end);
    at += count;
    end += count;
    literals = Math.min(count, MANY_LITERALS);
    return true;
  };
  const copyMatch = (length: number, distance: number): boolean => {
    if (!(distance <= end)) return false;
    if (!(end + length <= target.length)) return false;
    // Byte by byte: source and target may overlap, and then repeat.
    for (const matchEnd = end + length; end < matchEnd; end++) {
      target[end] = target[end - distance] ?? 0;
    }
    return true;
  };

  const first = packed[0];
  if (first !== undefined && first > FIRST_LITERALS) {
    at = 1;
    if (!copyLiterals(first - FIRST_LITERALS)) return -1;
  }
  for (;;) {
    const code = readByte();
    if (!(code < 256)) return -1;
    let length: number;
    let distance: number;
    let following = code & 3;
    if (code >= 64) {
      length = (code >> 5) + 1;
      distance = 8 * readByte() + ((code >> 2) & 7) + 1;
    } else if (code >= 16) {
      const fieldMax = code >= 32 ? 31 : 7;
      length = 2 + readLength(code & fieldMax, fieldMax);
      const word = readWord();
      following = word & 3;
      distance = Math.floor(word / 4) + 1;
      if (code < 32) {
        distance += (code & 8 ? FAR_DISTANCE : 0) + FAR_DISTANCE - 1;
        if (distance === FAR_DISTANCE) {
          return length === END_LENGTH && at === packed.length ? end : -1;
        }
      }
    } else if (literals === 0) {
      if (!copyLiterals(3 + readLength(code, 15))) return -1;
      continue;
    } else {
      const isFar = literals === MANY_LITERALS;
      length = isFar ? 3 : 2;
      distance = 4 * readByte() + (code >> 2) + (isFar ? MIDDLE_DISTANCE : 1);
    }
    if (!copyMatch(length, distance)) return -1;
    if (!copyLiterals(following)) return -1;
  }
}
