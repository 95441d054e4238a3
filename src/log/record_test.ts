import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "../base/assert.ts";
import { toHex, viewOf } from "../base/bytes.ts";
import { DIGEST_FLAG, portableCrc32c } from "./checksum.ts";
import {
  encodeRecord,
  encodeRecordInto,
  HEADER,
  HEADER_BYTES,
  type LogRecord,
  PAYLOAD_BYTES_MAX,
  RECORD_BYTES_MAX,
  RECORD_OVERHEAD_BYTES,
} from "./record.ts";
import { LogScanner } from "./scanner.ts";

const crc = portableCrc32c;
const DIGESTS = ["crc32c", "crc32", "md5", "sha1", "md5Old"] as const;
const RAW = { digest: "crc32c", compression: "none", crc } as const;

const anyRecord: fc.Arbitrary<LogRecord> = fc.record({
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  seconds: fc.integer({ min: 0, max: 2 ** 40 }),
  nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  code: fc.integer({ min: -32_768, max: 32_767 }),
  offsetBytes: fc.maxSafeNat(),
  // MD5 takes even lengths only.
  payload: fc.uint8Array({ minLength: 1, maxLength: PAYLOAD_BYTES_MAX / 2 })
    .map((half) => Uint8Array.from([...half, ...half.toReversed()])),
});

/** A scanner that has all of `bytes` as its only window. */
function scannerOf(bytes: Uint8Array): LogScanner {
  const scanner = new LogScanner({
    crc,
    startBytes: 0,
    deviceSizeBytes: undefined,
  });
  const lengthBytes = bytes.length;
  scanner.setWindow({
    bytes,
    startBytes: 0,
    lengthBytes,
    endBytes: lengthBytes,
  });
  return scanner;
}

/** The only record of `bytes`, as it was given to the encoder. */
function decodeOnly(bytes: Uint8Array): LogRecord {
  const scanner = scannerOf(bytes);
  assertEquals(scanner.next(), "record");
  assertEquals(scanner.positionBytes, bytes.length);
  assertEquals(scanner.softError, 0);
  const { sequence, seconds, nanoseconds, code, offsetBytes } = scanner;
  const { payload, payloadStart, payloadLength } = scanner;
  return {
    sequence,
    seconds,
    nanoseconds,
    code,
    offsetBytes,
    payload: payload.slice(payloadStart, payloadStart + payloadLength),
  };
}

for (const digest of DIGESTS) {
  for (const compression of ["none", "zlib"] as const) {
    Deno.test(`encodeRecord() with ${digest} and ${compression} can be scanned`, () => {
      fc.assert(
        fc.property(anyRecord, (record) => {
          const bytes = encodeRecord(record, { digest, compression, crc });
          assertEquals(decodeOnly(bytes), record);
        }),
        { numRuns: 40 },
      );
    });
  }
}

Deno.test("encodeRecord() writes the bytes of the specification", () => {
  const bytes = encodeRecord({
    sequence: 1,
    seconds: 1_700_000_000,
    nanoseconds: 123_456_789,
    code: 1,
    offsetBytes: 0,
    payload: new TextEncoder().encode("mars interoperability!!\n"),
  }, RAW);
  // The header checksum is ours; the specification has zero there.
  viewOf(bytes).setUint32(HEADER.checksum, 0);
  assertEquals(
    toHex(bytes),
    "577917d908e9f7a801016c0000f15365" +
      "0000000015cd5b070000000000000000" +
      "00000000180000000000000001000000" +
      "6d61727320696e7465726f7065726162" +
      "696c69747921210a6d72b54ab71f9474" +
      "00000000010004000100000046537d30" +
      "2366b391d66ced299b155f4c",
  );
});

