import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "../base/assert.ts";
import { viewOf } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import { portableCrc32c } from "./checksum.ts";
import {
  encodeRecord,
  HEADER,
  HEADER_BYTES,
  RECORD_BYTES_MAX,
  RECORD_OVERHEAD_BYTES,
  TRAILER_BYTES,
} from "./record.ts";
import { LogScanner } from "./scanner.ts";
import { DETAIL, type Verdict } from "./verdict.ts";

const crc = portableCrc32c;
const PAYLOAD_LENGTH = 512;
const RECORD_LENGTH = PAYLOAD_LENGTH + RECORD_OVERHEAD_BYTES;
const RECORD_COUNT = 4;

/** What of a record reaches the disk. */
interface Delivered {
  readonly positionBytes: number;
  readonly offsetBytes: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly code: number;
  readonly payload: Uint8Array;
}

interface Scan {
  readonly records: readonly Delivered[];
  readonly verdict: Verdict;
}

/** A log of four records; `change` may alter what the second one says. */
function makeLog(
  change: Partial<{ offsetBytes: number; code: number; sequence: number }> = {},
): Uint8Array {
  const bytes = new Uint8Array(RECORD_COUNT * RECORD_LENGTH);
  for (let index = 0; index < RECORD_COUNT; index++) {
    const payload = Uint8Array.from(
      { length: PAYLOAD_LENGTH },
      (_, at) => (at * 7 + index * 31) & 0xff,
    );
    const record = {
      sequence: index + 1,
      seconds: 1_700_000_000 + index,
      nanoseconds: 1000 + index,
      code: 1,
      offsetBytes: 8192 * (index + 1),
      payload,
      ...(index === 1 ? change : {}),
    };
    const encoding = { digest: "crc32c", compression: "none", crc } as const;
    bytes.set(encodeRecord(record, encoding), index * RECORD_LENGTH);
  }
  return bytes;
}

/** Scans in windows of `windowBytes`; fails rather than hang. */
function scan(
  bytes: Uint8Array,
  options: {
    windowBytes?: number;
    deviceSizeBytes?: number;
    startBytes?: number;
  } = {},
): Scan {
  const { windowBytes = bytes.length, startBytes = 0 } = options;
  const scanner = new LogScanner({
    crc,
    startBytes,
    deviceSizeBytes: options.deviceSizeBytes,
  });
  const records: Delivered[] = [];
  for (let turn = 0; turn <= 2 * bytes.length + 2; turn++) {
    const outcome = scanner.next();
    if (outcome === "end") return { records, verdict: scanner.verdict };
    if (outcome === "record") records.push(deliveredBy(scanner));
    else giveWindow(scanner, bytes, windowBytes);
  }
  throw new Error("Scan does not end");
}

function giveWindow(
  scanner: LogScanner,
  file: Uint8Array,
  windowBytes: number,
): void {
  const startBytes = scanner.positionBytes;
  const wanted = Math.max(windowBytes, scanner.neededBytes);
  const bytes = file.slice(startBytes, startBytes + wanted);
  scanner.setWindow({
    bytes,
    startBytes,
    lengthBytes: bytes.length,
    endBytes: file.length,
  });
}

function deliveredBy(scanner: LogScanner): Delivered {
  const { positionBytes, offsetBytes, seconds, nanoseconds, code } = scanner;
  const { payload, payloadStart, payloadLength } = scanner;
  return {
    positionBytes,
    offsetBytes,
    seconds,
    nanoseconds,
    code,
    payload: payload.slice(payloadStart, payloadStart + payloadLength),
  };
}

/** Takes the header checksum away, as MARS writes it, and sets a byte. */
function withoutHeaderChecksum(
  bytes: Uint8Array,
  recordAt: number,
): DataView {
  const view = viewOf(bytes);
  view.setUint32(recordAt + HEADER.checksum, 0);
  return view;
}

