/**
 * Bodies of answers: checked on receipt, and compressed where that helps.
 *
 *   request   accept   optional: what the caller can unpack, "zstd,zlib"
 *   reply     crc32c   optional: CRC32C of the body before it was packed
 *             packed   optional: how the body is packed
 *
 * An older build neither asks for any of it nor gives it, and nothing is missed:
 * so each line uses what both of its ends know. TLS guards what is between the
 * hosts; the checksum guards what is between the file there and the file here,
 * as far as it can be guarded.
 *
 * Compression costs the time of both hosts; it is off unless the cluster allows
 * it, and a body that does not get smaller goes as it is. That is found by a
 * sample, so what does not shrink costs nearly nothing.
 */
import { FormatError, MarsError, messageOf } from "../base/errors.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { JsonObject, RpcReply } from "../peer/rpc.ts";
import { countParam } from "./params.ts";

/** Compressions of bodies, the preferred one first. */
export type Packing = "zstd" | "zlib";

/** `node:zlib`; none of the async variants, which are slower and block as well. */
type NodeZlib = typeof import("node:zlib");

interface Packer {
  readonly name: Packing;
  readonly pack: (zlib: NodeZlib, bytes: Uint8Array) => Uint8Array;
  readonly unpack: (
    zlib: NodeZlib,
    bytes: Uint8Array,
    lengthMax: number,
  ) => Uint8Array;
}

const PACKERS: readonly Packer[] = [
  {
    name: "zstd",
    pack: (zlib, bytes) =>
      zlib.zstdCompressSync(bytes, {
        params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 },
      }),
    unpack: (zlib, bytes, maxOutputLength) =>
      zlib.zstdDecompressSync(bytes, { maxOutputLength }),
  },
  {
    name: "zlib",
    pack: (zlib, bytes) => zlib.deflateRawSync(bytes, { level: 1 }),
    unpack: (zlib, bytes, maxOutputLength) =>
      zlib.inflateRawSync(bytes, { maxOutputLength }),
  },
];

/** Names of what this build can pack and unpack, the preferred one first. */
export const PACKINGS: readonly Packing[] = PACKERS.map(({ name }) => name);

/** Of a request: what its caller can unpack. */
export const ACCEPT: JsonObject = { accept: PACKINGS.join(",") };

// Ours. Below, heads of frames weigh more.
const PACKED_BYTES_MIN = 1024;
const SAMPLE_BYTES = 64 * 1024;
// Ours. A tenth less on the line is not worth the time.
const SHARE_MAX = 0.9;

export interface BodyOptions {
  /** Undefined: without a checksum. */
  readonly crc?: Crc32c | undefined;
  /** What the cluster allows; none by default. */
  readonly packings?: readonly Packing[];
}

let zlib: Promise<NodeZlib> | undefined;

function loadZlib(): Promise<NodeZlib> {
  return zlib ??= import("node:zlib");
}

/** The answer to a request, with a checksum, and smaller where that helps. */
export async function packReply(
  reply: RpcReply,
  request: JsonObject,
  { crc, packings = [] }: BodyOptions,
): Promise<RpcReply> {
  const { body } = reply;
  const params = crc === undefined ? reply.params : {
    ...reply.params,
    crc32c: crc.crc32c(body, 0, body.length),
  };
  const accepted = String(request["accept"] ?? "").split(",");
  const packer = PACKERS.find(({ name }) =>
    packings.includes(name) && accepted.includes(name)
  );
  if (packer === undefined || body.length < PACKED_BYTES_MIN) {
    return { params, body };
  }
  const packed = pack(await loadZlib(), packer, body);
  return packed === undefined
    ? { params, body }
    : { params: { ...params, packed: packer.name }, body: packed };
}

/** Undefined if it does not get smaller. */
function pack(
  zlib: NodeZlib,
  packer: Packer,
  body: Uint8Array,
): Uint8Array | undefined {
  const sample = body.subarray(0, SAMPLE_BYTES);
  const first = packer.pack(zlib, sample);
  if (first.length > SHARE_MAX * sample.length) return undefined;
  const packed = plain(
    sample.length === body.length ? first : packer.pack(zlib, body),
  );
  return packed.length > SHARE_MAX * body.length ? undefined : packed;
}

/** Not a `Buffer`, whose `slice` would not copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether the bytes on the line are those of the content. */
export function isPlain(params: JsonObject): boolean {
  return params["packed"] === undefined;
}

/**
 * The body of an answer as it was before it was packed, and as it was read.
 *
 * @throws FormatError if it cannot be unpacked to at most `lengthMax` bytes;
 * MarsError if it is not what the peer has read
 */
export async function unpackReply(
  reply: RpcReply,
  { crc, lengthMax }: {
    readonly crc: Crc32c | undefined;
    readonly lengthMax: number;
  },
): Promise<Uint8Array> {
  const body = isPlain(reply.params)
    ? reply.body
    : await unpack(reply, lengthMax);
  if (crc === undefined || reply.params["crc32c"] === undefined) return body;
  const wanted = countParam(reply.params, "crc32c");
  if (crc.crc32c(body, 0, body.length) === wanted) return body;
  throw new MarsError(
    `Bytes were damaged on their way: ${body.length} bytes do not match their checksum`,
  );
}

async function unpack(
  { params, body }: RpcReply,
  lengthMax: number,
): Promise<Uint8Array> {
  const packer = PACKERS.find(({ name }) => name === params["packed"]);
  if (packer === undefined) {
    throw new FormatError(`Cannot unpack "${params["packed"]}"`);
  }
  const zlib = await loadZlib();
  try {
    return plain(packer.unpack(zlib, body, Math.max(1, lengthMax)));
  } catch (error) {
    throw new FormatError(`Cannot unpack a body: ${messageOf(error)}`);
  }
}
