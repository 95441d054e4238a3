// Pure
/**
 * Digests and compressions as bits of one mask, as hosts tell what they can and
 * administrators what they shall use.
 *
 *   0x0b000000              hexadecimal, octal (leading 0) or decimal
 *   COMPRESS_LZO|COMPRESS_ZLIB   names, in any order and case
 *
 * Source: feature masks of MARS.
 */

/** A bit of the mask and its name. */
export interface Algorithm {
  readonly bit: number;
  readonly name: string;
}

export const DIGESTS: readonly Algorithm[] = [
  { bit: 0x1_0000, name: "CHKSUM_MD5_OLD" },
  { bit: 0x2_0000, name: "CHKSUM_MD5" },
  { bit: 0x4_0000, name: "CHKSUM_CRC32C" },
  { bit: 0x8_0000, name: "CHKSUM_CRC32" },
  { bit: 0x10_0000, name: "CHKSUM_SHA1" },
];

export const COMPRESSIONS: readonly Algorithm[] = [
  { bit: 0x100_0000, name: "COMPRESS_LZO" },
  { bit: 0x200_0000, name: "COMPRESS_LZ4" },
  { bit: 0x400_0000, name: "COMPRESS_ZLIB" },
  // Ours: on lines only, and unknown to MARS.
  { bit: 0x800_0000, name: "COMPRESS_ZSTD" },
];

/** Names of the bits of `mask` that are in `table`, joined by `|`. */
export function formatNames(
  mask: number,
  table: readonly Algorithm[],
): string {
  return table.filter(({ bit }) => hasBit(mask, bit))
    .map(({ name }) => name).join("|");
}

/** A mask of bits in `table`; undefined for any other bit, name or text. */
export function parseMask(
  text: string,
  table: readonly Algorithm[],
): number | undefined {
  const number = parseNumber(text);
  if (number !== undefined) {
    const all = table.reduce((sum, { bit }) => sum + bit, 0);
    const known = table.filter(({ bit }) => hasBit(number, bit))
      .reduce((sum, { bit }) => sum + bit, 0);
    return number <= all && number === known ? number : undefined;
  }
  const bits = new Set<number>();
  for (const word of text.split("|")) {
    const row = table.find(({ name }) => name === word.trim().toUpperCase());
    if (row === undefined) return undefined;
    bits.add(row.bit);
  }
  return [...bits].reduce((sum, bit) => sum + bit, 0);
}

/** As links have it: `0x0b000000`. */
export function formatMask(mask: number): string {
  return `0x${mask.toString(16).padStart(8, "0")}`;
}

function parseNumber(text: string): number | undefined {
  if (/^0[xX][0-9a-fA-F]{1,8}$/.test(text)) return Number.parseInt(text, 16);
  if (/^0[0-7]{1,11}$/.test(text)) return Number.parseInt(text, 8);
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
}

/** Bits up to the 32nd, which `&` would take for a sign. */
function hasBit(mask: number, bit: number): boolean {
  return Math.floor(mask / bit) % 2 === 1;
}
