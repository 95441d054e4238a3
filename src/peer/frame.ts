// Pure
/**
 * Frames: how messages are cut out of a stream of bytes.
 *
 * All integers are little-endian.
 *
 *   offset  size  field
 *        0     1  kind, see FRAME_KIND
 *        1     3  zero
 *        4     4  id of a call, chosen by the dialer; 0 where there is none
 *        8     4  bytes of JSON, J
 *       12     4  bytes of body, B
 *       16     J  one JSON object in UTF-8; nothing stands for {}
 *   16 + J     B  body, whatever the method says
 *
 * A header is checked as soon as it is complete, before anything behind it is
 * stored. So a stream can make its reader hold at most one frame within the
 * limits: what has not arrived is not believed beyond them.
 */
import { assert } from "../base/assert.ts";
import { FormatError } from "../base/errors.ts";
import { viewOf } from "../base/bytes.ts";

export const FRAME_HEADER_BYTES = 16;

/** Who sends what; every other kind is an error. */
export const FRAME_KIND = {
  /** Both, once, before everything else: "I hold the key of my certificate". */
  proof: 1,
  /** Dialer: { method, params } and a body. */
  call: 2,
  /** Acceptor: params and a body. */
  reply: 3,
  /** Acceptor: { message }. */
  refusal: 4,
  /** Dialer: the call is no longer wanted. It is answered nevertheless. */
  cancel: 5,
  /** Both, after a while of silence; answered by `pong`. */
  ping: 6,
  pong: 7,
  /** Joiner: the request; inviter: its answer. Only before joining. */
  join: 8,
} as const;

export type FrameKind = typeof FRAME_KIND[keyof typeof FRAME_KIND];

/** What a frame may hold at most; a larger one ends the line. */
export interface FrameLimits {
  /** JSON alone. */
  readonly jsonBytes: number;
  /** JSON and body together. */
  readonly payloadBytes: number;
}

/** Limits of a line between hosts that trust each other. */
export const LINE_LIMITS: FrameLimits = {
  jsonBytes: 2 * 1024 * 1024,
  payloadBytes: 4 * 1024 * 1024,
};

/** Limits towards anybody else: proofs, and one request to join. */
export const STRANGER_LIMITS: FrameLimits = {
  jsonBytes: 16 * 1024,
  payloadBytes: 16 * 1024,
};

/** `json` and `body` are views; they stay valid and belong to the receiver. */
export interface Frame {
  readonly kind: FrameKind;
  readonly id: number;
  readonly json: Uint8Array;
  readonly body: Uint8Array;
}

const KINDS: ReadonlySet<number> = new Set(Object.values(FRAME_KIND));
const encoder = new TextEncoder();

/**
 * Header and JSON of a frame; the body goes behind it without being copied.
 *
 * @throws FormatError if the frame is beyond `limits`
 */
export function encodeFrameHead(
  frame: { kind: FrameKind; id: number; json: string; bodyBytes: number },
  limits: FrameLimits,
): Uint8Array {
  assert(Number.isInteger(frame.id), "frame id is an integer");
  assert(frame.id >= 0 && frame.id <= 0xffff_ffff, "frame id has 32 bits");
  const json = encoder.encode(frame.json);
  checkSizes(json.length, frame.bodyBytes, limits);
  const head = new Uint8Array(FRAME_HEADER_BYTES + json.length);
  const view = viewOf(head);
  view.setUint8(0, frame.kind);
  view.setUint32(4, frame.id, true);
  view.setUint32(8, json.length, true);
  view.setUint32(12, frame.bodyBytes, true);
  head.set(json, FRAME_HEADER_BYTES);
  return head;
}

/** What a header says. */
export interface FrameHeader {
  readonly kind: FrameKind;
  readonly id: number;
  readonly jsonBytes: number;
  readonly bodyBytes: number;
}

/**
 * Memory for the body of one frame, lent by who expects it. Whoever lent it
 * takes it back by emptying the field; what is still to come is then skipped.
 */
export interface Room {
  bytes: Uint8Array | undefined;
  /** Of a frame that is not complete: its JSON, and bytes of body so far. */
  json?: Uint8Array;
  filledBytes?: number;
}

/** Room of at least `bodyBytes`; undefined: the decoder finds its own. */
export type RoomFor = (header: FrameHeader) => Room | undefined;