const GOOD = makeLog();
const GOOD_RECORDS = scan(GOOD).records;

function assertPrefix(records: readonly Delivered[], why: string): void {
  assertEquals(records, GOOD_RECORDS.slice(0, records.length), why);
}

Deno.test("LogScanner delivers all records of an intact log", () => {
  const { records, verdict } = scan(GOOD);
  assertEquals(records.length, RECORD_COUNT);
  assertEquals(records.map((record) => record.offsetBytes), [
    8192,
    16_384,
    24_576,
    32_768,
  ]);
  assertEquals(verdict, {
    kind: "eof",
    offsetBytes: GOOD.length,
    status: 0,
    detail: 0,
    byteCode: 0,
    restBytes: 0,
  });
});

Deno.test("LogScanner delivers the same from windows of any size", () => {
  for (
    let windowBytes = 1;
    windowBytes <= 2 * RECORD_LENGTH;
    windowBytes += 5
  ) {
    assertEquals(scan(GOOD, { windowBytes }), scan(GOOD));
  }
});

Deno.test("LogScanner reads records up to the limit of their length field", () => {
  const payload = new Uint8Array(RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES);
  payload.fill(3);
  const bytes = encodeRecord(
    {
      sequence: 1,
      seconds: 0,
      nanoseconds: 0,
      code: 1,
      offsetBytes: 0,
      payload,
    },
    { digest: "crc32c", compression: "none", crc },
  );
  const { records } = scan(bytes, { windowBytes: 100 });
  assertEquals(records.map((record) => record.payload), [payload]);
});

Deno.test("LogScanner starts at any record boundary without a sequence", () => {
  const { records, verdict } = scan(GOOD, { startBytes: 2 * RECORD_LENGTH });
  assertEquals(records, GOOD_RECORDS.slice(2));
  assertEquals(verdict.kind, "eof");
});

Deno.test("LogScanner asks for a window before it says anything", () => {
  const scanner = new LogScanner({
    crc,
    startBytes: 0,
    deviceSizeBytes: undefined,
  });
  assertEquals(scanner.next(), "more");
  assertThrows(() => scanner.verdict, AssertionError);
});

Deno.test("LogScanner judges a log cut anywhere in its last three records", () => {
  for (let length = RECORD_LENGTH; length < GOOD.length; length++) {
    const { records, verdict } = scan(GOOD.subarray(0, length));
    const intactCount = Math.floor(length / RECORD_LENGTH);
    const restBytes = length - intactCount * RECORD_LENGTH;
    assertEquals(records.length, intactCount);
    assertPrefix(records, `cut at ${length}`);
    const isTorn = restBytes > RECORD_OVERHEAD_BYTES;
    assertEquals(verdict, {
      kind: isTorn ? "torn" : "eof",
      offsetBytes: intactCount * RECORD_LENGTH,
      status: isTorn ? -ERRNO.EAGAIN : 0,
      detail: isTorn ? DETAIL.beyondEnd : 0,
      byteCode: 0,
      restBytes,
    });
  }
});

Deno.test("LogScanner goes on where a torn log has grown, byte by byte", () => {
  const scanner = new LogScanner({
    crc,
    startBytes: 0,
    deviceSizeBytes: undefined,
  });
  const records: Delivered[] = [];
  for (let endBytes = 0; endBytes <= GOOD.length; endBytes++) {
    const startBytes = scanner.positionBytes;
    const bytes = GOOD.slice(startBytes, endBytes);
    const lengthBytes = bytes.length;
    scanner.setWindow({ bytes, startBytes, lengthBytes, endBytes });
    let outcome = scanner.next();
    if (outcome === "record") {
      records.push(deliveredBy(scanner));
      outcome = scanner.next();
    }
    assertEquals(outcome, "end");
  }
  assertEquals(records, GOOD_RECORDS);
});

