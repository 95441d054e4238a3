/**
 * `log dump` and `log verify`: what is in a log file and whether it is intact.
 *
 * Both read the file in windows and judge it without knowing its device. A log
 * is intact if the scan ends exactly at the end of the file.
 *
 *   exit code  0  intact
 *              1  torn, damaged, or with stray bytes at the end
 *
 * As JSON there is one line per record and `{"end": …}` as the last one, with
 * the field names of the test vectors of the format.
 */
import { md5 } from "@noble/hashes/legacy.js";
import { toHex } from "../base/bytes.ts";
import { MarsError, messageOf } from "../base/errors.ts";
import { type Crc32c, DIGEST_FLAG } from "../log/checksum.ts";
import { COMPRESSION_FLAG } from "../log/compress.ts";
import { NANOSECONDS_MAX, RECORD_CODE } from "../log/record.ts";
import type { LogScanner } from "../log/scanner.ts";
import {
  describeVerdict,
  detailText,
  statusName,
  type Verdict,
} from "../log/verdict.ts";
import { scanLog } from "./log_scan.ts";

export interface InspectOptions {
  readonly json: boolean;
  /** Takes one line of output, without its end. */
  readonly write: (line: string) => void;
  readonly crc: Crc32c;
}

/** What a scan of a whole file came to. */
interface Summary {
  readonly recordCount: number;
  readonly payloadBytes: number;
  /** Records that were accepted although something was odd. */
  readonly oddCount: number;
  readonly verdict: Verdict;
}

const DATE_SECONDS_MAX = 253_402_300_799; // the end of year 9999

const COLUMNS =
  "      offset   total    sequence  code         device position  length  " +
  "stamp                           stored";

/**
 * Prints every record of a log file and then how the scan ended.
 *
 * @returns exit code
 * @throws MarsError if the file cannot be read
 */
export async function logDump(
  path: string,
  options: InspectOptions,
): Promise<number> {
  if (!options.json) options.write(COLUMNS);
  const lineOf = options.json ? jsonLine : tableLine;
  const summary = await scanFile(
    path,
    options.crc,
    (scanner) => options.write(lineOf(scanner)),
  );
  return printSummary(summary, options);
}

/**
 * Prints only how the scan of a log file ended.
 *
 * @returns exit code
 * @throws MarsError if the file cannot be read
 */
export async function logVerify(
  path: string,
  options: InspectOptions,
): Promise<number> {
  const summary = await scanFile(path, options.crc, () => {});
  return printSummary(summary, options);
}

async function scanFile(
  path: string,
  crc: Crc32c,
  onRecord: (scanner: LogScanner) => void,
): Promise<Summary> {
  using file = await openFile(path);
  let recordCount = 0;
  let payloadBytes = 0;
  let oddCount = 0;
  const verdict = await scanLog(file, { crc, startBytes: 0 }, (scanner) => {
    recordCount++;
    payloadBytes += scanner.payloadLength;
    if (scanner.softError !== 0) oddCount++;
    onRecord(scanner);
  });
  return { recordCount, payloadBytes, oddCount, verdict };
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    const { isFile } = await Deno.stat(path);
    if (isFile) return await Deno.open(path, { read: true });
  } catch (error) {
    throw new MarsError(`Cannot read log "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new MarsError(`Cannot read log "${path}": not a regular file`);
}

function printSummary(summary: Summary, options: InspectOptions): number {
  const { verdict } = summary;
  if (options.json) {
    options.write(JSON.stringify({ end: endFields(verdict) }));
  } else {
    const { recordCount, payloadBytes, oddCount } = summary;
    const noun = recordCount === 1 ? "record" : "records";
    options.write(`${recordCount} ${noun} with ${payloadBytes} bytes`);
    if (oddCount > 0) {
      options.write(`${oddCount} of them accepted, but odd: see the dump`);
    }
    options.write(describeVerdict(verdict));
  }
  return verdict.kind === "eof" && verdict.restBytes === 0 ? 0 : 1;
}

function jsonLine(scanner: LogScanner): string {
  const softError = scanner.softError === 0
    ? {}
    : { "soft_error": scanner.softError };
  return JSON.stringify({
    offset: scanner.positionBytes - scanner.totalBytes,
    "total_len": scanner.totalBytes,
    "seq_nr": scanner.sequence,
    code: scanner.code,
    pos: scanner.offsetBytes,
    "stamp_sec": scanner.seconds,
    "stamp_nsec": scanner.nanoseconds,
    "l_len": scanner.storedLength,
    "l_decompress_len": scanner.decompressedLength,
    "crc_old": hex(scanner.oldSum, 8),
    "crc_flags": hex(scanner.flags, 4),
    "payload_len": scanner.payloadLength,
    "payload_md5": toHex(md5(payloadOf(scanner))),
    ...softError,
  });
}

function endFields(verdict: Verdict): Readonly<Record<string, unknown>> {
  const place = {
    offset: verdict.offsetBytes,
    status: verdict.status,
    "status_name": statusName(verdict.status),
  };
  return verdict.kind === "eof" ? { ...place, rest: verdict.restBytes } : {
    ...place,
    "mars_error": verdict.detail,
    "byte_code": hex(verdict.byteCode, 2),
  };
}

function tableLine(scanner: LogScanner): string {
  const cells = [
    String(scanner.positionBytes - scanner.totalBytes).padStart(12),
    String(scanner.totalBytes).padStart(6),
    String(scanner.sequence).padStart(10),
    codeText(scanner.code).padEnd(9),
    String(scanner.offsetBytes).padStart(17),
    String(scanner.payloadLength).padStart(6),
    stampText(scanner.seconds, scanner.nanoseconds).padEnd(30),
    flagsText(scanner.flags),
  ];
  if (scanner.softError !== 0) cells.push(`(${detailText(scanner.softError)})`);
  return cells.join("  ");
}

function codeText(code: number): string {
  if (code === RECORD_CODE.writeNew) return "new";
  return code === RECORD_CODE.writeOld ? "old" : `code ${code}`;
}

/** ISO 8601 with nanoseconds; as numbers what no calendar can show. */
function stampText(seconds: number, nanoseconds: number): string {
  const isDate = seconds >= 0 && seconds <= DATE_SECONDS_MAX &&
    nanoseconds >= 0 && nanoseconds <= NANOSECONDS_MAX;
  if (!isDate) return `${seconds} s ${nanoseconds} ns`;
  const toSeconds = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${toSeconds}.${String(nanoseconds).padStart(9, "0")}Z`;
}

/** `crc32c+zlib`; unknown bits are left out. */
function flagsText(flags: number): string {
  const names = Object.entries({ ...DIGEST_FLAG, ...COMPRESSION_FLAG })
    .filter(([, flag]) => flags & flag)
    .map(([name]) => name);
  return names.join("+") || "md5Old (no flags)";
}

function payloadOf(scanner: LogScanner): Uint8Array {
  const { payload, payloadStart, payloadLength } = scanner;
  return payload.subarray(payloadStart, payloadStart + payloadLength);
}

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
