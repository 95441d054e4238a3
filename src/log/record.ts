// Pure
/**
 * Format of one record of the transaction log.
 *
 * A log is a sequence of records without gaps, padding or alignment; its file
 * has no header and no end mark. All integers are little-endian.
 *
 *   offset  size  field
 *        0     8  start magic
 *        8     1  format version, 1
 *        9     1  valid flag, 1
 *       10     2  total length, signed: distance to the next record
 *       12     8  stamp, seconds since 1970
 *       20     8  stamp, nanoseconds
 *       28     8  device position in bytes
 *       36     2  payload length as stored, signed
 *       38     2  length after decompression, signed; 0: stored raw
 *       40     4  header checksum; 0: not present
 *       44     2  code: 1 new data, 2 old data
 *       46     2  spare, 0
 *       48     n  payload; if compressed, padded to a multiple of 8
 *   trailer
 *        0     8  end magic
 *        8     4  checksum of the digest "md5Old", otherwise 0
 *       12     1  valid copy, 1
 *       13     1  spare, 0
 *       14     2  flags: digest and compression
 *       16     4  sequence number: 1 for the first record of a log
 *       20    16  folded checksum of the payload before compression
 *
 * The header checksum is ours: CRC32C of the 48 bytes with the word itself as
 * zero. MARS writes zero there and ignores it. It covers what the checksum of
 * the payload does not: above all the device position.
 *
 * The position of a record is the file offset just behind it. What is wrong
 * with bytes that are no record is told by `scanner.ts`.
 *
 * Source: MARS, log format version 1; header checksum: design.
 */
import { assert } from "../base/assert.ts";
import { alignUp, viewOf, writeUint64 } from "../base/bytes.ts";
import {
  type Crc32c,
  DIGEST_FLAG,
  type DigestName,
  foldedSum,
  oldSum,
} from "./checksum.ts";
import {
  compress,
  COMPRESSION_FLAG,
  type CompressionName,
} from "./compress.ts";

// Prescribed by MARS. Magics as low and high word.
export const START_MAGIC_LOW = 0xd9177957;
export const START_MAGIC_HIGH = 0xa8f7e908;
export const END_MAGIC_LOW = 0x4ab5726d;
export const END_MAGIC_HIGH = 0x74941fb7;
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 48;
export const TRAILER_BYTES = 36;
export const RECORD_OVERHEAD_BYTES = HEADER_BYTES + TRAILER_BYTES;
export const RECORD_BYTES_MAX = 32_767;
/** Writers stay below: the reader of MARS counts on it for torn tails. */
export const PAYLOAD_BYTES_MAX = 4096;
export const NANOSECONDS_MAX = 999_999_999;
const SEQUENCE_MAX = 0xffff_ffff;
const COMPRESSED_ALIGNMENT_BYTES = 8;

/** What the payload is; others are checked and skipped. */
export const RECORD_CODE = { writeNew: 1, writeOld: 2 } as const;

/** Where the fields lie: from the start of the header or of the trailer. */
export const HEADER = {
  startMagic: 0,
  version: 8,
  valid: 9,
  totalLength: 10,
  seconds: 12,
  nanoseconds: 20,
  devicePosition: 28,
  payloadLength: 36,
  decompressedLength: 38,
  checksum: 40,
  code: 44,
  spare: 46,
} as const;
export const TRAILER = {
  endMagic: 0,
  oldSum: 8,
  valid: 12,
  spare: 13,
  flags: 14,
  sequence: 16,
  sum: 20,
} as const;

/** What a writer decides about a record. */
export interface RecordFields {
  /** 1 for the first record of a log, then one more each. */
  readonly sequence: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly code: number;
  /** Where in the device the payload belongs. */
  readonly offsetBytes: number;
}

/** A record as the general encoder takes it. */
export interface LogRecord extends RecordFields {
  /** 1 byte at least. */
  readonly payload: Uint8Array;
}

/** How a payload is protected and stored. */
export interface RecordEncoding {
  readonly digest: DigestName;
  readonly compression: CompressionName | "none";
  readonly crc: Crc32c;
}

/**
 * Encodes a raw record with CRC32C around a payload that is already in place,
 * `HEADER_BYTES` behind `at`. Allocates nothing; the logger's inner loop.
 *
 * @param target room for the record from `at`; `view` covers the same bytes
 * @returns total length of the record
 */
export function encodeRecordInto(
  target: Uint8Array,
  view: DataView,
  at: number,
  fields: RecordFields,
  payloadLength: number,
  crc: Crc32c,
): number {
  const totalLength = payloadLength + RECORD_OVERHEAD_BYTES;
  assert(payloadLength > 0, "record has a payload");
  assert(totalLength <= RECORD_BYTES_MAX, "record fits its length field");
  assert(at + totalLength <= target.length, "record fits its buffer");
  const trailerAt = at + totalLength - TRAILER_BYTES;
  writeTrailer(view, trailerAt, fields.sequence, DIGEST_FLAG.crc32c);
  crc.fold(target, at + HEADER_BYTES, payloadLength, trailerAt + TRAILER.sum);
  writeHeader(view, at, fields, totalLength, payloadLength, 0);
  view.setUint32(
    at + HEADER.checksum,
    crc.crc32c(target, at, HEADER_BYTES),
    true,
  );
  return totalLength;
}

