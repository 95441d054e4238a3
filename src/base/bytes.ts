// Pure
/**
 * Little-endian integers as numbers, alignment, hexadecimal.
 *
 * A 64-bit integer is written as two halves: that is about eight times as fast
 * as through `bigint`. Offsets, lengths and positions stay below 2^53.
 */
import { assert } from "./assert.ts";

const HALF = 0x1_0000_0000;

/** Writes a non-negative integer below 2^53 as 64 bits. */
export function writeUint64(
  view: DataView,
  offset: number,
  value: number,
): void {
  assert(Number.isSafeInteger(value), "64-bit value is a safe integer");
  assert(value >= 0, "64-bit value is not negative");
  const high = Math.floor(value / HALF);
  view.setUint32(offset, value - high * HALF, true);
  view.setUint32(offset + 4, high, true);
}

/** The smallest multiple of `alignment` that is not below `value`. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** The largest multiple of `alignment` that is not above `value`. */
export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

/** Lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Whether both hold the same bytes. Not constant-time. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

/** A `DataView` of exactly the bytes of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
