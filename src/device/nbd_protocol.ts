// Pure
/**
 * Format of the NBD protocol: fixed newstyle handshake and transmission.
 *
 * All integers are big-endian. The handshake:
 *
 *   server  NBDMAGIC, IHAVEOPT, 16 bits of handshake flags
 *   client  32 bits of client flags
 *   client  option:  IHAVEOPT, 32 bits option, 32 bits length, its bytes
 *   server  reply:   option magic, option, 32 bits type, length, its bytes
 *
 * Transmission:
 *
 *   request           simple reply       chunk of a structured reply
 *   offset  field     offset  field      offset  field
 *        0  magic          0  magic           0  magic
 *        4  flags          4  error           4  flags
 *        6  type           8  cookie          6  type
 *        8  cookie        16  (data)          8  cookie
 *       16  offset                           16  length
 *       24  length                           20  (payload)
 *       28  (data)
 *
 * A cookie belongs to the client; it travels as two halves, unchanged.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import { ERRNO } from "../base/errors.ts";

const HALF = 0x1_0000_0000;

const NBD_MAGIC = 0x4e42444d_41474943n;
const OPTION_MAGIC = 0x49484156_454f5054n;
const OPTION_REPLY_MAGIC = 0x0003e889_045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const CHUNK_MAGIC = 0x668e33ef;

const GREETING_BYTES = 18;
export const CLIENT_FLAGS_BYTES = 4;
export const OPTION_HEADER_BYTES = 16;
const OPTION_REPLY_HEADER_BYTES = 20;
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
export const CHUNK_HEADER_BYTES = 20;
/** Header of a data chunk with the offset of its data. */
export const DATA_CHUNK_BYTES = CHUNK_HEADER_BYTES + 8;
/** An error chunk without text. */
export const ERROR_CHUNK_BYTES = CHUNK_HEADER_BYTES + 6;
/** What EXPORT_NAME pads its reply with, unless told not to. */
export const EXPORT_NAME_ZEROES = 124;
/** Longest payload that clients may expect to be accepted. */
export const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;
/** Longest name of an export. */
export const NAME_BYTES_MAX = 4096;

/** NBD_FLAG_* of the handshake; the client's have the same values. */
export const HANDSHAKE_FLAG = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

/** NBD_OPT_* */
export const OPTION = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
} as const;

/** NBD_REP_* */
export const OPTION_REPLY = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  ERR_UNSUP: 0x80000001,
  ERR_INVALID: 0x80000003,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

/** NBD_INFO_* */
const INFO = { EXPORT: 0, NAME: 1, BLOCK_SIZE: 3 } as const;

/** NBD_FLAG_* of the export. */
export const EXPORT_FLAG = {
  HAS_FLAGS: 1 << 0,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  CAN_MULTI_CONN: 1 << 8,
} as const;

/** NBD_CMD_* */
export const COMMAND = {
  READ: 0,
  WRITE: 1,
  DISCONNECT: 2,
  FLUSH: 3,
  TRIM: 4,
  WRITE_ZEROES: 6,
} as const;

/** NBD_CMD_FLAG_* */
export const COMMAND_FLAG = { FUA: 1, NO_HOLE: 2, FAST_ZERO: 16 } as const;

/** NBD_REPLY_TYPE_* and the flag of the last chunk. */
export const CHUNK = { NONE: 0, OFFSET_DATA: 1, ERROR: 0x8001 } as const;
export const CHUNK_DONE = 1;

/** Errors that the protocol knows; every other is told as EIO. */
const ERRORS: ReadonlySet<number> = new Set([
  ERRNO.EPERM,
  ERRNO.EIO,
  ERRNO.ENOMEM,
  ERRNO.EINVAL,
  ERRNO.ENOSPC,
  ERRNO.EOVERFLOW,
  ERRNO.EOPNOTSUPP,
  ERRNO.ESHUTDOWN,
]);

/** The number that tells `errno` to a client. */
export function errorOf(errno: number): number {
  return errno === 0 || ERRORS.has(errno) ? errno : ERRNO.EIO;
}

/** A request, decoded in place. */
export class RequestHeader {
  flags = 0;
  type = 0;
  cookieHigh = 0;
  cookieLow = 0;
  /** May have lost digits when beyond 2^53, where no device ends. */
  offsetBytes = 0;
  lengthBytes = 0;