Deno.test("LogScanner stays with damage whatever window comes", () => {
  const bytes = GOOD.slice();
  bytes[RECORD_LENGTH + HEADER_BYTES] = 0xff;
  const scanner = new LogScanner({
    crc,
    startBytes: 0,
    deviceSizeBytes: undefined,
  });
  giveWindow(scanner, bytes, bytes.length);
  assertEquals(scanner.next(), "record");
  assertEquals(scanner.next(), "end");
  const { verdict } = scanner;
  giveWindow(scanner, GOOD, GOOD.length);
  assertEquals(scanner.next(), "end");
  assertEquals(scanner.verdict, verdict);
});

Deno.test("LogScanner never believes a header with a flipped bit", () => {
  for (let index = 0; index < RECORD_COUNT; index++) {
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      const bytes = GOOD.slice();
      const at = index * RECORD_LENGTH + Math.floor(bit / 8);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
      const { records, verdict } = scan(bytes);
      assertPrefix(records, `record ${index} bit ${bit}`);
      assertEquals(records.length, index, `record ${index} bit ${bit}`);
      // A torn tail may be cut: that must never hit an acknowledged record.
      assertEquals(verdict.kind, "damage", `record ${index} bit ${bit}`);
    }
  }
});

Deno.test("LogScanner delivers nothing wrong after a flipped bit of a trailer", () => {
  for (let bit = 0; bit < TRAILER_BYTES * 8; bit++) {
    const bytes = GOOD.slice();
    const at = 2 * RECORD_LENGTH - TRAILER_BYTES + Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
    const { records, verdict } = scan(bytes);
    assertPrefix(records, `bit ${bit}`);
    assert(records.length >= 1, `bit ${bit}`);
    assert(verdict.kind !== "torn", `bit ${bit}`);
  }
});

Deno.test("LogScanner finds every flipped bit of a payload", () => {
  for (let bit = 0; bit < PAYLOAD_LENGTH * 8; bit += 3) {
    const bytes = GOOD.slice();
    const at = RECORD_LENGTH + HEADER_BYTES + Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
    const { records, verdict } = scan(bytes);
    assertEquals(records, GOOD_RECORDS.slice(0, 1));
    assertEquals(verdict.detail, DETAIL.checksum);
  }
});

Deno.test("LogScanner ends on random bytes and delivers nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      const { records, verdict } = scan(bytes, { windowBytes: 64 });
      assertEquals(records, []);
      assertEquals(verdict.offsetBytes, 0);
    }),
    { numRuns: 500 },
  );
});

