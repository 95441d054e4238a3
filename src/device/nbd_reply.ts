// Pure
/** What a finished request is told: the bytes for each kind of reply. */
import { unreachable } from "../base/assert.ts";
import {
  CHUNK,
  CHUNK_DONE,
  CHUNK_HEADER_BYTES,
  DATA_CHUNK_BYTES,
  encodeChunk,
  encodeDataOffset,
  encodeErrorPayload,
  encodeSimpleReply,
  ERROR_CHUNK_BYTES,
  errorOf,
  SIMPLE_REPLY_BYTES,
} from "./nbd_protocol.ts";
import type { Slot } from "./nbd_window.ts";

/** Completes the reply of `slot` in its reserved room; an error shortens it. */
export function encodeReply(view: DataView, slot: Slot): void {
  switch (slot.reply) {
    case "simple":
      return encodeSimple(view, slot);
    case "data":
      // The data lies behind the header already, but an error has none.
      if (slot.errno !== 0) slot.replyBytes = SIMPLE_REPLY_BYTES;
      return encodeSimple(view, slot);
    case "chunk":
    case "part":
      return slot.errno === 0
        ? encodeData(view, slot)
        : encodeError(view, slot);
    case "end":
      return chunk(view, slot, CHUNK.NONE, CHUNK_DONE, CHUNK_HEADER_BYTES);
    case "none":
    case "rest":
    case "raw":
      return;
    default:
      return unreachable(slot.reply);
  }
}

function encodeSimple(view: DataView, slot: Slot): void {
  const { replyStart, cookieHigh, cookieLow } = slot;
  const error = errorOf(slot.errno);
  encodeSimpleReply(view, replyStart, error, cookieHigh, cookieLow);
}

function encodeData(view: DataView, slot: Slot): void {
  const lengthBytes = DATA_CHUNK_BYTES + slot.lengthBytes;
  chunk(view, slot, CHUNK.OFFSET_DATA, doneFlag(slot), lengthBytes);
  const payloadStart = slot.replyStart + CHUNK_HEADER_BYTES;
  encodeDataOffset(view, payloadStart, slot.offsetBytes);
}

function encodeError(view: DataView, slot: Slot): void {
  chunk(view, slot, CHUNK.ERROR, doneFlag(slot), ERROR_CHUNK_BYTES);
  const payloadStart = slot.replyStart + CHUNK_HEADER_BYTES;
  encodeErrorPayload(view, payloadStart, errorOf(slot.errno));
}

function doneFlag(slot: Slot): number {
  return slot.reply === "chunk" ? CHUNK_DONE : 0;
}

function chunk(
  view: DataView,
  slot: Slot,
  type: number,
  flags: number,
  lengthBytes: number,
): void {
  slot.replyBytes = lengthBytes;
  encodeChunk(
    view,
    slot.replyStart,
    flags,
    type,
    slot.cookieHigh,
    slot.cookieLow,
    lengthBytes - CHUNK_HEADER_BYTES,
  );
}
