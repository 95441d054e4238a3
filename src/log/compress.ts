// Pure
/**
 * Compression of record payloads, one row per algorithm.
 *
 *   name  flag    encoding
 *   lzo   0x0100  LZO1X block, read only
 *   lz4   0x0200  LZ4 raw block, read only
 *   zlib  0x0400  zlib stream with Adler-32
 *
 * The digest of a record is taken before compression. Writing is off by
 * default; a record that does not get smaller is stored raw.
 *
 * Source: MARS, log format version 1.
 */
import { unzlibSync, zlibSync } from "fflate";
import { lz4Decompress } from "./lz4.ts";
import { lzo1xDecompress } from "./lzo.ts";

/** A compression that the flags of a record can name. */
export type CompressionName = "lzo" | "lz4" | "zlib";

// Prescribed by MARS.
export const COMPRESSION_FLAG = {
  lzo: 0x0100,
  lz4: 0x0200,
  zlib: 0x0400,
} as const;
export const COMPRESSED_FLAGS = COMPRESSION_FLAG.lzo | COMPRESSION_FLAG.lz4 |
  COMPRESSION_FLAG.zlib;
const ZLIB_LEVEL = 3;
const ZLIB_ADLER_BYTES = 4;
const ADLER_MODULUS = 65_521;

/** The payload compressed, or undefined if mars cannot write `name`. */
export function compress(
  payload: Uint8Array,
  name: CompressionName,
): Uint8Array | undefined {
  return name === "zlib" ? zlibSync(payload, { level: ZLIB_LEVEL }) : undefined;
}

/**
 * Decompresses to exactly `target.length` bytes by the most preferred algorithm
 * in `flags`.
 *
 * @returns false if the data are damaged or have another length; `target` may
 * hold anything then
 */
export function decompressInto(
  target: Uint8Array,
  packed: Uint8Array,
  flags: number,
): boolean {
  if (flags & COMPRESSION_FLAG.lzo) {
    return lzo1xDecompress(packed, target) === target.length;
  }
  if (flags & COMPRESSION_FLAG.lz4) {
    return lz4Decompress(packed, target) === target.length;
  }
  return zlibDecompress(packed, target);
}

function zlibDecompress(packed: Uint8Array, target: Uint8Array): boolean {
  // One byte more than announced shows a stream that goes on.
  const room = new Uint8Array(target.length + 1);
  let data: Uint8Array;
  try {
    data = unzlibSync(packed, { out: room });
  } catch {
    // Everything the library throws means: no valid stream.
    return false;
  }
  if (data.length !== target.length) return false;
  if (adler32(data) !== storedAdler32(packed)) return false;
  target.set(data);
  return true;
}

/** The checksum at the end of a zlib stream; the library does not look at it. */
function storedAdler32(packed: Uint8Array): number {
  let sum = 0;
  for (const byte of packed.subarray(-ZLIB_ADLER_BYTES)) sum = sum * 256 + byte;
  return sum;
}

function adler32(data: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (const byte of data) {
    low = (low + byte) % ADLER_MODULUS;
    high = (high + low) % ADLER_MODULUS;
  }
  return high * 65_536 + low;
}