  /** @returns whether REQUEST_BYTES at `start` begin a request */
  decode(view: DataView, start: number): boolean {
    if (view.getUint32(start) !== REQUEST_MAGIC) return false;
    this.flags = view.getUint16(start + 4);
    this.type = view.getUint16(start + 6);
    this.cookieHigh = view.getUint32(start + 8);
    this.cookieLow = view.getUint32(start + 12);
    this.offsetBytes = view.getUint32(start + 16) * HALF +
      view.getUint32(start + 20);
    this.lengthBytes = view.getUint32(start + 24);
    return true;
  }
}

/** Writes REQUEST_BYTES at `start`. */
export function encodeRequest(
  view: DataView,
  start: number,
  header: Readonly<Omit<RequestHeader, "decode">>,
): void {
  const offsetHigh = Math.floor(header.offsetBytes / HALF);
  view.setUint32(start, REQUEST_MAGIC);
  view.setUint16(start + 4, header.flags);
  view.setUint16(start + 6, header.type);
  view.setUint32(start + 8, header.cookieHigh);
  view.setUint32(start + 12, header.cookieLow);
  view.setUint32(start + 16, offsetHigh);
  view.setUint32(start + 20, header.offsetBytes - offsetHigh * HALF);
  view.setUint32(start + 24, header.lengthBytes);
}

/** Writes SIMPLE_REPLY_BYTES at `start`. */
export function encodeSimpleReply(
  view: DataView,
  start: number,
  error: number,
  cookieHigh: number,
  cookieLow: number,
): void {
  view.setUint32(start, SIMPLE_REPLY_MAGIC);
  view.setUint32(start + 4, error);
  view.setUint32(start + 8, cookieHigh);
  view.setUint32(start + 12, cookieLow);
}

/** Writes CHUNK_HEADER_BYTES at `start`. */
export function encodeChunk(
  view: DataView,
  start: number,
  flags: number,
  type: number,
  cookieHigh: number,
  cookieLow: number,
  payloadBytes: number,
): void {
  view.setUint32(start, CHUNK_MAGIC);
  view.setUint16(start + 4, flags);
  view.setUint16(start + 6, type);
  view.setUint32(start + 8, cookieHigh);
  view.setUint32(start + 12, cookieLow);
  view.setUint32(start + 16, payloadBytes);
}

/** Writes the payload of an error chunk: number and empty text. */
export function encodeErrorPayload(
  view: DataView,
  start: number,
  error: number,
): void {
  view.setUint32(start, error);
  view.setUint16(start + 4, 0);
}

/** Writes the offset that begins the payload of a data chunk. */
export function encodeDataOffset(
  view: DataView,
  start: number,
  offsetBytes: number,
): void {
  const high = Math.floor(offsetBytes / HALF);
  view.setUint32(start, high);
  view.setUint32(start + 4, offsetBytes - high * HALF);
}