/**
 * Encodes a record with any digest and compression. A payload that compression
 * does not make smaller is stored raw.
 */
export function encodeRecord(
  record: LogRecord,
  encoding: RecordEncoding,
): Uint8Array<ArrayBuffer> {
  const { digest, compression, crc } = encoding;
  const { payload } = record;
  assert(payload.length > 0, "record has a payload");
  const packed = compression === "none"
    ? undefined
    : compress(payload, compression);
  const packedArea = packed === undefined
    ? payload.length
    : alignUp(packed.length, COMPRESSED_ALIGNMENT_BYTES);
  const stored = packed !== undefined && packedArea < payload.length
    ? packed
    : payload;
  const isPacked = stored !== payload;
  const totalLength = RECORD_OVERHEAD_BYTES + storedAreaBytes(
    stored.length,
    isPacked,
  );
  assert(totalLength <= RECORD_BYTES_MAX, "record fits its length field");

  const bytes = new Uint8Array(totalLength);
  const view = viewOf(bytes);
  bytes.set(stored, HEADER_BYTES);
  const flags = DIGEST_FLAG[digest] |
    (isPacked && compression !== "none" ? COMPRESSION_FLAG[compression] : 0);
  const trailerAt = totalLength - TRAILER_BYTES;
  writeTrailer(view, trailerAt, record.sequence, flags);
  if (digest === "md5Old") {
    bytes.set(oldSum(payload), trailerAt + TRAILER.oldSum);
  } else {
    const sum = foldedSum(flags, payload, crc);
    assert(sum !== undefined, "digest takes a payload of this length");
    bytes.set(sum, trailerAt + TRAILER.sum);
  }
  const decompressedLength = isPacked ? payload.length : 0;
  writeHeader(view, 0, record, totalLength, stored.length, decompressedLength);
  view.setUint32(HEADER.checksum, crc.crc32c(bytes, 0, HEADER_BYTES), true);
  return bytes;
}

/** Room that a stored payload takes between header and trailer. */
export function storedAreaBytes(
  payloadLength: number,
  isCompressed: boolean,
): number {
  return isCompressed
    ? alignUp(payloadLength, COMPRESSED_ALIGNMENT_BYTES)
    : payloadLength;
}

/** Writes all 48 bytes, the header checksum as zero. */
function writeHeader(
  view: DataView,
  at: number,
  fields: RecordFields,
  totalLength: number,
  payloadLength: number,
  decompressedLength: number,
): void {
  assert(fields.nanoseconds <= NANOSECONDS_MAX, "nanoseconds below a second");

  view.setUint32(at + HEADER.startMagic, START_MAGIC_LOW, true);
  view.setUint32(at + HEADER.startMagic + 4, START_MAGIC_HIGH, true);
  view.setUint8(at + HEADER.version, FORMAT_VERSION);
  view.setUint8(at + HEADER.valid, 1);
  view.setInt16(at + HEADER.totalLength, totalLength, true);
  writeUint64(view, at + HEADER.seconds, fields.seconds);
  writeUint64(view, at + HEADER.nanoseconds, fields.nanoseconds);
  writeUint64(view, at + HEADER.devicePosition, fields.offsetBytes);
  view.setInt16(at + HEADER.payloadLength, payloadLength, true);
  view.setInt16(at + HEADER.decompressedLength, decompressedLength, true);
  view.setUint32(at + HEADER.checksum, 0, true);
  view.setInt16(at + HEADER.code, fields.code, true);
  view.setUint16(at + HEADER.spare, 0, true);
}

/** Writes all 36 bytes, both checksums as zero. */
function writeTrailer(
  view: DataView,
  at: number,
  sequence: number,
  flags: number,
): void {
  assert(sequence >= 0, "sequence is not negative");
  assert(sequence <= SEQUENCE_MAX, "sequence fits its field");
  view.setUint32(at + TRAILER.endMagic, END_MAGIC_LOW, true);
  view.setUint32(at + TRAILER.endMagic + 4, END_MAGIC_HIGH, true);
  view.setUint32(at + TRAILER.oldSum, 0, true);
  view.setUint8(at + TRAILER.valid, 1);
  view.setUint8(at + TRAILER.spare, 0);
  view.setUint16(at + TRAILER.flags, flags, true);
  view.setUint32(at + TRAILER.sequence, sequence, true);
  for (let word = 0; word < 4; word++) {
    view.setUint32(at + TRAILER.sum + 4 * word, 0, true);
  }
}