Deno.test("LogScanner delivers only a prefix of a log with a damaged stretch", () => {
  fc.assert(
    fc.property(
      fc.nat(GOOD.length - 1),
      fc.uint8Array({ minLength: 1, maxLength: 700 }),
      (at, stretch) => {
        const bytes = GOOD.slice();
        bytes.set(stretch.subarray(0, bytes.length - at), at);
        const { records } = scan(bytes, { windowBytes: 300 });
        assertPrefix(records, `stretch at ${at}`);
        const isUntouched = bytes.every((byte, index) => byte === GOOD[index]);
        const before = Math.floor(at / RECORD_LENGTH);
        assert(records.length >= (isUntouched ? RECORD_COUNT : before));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("LogScanner ends on any lengths in a header without a checksum", () => {
  const anyInt16 = fc.integer({ min: -32_768, max: 32_767 });
  const lengths = fc.tuple(anyInt16, anyInt16, anyInt16, fc.nat(0xffff));
  fc.assert(
    fc.property(lengths, ([total, stored, decompressed, flags]) => {
      const bytes = GOOD.slice();
      const view = withoutHeaderChecksum(bytes, RECORD_LENGTH);
      const at = RECORD_LENGTH;
      if (total % 2 === 0) view.setInt16(at + HEADER.totalLength, total, true);
      view.setInt16(at + HEADER.payloadLength, stored, true);
      view.setInt16(at + HEADER.decompressedLength, decompressed, true);
      view.setUint16(2 * RECORD_LENGTH - TRAILER_BYTES + 14, flags, true);
      assertPrefix(scan(bytes).records, `${total} ${stored}`);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("LogScanner accepts a header without a checksum, as MARS writes it", () => {
  const bytes = GOOD.slice();
  withoutHeaderChecksum(bytes, RECORD_LENGTH);
  assertEquals(scan(bytes), scan(GOOD));
});

Deno.test("LogScanner tells a wrong header checksum by a code of its own", () => {
  const bytes = GOOD.slice();
  const view = viewOf(bytes);
  view.setUint8(RECORD_LENGTH + HEADER.devicePosition, 1);
  const { verdict } = scan(bytes);
  assertEquals(verdict.status, -ERRNO.EBADMSG);
  assertEquals(verdict.detail, DETAIL.headerChecksum);
});

Deno.test("LogScanner with a device delivers only what lies inside of it", () => {
  const endBytes = 4 * 8192 + PAYLOAD_LENGTH;
  const inside = scan(GOOD, { deviceSizeBytes: endBytes });
  assertEquals(inside.verdict.kind, "eof");
  const outside = scan(GOOD, { deviceSizeBytes: endBytes - 1 });
  assertEquals(outside.records, GOOD_RECORDS.slice(0, 3));
  assertEquals(outside.verdict.kind, "damage");
  assertEquals(outside.verdict.status, -ERRNO.EBADMSG);
  assertEquals(outside.verdict.detail, DETAIL.devicePosition);
});

Deno.test("LogScanner with a device lets pass what nobody applies", () => {
  const bytes = makeLog({ code: 2, offsetBytes: 2 ** 50 });
  const { records } = scan(bytes, { deviceSizeBytes: 2 ** 20 });
  assertEquals(records.length, RECORD_COUNT);
});

Deno.test("LogScanner with a device refuses impossible stamps", () => {
  for (const nanoseconds of [1_000_000_000n, -1n, 2n ** 62n]) {
    const bytes = GOOD.slice();
    const view = withoutHeaderChecksum(bytes, RECORD_LENGTH);
    const at = RECORD_LENGTH + HEADER.nanoseconds;
    view.setBigInt64(at, nanoseconds, true);
    const { records, verdict } = scan(bytes, { deviceSizeBytes: 2 ** 20 });
    assertEquals(records.length, 1);
    assertEquals(verdict.detail, DETAIL.stamp);
    // Without a device nothing is applied, and MARS is tolerant.
    assertEquals(scan(bytes).records.length, RECORD_COUNT);
  }
});

Deno.test("LogScanner refuses device positions that no number can hold", () => {
  for (const offsetBytes of [-1n, -512n, 2n ** 53n, 2n ** 62n]) {
    const bytes = GOOD.slice();
    const view = withoutHeaderChecksum(bytes, RECORD_LENGTH);
    const at = RECORD_LENGTH + HEADER.devicePosition;
    view.setBigInt64(at, offsetBytes, true);
    assertEquals(scan(bytes).verdict.detail, DETAIL.devicePosition);
  }
});

Deno.test("LogScanner tells a sequence that jumps from one that goes back", () => {
  const jump = scan(makeLog({ sequence: 3 }));
  assertEquals(jump.records.length, 1);
  assertEquals(jump.verdict.detail, DETAIL.sequenceGap);
  // 1, 1, 3: the second is tolerated, the third jumps relative to it.
  const back = scan(makeLog({ sequence: 1 }));
  assertEquals(back.records.length, 2);
  assertEquals(back.verdict.detail, DETAIL.sequenceGap);
  // 0 says nothing and is compared with nothing.
  assertEquals(scan(makeLog({ sequence: 0 })).verdict.kind, "eof");
});

Deno.test("LogScanner does not write into its window", () => {
  const bytes = GOOD.slice();
  scan(bytes);
  assertEquals(bytes, GOOD);
});