/** Cuts frames out of chunks of any size. */
export class FrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  readonly #roomFor: RoomFor;
  #limits: FrameLimits;
  #headerBytes = 0;
  /** The frame being received; undefined between frames and in a header. */
  #open: OpenFrame | undefined;

  constructor(limits: FrameLimits, roomFor: RoomFor = () => undefined) {
    this.#limits = limits;
    this.#roomFor = roomFor;
  }

  /** Holds from the next header on. */
  set limits(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes held for a frame that is not complete. */
  get heldBytes(): number {
    const open = this.#open;
    if (open === undefined) return this.#headerBytes;
    return open.json.length + (open.room.bytes?.length ?? 0);
  }

  /**
   * Takes the next bytes of the stream and delivers each frame they complete,
   * in order. A frame that lies within `chunk` is delivered as views of it,
   * unless there is room elsewhere.
   *
   * @throws FormatError when the stream is not one of frames; it is then lost
   */
  push(chunk: Uint8Array, deliver: (frame: Frame) => void): void {
    let start = 0;
    while (start < chunk.length) {
      start = this.#open === undefined
        ? this.#takeHeader(chunk, start, deliver)
        : this.#takePayload(this.#open, chunk, start, deliver);
    }
  }

  #takeHeader(
    chunk: Uint8Array,
    start: number,
    deliver: (frame: Frame) => void,
  ): number {
    const wanted = FRAME_HEADER_BYTES - this.#headerBytes;
    const taken = chunk.subarray(start, start + wanted);
    this.#header.set(taken, this.#headerBytes);
    this.#headerBytes += taken.length;
    const next = start + taken.length;
    if (this.#headerBytes < FRAME_HEADER_BYTES) return next;

    this.#headerBytes = 0;
    const header = decodeHeader(this.#header, this.#limits);
    const room = this.#roomFor(header);
    assert(
      (room?.bytes?.length ?? header.bodyBytes) >= header.bodyBytes,
      "room is large enough",
    );
    const end = next + header.jsonBytes + header.bodyBytes;
    const isHere = end <= chunk.length && room === undefined;
    if (isHere || end === next) {
      const jsonEnd = next + header.jsonBytes;
      const json = chunk.subarray(next, jsonEnd);
      deliver(frameOf(header, json, chunk.subarray(jsonEnd, end)));
      return end;
    }
    this.#open = {
      header,
      json: new Uint8Array(header.jsonBytes),
      room: room ?? { bytes: new Uint8Array(header.bodyBytes) },
      filled: 0,
    };
    return next;
  }

  #takePayload(
    open: OpenFrame,
    chunk: Uint8Array,
    start: number,
    deliver: (frame: Frame) => void,
  ): number {
    const { jsonBytes, bodyBytes } = open.header;
    const isJson = open.filled < jsonBytes;
    const wanted = (isJson ? jsonBytes : jsonBytes + bodyBytes) - open.filled;
    const taken = chunk.subarray(start, start + wanted);
    if (isJson) open.json.set(taken, open.filled);
    else open.room.bytes?.set(taken, open.filled - jsonBytes);
    open.filled += taken.length;
    if (open.filled >= jsonBytes) {
      open.room.json = open.json;
      open.room.filledBytes = open.filled - jsonBytes;
    }
    if (open.filled === jsonBytes + bodyBytes) {
      this.#open = undefined;
      const body = open.room.bytes?.subarray(0, bodyBytes);
      deliver(frameOf(open.header, open.json, body ?? NOTHING));
    }
    return start + taken.length;
  }
}

interface OpenFrame {
  readonly header: FrameHeader;
  readonly json: Uint8Array;
  readonly room: Room;
  /** Bytes of JSON and body so far. */
  filled: number;
}

const NOTHING = new Uint8Array(0);

function decodeHeader(bytes: Uint8Array, limits: FrameLimits): FrameHeader {
  const view = viewOf(bytes);
  const kind = view.getUint8(0);
  if (!KINDS.has(kind)) {
    throw new FormatError(`Cannot read a frame: unknown kind "${kind}"`);
  }
  if (view.getUint8(1) !== 0 || view.getUint16(2, true) !== 0) {
    throw new FormatError("Cannot read a frame: its padding is not zero");
  }
  const jsonBytes = view.getUint32(8, true);
  const bodyBytes = view.getUint32(12, true);
  checkSizes(jsonBytes, bodyBytes, limits);
  // Checked against the set of kinds above.
  return {
    kind: kind as FrameKind,
    id: view.getUint32(4, true),
    jsonBytes,
    bodyBytes,
  };
}

function checkSizes(
  jsonBytes: number,
  bodyBytes: number,
  limits: FrameLimits,
): void {
  if (jsonBytes > limits.jsonBytes) {
    throw new FormatError(
      `Cannot frame a message: ${jsonBytes} bytes of JSON, at most ` +
        `${limits.jsonBytes}`,
    );
  }
  if (jsonBytes + bodyBytes > limits.payloadBytes) {
    throw new FormatError(
      `Cannot frame a message: ${jsonBytes + bodyBytes} bytes, at most ` +
        `${limits.payloadBytes}`,
    );
  }
}

function frameOf(
  header: FrameHeader,
  json: Uint8Array,
  body: Uint8Array,
): Frame {
  return { kind: header.kind, id: header.id, json, body };
}