/** A reply's first bytes, as a client sees them. */
export interface ReplyHeader {
  readonly kind: "simple" | "chunk";
  /** Of a simple reply. */
  readonly error: number;
  /** Of a chunk. */
  readonly flags: number;
  readonly type: number;
  readonly payloadBytes: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/**
 * Decodes a reply from SIMPLE_REPLY_BYTES, or CHUNK_HEADER_BYTES for a chunk.
 *
 * @returns how many bytes are needed, or undefined if there is no reply
 */
export function decodeReply(
  view: DataView,
): ReplyHeader | number | undefined {
  const length = view.byteLength;
  if (length < SIMPLE_REPLY_BYTES) return SIMPLE_REPLY_BYTES;
  const cookieHigh = view.getUint32(8);
  const cookieLow = view.getUint32(12);
  switch (view.getUint32(0)) {
    case SIMPLE_REPLY_MAGIC:
      return {
        kind: "simple",
        error: view.getUint32(4),
        flags: 0,
        type: 0,
        payloadBytes: 0,
        cookieHigh,
        cookieLow,
      };
    case CHUNK_MAGIC:
      if (length < CHUNK_HEADER_BYTES) return CHUNK_HEADER_BYTES;
      return {
        kind: "chunk",
        error: 0,
        flags: view.getUint16(4),
        type: view.getUint16(6),
        payloadBytes: view.getUint32(16),
        cookieHigh,
        cookieLow,
      };
    default:
      return undefined;
  }
}

/** What a server says first. */
export function encodeGreeting(): Uint8Array {
  const bytes = new Uint8Array(GREETING_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, NBD_MAGIC);
  view.setBigUint64(8, OPTION_MAGIC);
  view.setUint16(16, HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES);
  return bytes;
}

/** Whether `bytes` begin as a server of fixed newstyle does. */
export function isGreeting(view: DataView): boolean {
  return view.getBigUint64(0) === NBD_MAGIC &&
    view.getBigUint64(8) === OPTION_MAGIC &&
    (view.getUint16(16) & HANDSHAKE_FLAG.FIXED_NEWSTYLE) !== 0;
}

/** The header of an option; undefined if there is none at `start`. */
export function decodeOption(
  view: DataView,
  start: number,
): { option: number; lengthBytes: number } | undefined {
  if (view.getBigUint64(start) !== OPTION_MAGIC) return undefined;
  return {
    option: view.getUint32(start + 8),
    lengthBytes: view.getUint32(start + 12),
  };
}

export function encodeOption(option: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(OPTION_HEADER_BYTES + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, OPTION_MAGIC);
  view.setUint32(8, option);
  view.setUint32(12, data.length);
  bytes.set(data, OPTION_HEADER_BYTES);
  return bytes;
}

export function encodeOptionReply(
  option: number,
  type: number,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(OPTION_REPLY_HEADER_BYTES + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, OPTION_REPLY_MAGIC);
  view.setUint32(8, option);
  view.setUint32(12, type);
  view.setUint32(16, data.length);
  bytes.set(data, OPTION_REPLY_HEADER_BYTES);
  return bytes;
}

/** The header of a reply to an option; undefined if there is none. */
export function decodeOptionReply(
  view: DataView,
): { option: number; type: number; lengthBytes: number } | undefined {
  if (view.getBigUint64(0) !== OPTION_REPLY_MAGIC) return undefined;
  return {
    option: view.getUint32(8),
    type: view.getUint32(12),
    lengthBytes: view.getUint32(16),
  };
}

/** What INFO and GO ask for; undefined if malformed. */
export function decodeInfoRequest(
  data: Uint8Array,
): { name: string; wanted: readonly number[] } | undefined {
  if (data.length < 6) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const nameBytes = view.getUint32(0);
  if (nameBytes > NAME_BYTES_MAX) return undefined;
  if (data.length < 6 + nameBytes) return undefined;
  const count = view.getUint16(4 + nameBytes);
  if (data.length !== 6 + nameBytes + 2 * count) return undefined;
  const wanted: number[] = [];
  for (let index = 0; index < count; index++) {
    wanted.push(view.getUint16(6 + nameBytes + 2 * index));
  }
  return { name: textOf(data.subarray(4, 4 + nameBytes)), wanted };
}

export function encodeInfoRequest(
  name: string,
  wanted: readonly number[],
): Uint8Array {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array(6 + text.length + 2 * wanted.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, text.length);
  bytes.set(text, 4);
  view.setUint16(4 + text.length, wanted.length);
  wanted.forEach((info, index) =>
    view.setUint16(6 + text.length + 2 * index, info)
  );
  return bytes;
}

/** NBD_INFO_EXPORT; without its type also the reply to EXPORT_NAME. */
export function encodeExportInfo(
  sizeBytes: number,
  flags: number,
): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, INFO.EXPORT);
  view.setBigUint64(2, BigInt(sizeBytes));
  view.setUint16(10, flags);
  return bytes;
}

/** NBD_INFO_BLOCK_SIZE. */
export function encodeBlockSizeInfo(
  minimum: number,
  preferred: number,
  maximum: number,
): Uint8Array {
  const bytes = new Uint8Array(14);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, INFO.BLOCK_SIZE);
  view.setUint32(2, minimum);
  view.setUint32(6, preferred);
  view.setUint32(10, maximum);
  return bytes;
}

/** NBD_INFO_NAME. */
export function encodeNameInfo(name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array(2 + text.length);
  new DataView(bytes.buffer).setUint16(0, INFO.NAME);
  bytes.set(text, 2);
  return bytes;
}

/** NBD_REP_SERVER: one line of the list of exports. */
export function encodeListEntry(name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array(4 + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length);
  bytes.set(text, 4);
  return bytes;
}

/** Bytes of a client as text; wrong ones become U+FFFD and match no name. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
