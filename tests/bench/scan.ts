/**
 * How fast a log is encoded and scanned: CRC32C through the shim and portable,
 * per payload size. The bytes are in memory; no file is read.
 */
import { loadShim } from "../../ffi/shim.ts";
import { viewOf } from "../../src/base/bytes.ts";
import { type Crc32c, portableCrc32c } from "../../src/log/checksum.ts";
import {
  encodeRecordInto,
  PAYLOAD_BYTES_MAX,
  RECORD_OVERHEAD_BYTES,
} from "../../src/log/record.ts";
import { LogScanner } from "../../src/log/scanner.ts";
import { shimCrc32c } from "../../src/log/shim_crc32c.ts";

/** Rates in bytes of payload. */
export interface ScanRates {
  readonly name: string;
  readonly payloadLength: number;
  readonly encodeMegabytesPerSecond: number;
  readonly scanMegabytesPerSecond: number;
}

const LOG_BYTES = 64 * 1024 * 1024;
const WINDOW_BYTES = 1024 * 1024;
const ROUND_COUNT = 5;

/** Runs all cases; takes a few seconds. */
function benchScan(shimPath: URL): ScanRates[] {
  const shim = shimCrc32c(loadShim(shimPath));
  return [
    measure("shim", shim, PAYLOAD_BYTES_MAX),
    measure("shim", shim, 512),
    measure("portable", portableCrc32c, PAYLOAD_BYTES_MAX),
  ];
}

/** Scans full records once; MB/s of payload. */
export function scanRateOnce(shimPath: URL): number {
  const shim = shimCrc32c(loadShim(shimPath));
  return measure("shim", shim, PAYLOAD_BYTES_MAX).scanMegabytesPerSecond;
}

function measure(name: string, crc: Crc32c, payloadLength: number): ScanRates {
  const bytes = new Uint8Array(LOG_BYTES);
  for (let at = 0; at < LOG_BYTES; at++) bytes[at] = (at * 2654435761) >>> 24;
  const recordLength = payloadLength + RECORD_OVERHEAD_BYTES;
  const recordCount = Math.floor(LOG_BYTES / recordLength);
  const payloadBytes = recordCount * payloadLength;
  let encodeMs = Infinity;
  let scanMs = Infinity;
  for (let round = 0; round < ROUND_COUNT; round++) {
    let startedMs = performance.now();
    encodeAll(bytes, recordCount, payloadLength, crc);
    encodeMs = Math.min(encodeMs, performance.now() - startedMs);
    startedMs = performance.now();
    const scanned = scanAll(bytes, recordCount * recordLength, crc);
    scanMs = Math.min(scanMs, performance.now() - startedMs);
    if (scanned !== recordCount) throw new Error("Records are missing");
  }
  return {
    name,
    payloadLength,
    encodeMegabytesPerSecond: payloadBytes / encodeMs / 1000,
    scanMegabytesPerSecond: payloadBytes / scanMs / 1000,
  };
}

function encodeAll(
  bytes: Uint8Array,
  recordCount: number,
  payloadLength: number,
  crc: Crc32c,
): void {
  const view = viewOf(bytes);
  const fields = {
    sequence: 0,
    seconds: 1_700_000_000,
    nanoseconds: 0,
    code: 1,
    offsetBytes: 0,
  };
  let at = 0;
  for (let record = 0; record < recordCount; record++) {
    fields.sequence = record + 1;
    fields.nanoseconds = record;
    fields.offsetBytes = (record * 7919 % 262_144) * PAYLOAD_BYTES_MAX;
    at += encodeRecordInto(bytes, view, at, fields, payloadLength, crc);
  }
}

function scanAll(bytes: Uint8Array, endBytes: number, crc: Crc32c): number {
  const deviceSizeBytes = 2 ** 40;
  const scanner = new LogScanner({ crc, startBytes: 0, deviceSizeBytes });
  let recordCount = 0;
  for (;;) {
    const outcome = scanner.next();
    if (outcome === "end") return recordCount;
    if (outcome === "record") {
      recordCount++;
      continue;
    }
    const startBytes = scanner.positionBytes;
    const length = Math.min(WINDOW_BYTES, endBytes - startBytes);
    scanner.setWindow({
      bytes: bytes.subarray(startBytes, startBytes + length),
      startBytes,
      lengthBytes: length,
      endBytes,
    });
  }
}

if (import.meta.main) {
  const shimPath = new URL("../../build/libmars.so", import.meta.url);
  for (const rates of benchScan(shimPath)) {
    // deno-lint-ignore no-console -- The output of this program.
    console.log(
      `${rates.name} ${rates.payloadLength}: encode ` +
        `${rates.encodeMegabytesPerSecond.toFixed(0)} MB/s, scan ` +
        `${rates.scanMegabytesPerSecond.toFixed(0)} MB/s`,
    );
  }
}
