/** Bytes of transaction logs with intact records. */
import { portableCrc32c } from "../../src/log/checksum.ts";
import { encodeRecord } from "../../src/log/record.ts";

/** A log of so many records, and where each of them begins. */
export function logOf(
  recordCount: number,
  payloadBytes = 512,
): { bytes: Uint8Array<ArrayBuffer>; starts: number[] } {
  const starts: number[] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; index < recordCount; index++) {
    const payload = Uint8Array.from(
      { length: payloadBytes },
      (_, byte) => (byte * 7 + index * 31) & 0xff,
    );
    const record = encodeRecord({
      sequence: index + 1,
      seconds: 1_700_000_000 + index,
      nanoseconds: 1_000 + index,
      code: 1,
      offsetBytes: payloadBytes * index,
      payload,
    }, { digest: "crc32c", compression: "none", crc: portableCrc32c });
    starts.push(at);
    parts.push(record);
    at += record.length;
  }
  const bytes = new Uint8Array(at);
  for (const [index, part] of parts.entries()) {
    bytes.set(part, starts[index] ?? 0);
  }
  return { bytes, starts };
}

/** The same with one bit flipped. */
export function flipped(
  bytes: Uint8Array,
  at: number,
): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x20;
  return copy;
}