for (
  const [file, digest] of [
    ["v02-crc32c-512", "crc32c"],
    ["v03-md5old-512", "md5Old"],
    ["v04-md5-512", "md5"],
    ["v05-crc32-512", "crc32"],
    ["v12-crc32c-zero-payload-512", "crc32c"],
  ] as const
) {
  Deno.test(`encodeRecord() repeats ${file} but for the header checksum`, () => {
    const wanted = Deno.readFileSync(
      new URL(`../../tests/vectors/${file}.bin`, import.meta.url),
    );
    const bytes = encodeRecord(
      decodeOnly(wanted),
      { digest, compression: "none", crc },
    );
    viewOf(bytes).setUint32(HEADER.checksum, 0);
    assertEquals(bytes, wanted);
  });
}

Deno.test("encodeRecordInto() writes what encodeRecord() writes", () => {
  fc.assert(fc.property(anyRecord, fc.nat(100), (record, at) => {
    const wanted = encodeRecord(record, RAW);
    const target = new Uint8Array(at + wanted.length + 10).fill(0xee);
    target.set(record.payload, at + HEADER_BYTES);
    const total = encodeRecordInto(
      target,
      viewOf(target),
      at,
      record,
      record.payload.length,
      crc,
    );
    assertEquals(total, wanted.length);
    assertEquals(target.slice(at, at + total), wanted);
    assert(target.subarray(0, at).every((byte) => byte === 0xee));
    assert(target.subarray(at + total).every((byte) => byte === 0xee));
  }));
});

Deno.test("encodeRecord() puts CRC32C of the header into its spare word", () => {
  fc.assert(fc.property(anyRecord, (record) => {
    const header = encodeRecord(record, RAW).slice(0, HEADER_BYTES);
    const stored = viewOf(header).getUint32(HEADER.checksum, true);
    viewOf(header).setUint32(HEADER.checksum, 0);
    assertEquals(stored, crc.crc32c(header, 0, HEADER_BYTES));
  }));
});

Deno.test("encodeRecord() stores raw what zlib does not make smaller", () => {
  const payload = crypto.getRandomValues(new Uint8Array(512));
  const record = {
    sequence: 1,
    seconds: 1,
    nanoseconds: 0,
    code: 1,
    offsetBytes: 0,
    payload,
  };
  const bytes = encodeRecord(record, { ...RAW, compression: "zlib" });
  assertEquals(bytes, encodeRecord(record, RAW));
  const scanner = scannerOf(bytes);
  assertEquals(scanner.next(), "record");
  assertEquals(scanner.flags, DIGEST_FLAG.crc32c);
});

Deno.test("encodeRecord() pads compressed payloads to 8 bytes, with zeroes", () => {
  const record = {
    sequence: 1,
    seconds: 1,
    nanoseconds: 0,
    code: 1,
    offsetBytes: 0,
    payload: new Uint8Array(4096).fill(1),
  };
  const bytes = encodeRecord(record, { ...RAW, compression: "zlib" });
  const scanner = scannerOf(bytes);
  assertEquals(scanner.next(), "record");
  const areaBytes = bytes.length - RECORD_OVERHEAD_BYTES;
  assertEquals(areaBytes % 8, 0);
  assert(areaBytes - scanner.storedLength < 8);
  const paddingAt = HEADER_BYTES + scanner.storedLength;
  const padding = bytes.subarray(paddingAt, HEADER_BYTES + areaBytes);
  assert(padding.every((byte) => byte === 0));
});

Deno.test("encodeRecordInto() refuses what does not fit", () => {
  const fields = {
    sequence: 1,
    seconds: 1,
    nanoseconds: 0,
    code: 1,
    offsetBytes: 0,
  };
  const encode = (room: number, payloadLength: number) => (): number => {
    const target = new Uint8Array(room);
    const view = viewOf(target);
    return encodeRecordInto(target, view, 0, fields, payloadLength, crc);
  };
  const longest = RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES;
  assertEquals(encode(RECORD_BYTES_MAX, longest)(), RECORD_BYTES_MAX);
  assertThrows(encode(RECORD_BYTES_MAX + 1, longest + 1), AssertionError);
  assertThrows(encode(RECORD_BYTES_MAX - 1, longest), AssertionError);
  assertThrows(encode(RECORD_BYTES_MAX, 0), AssertionError);
});
