// Pure
/**
 * Scanner: bytes of a log in, records or a verdict out.
 *
 * The caller supplies windows, pieces of the file; the scanner holds the file
 * offset of the next record and walks from record to record. Nothing is skipped
 * and there is no resynchronization: the first thing that is not an intact
 * record ends the scan, and nothing behind it is ever delivered (I11).
 *
 *   for (;;) {
 *     switch (scanner.next()) {
 *       case "record": use scanner.payload and the other fields; break;
 *       case "more":   scanner.setWindow(a window that holds at least
 *                      [positionBytes, positionBytes + neededBytes)); break;
 *       case "end":    return scanner.verdict;
 *     }
 *   }
 *
 * A log that grows: after "end" with a verdict "eof" or "torn", `setWindow`
 * with a higher `endBytes` goes on at the same record. Damage is final.
 *
 * Checks in this order, each with the status and detail that MARS gives:
 * start magic, version, valid flag, header checksum (ours), total length, end
 * magic, valid copy, sequence, decompressed length, decompression, checksum,
 * size, device range (ours). A wrong checksum is tried once more as CRC32C, as
 * MARS does: some records bear the wrong flags. The header checksum comes before
 * the length is believed: otherwise a flipped bit of the length would look like
 * a torn tail, and tails are cut.
 *
 * With the size of the device, new data must lie inside of it and bear a stamp
 * that a clock can show. Without, the scanner is as tolerant as MARS, except
 * that a device position must be below 2^53.
 *
 * No allocation per raw record with CRC32C.
 *
 * Source: log scanner of MARS; design for what is marked as ours.
 */
import { assert } from "../base/assert.ts";
import { equalBytes, viewOf } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import {
  type Crc32c,
  DIGEST_FLAG,
  FOLDED_FLAGS,
  foldedSum,
  matchesCrc32c,
  oldSum,
} from "./checksum.ts";
import { COMPRESSED_FLAGS, decompressInto } from "./compress.ts";
import {
  END_MAGIC_HIGH,
  END_MAGIC_LOW,
  FORMAT_VERSION,
  HEADER,
  HEADER_BYTES,
  NANOSECONDS_MAX,
  RECORD_CODE,
  RECORD_OVERHEAD_BYTES,
  START_MAGIC_HIGH,
  START_MAGIC_LOW,
  storedAreaBytes,
  TRAILER,
  TRAILER_BYTES,
} from "./record.ts";
import { DETAIL, type Verdict } from "./verdict.ts";

/** A piece of a log file. */
export interface LogWindow {
  /** Stays unchanged until the next window or the end of the scan. */
  readonly bytes: Uint8Array;
  /** File offset of `bytes[0]`; not behind the scanner's position. */
  readonly startBytes: number;
  /** How many of `bytes` belong to the file. */
  readonly lengthBytes: number;
  /** Announced end of the log, a file offset. */
  readonly endBytes: number;
}

export interface ScannerOptions {
  readonly crc: Crc32c;
  /** File offset of the first record. */
  readonly startBytes: number;
  /** Undefined for a log whose device is not known. */
  readonly deviceSizeBytes: number | undefined;
}

// Prescribed by MARS.
const DECOMPRESSED_ALIGNMENT_BYTES = 512;
const DECOMPRESSED_BYTES_MAX = 32_768;

const HIGH_WORD = 0x1_0000_0000;
const POSITION_HIGH_MAX = 0x1f_ffff;
const EMPTY: Uint8Array = new Uint8Array(0);

export class LogScanner {
  /**
   * File offset behind the current record, or where the scan began: where
   * `next` goes on.
   */
  positionBytes: number;
  /** Length of the current record; it starts that far before the position. */
  totalBytes = 0;
  /** Where in the device the payload belongs. */
  offsetBytes = 0;
  /**
   * Holds the payload at `[payloadStart, payloadStart + payloadLength)`: the
   * window, or memory of the scanner if the record was compressed. Valid until
   * `next` or `setWindow`.
   */
  payload: Uint8Array = EMPTY;
  payloadStart = 0;
  payloadLength = 0;
  /** One of `RECORD_CODE`, or unknown: to be skipped. */
  code = 0;
  sequence = 0;
  seconds = 0;
  nanoseconds = 0;
  /** Payload length as stored, and after decompression (0: stored raw). */
  storedLength = 0;
  decompressedLength = 0;
  /** Digest and compression as stored, unknown bits included. */
  flags = 0;
  /** Checksum of the digest "md5Old" as stored. */
  oldSum = 0;
  /** Detail of something odd that was tolerated, else 0. */
  softError = 0;
  /** Bytes from the position that `next` asked for with "more". */
  neededBytes = HEADER_BYTES;

  readonly #crc: Crc32c;
  readonly #deviceSizeBytes: number | undefined;
  #bytes = EMPTY;
  #view = viewOf(EMPTY);
  #windowStartBytes = 0;
  #windowLength = 0;
  // Without a window there is more.
  #endBytes = Infinity;
  #lastSequence = 0;
  #verdict: Verdict | undefined = undefined;
  #decompressed = EMPTY;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = viewOf(this.#header);

  constructor(options: ScannerOptions) {
    assert(Number.isSafeInteger(options.startBytes), "start is an integer");
    assert(options.startBytes >= 0, "start is not negative");
    this.#crc = options.crc;
    this.#deviceSizeBytes = options.deviceSizeBytes;
    this.positionBytes = options.startBytes;
  }

  /** Why the scan ended. Only after `next` has returned "end". */
  get verdict(): Verdict {
    assert(this.#verdict !== undefined, "scan has ended");
    return this.#verdict;
  }

  /** Gives the next piece of the file, and how far the log goes by now. */
  setWindow(window: LogWindow): void {
    assert(
      window.startBytes <= this.positionBytes,
      "window holds the position",
    );
    assert(window.lengthBytes <= window.bytes.length, "window is filled");
    assert(window.endBytes >= this.positionBytes, "end is not passed yet");
    if (this.#bytes !== window.bytes) {
      this.#bytes = window.bytes;
      this.#view = viewOf(window.bytes);
    }
    this.#windowStartBytes = window.startBytes;
    this.#windowLength = window.lengthBytes;
    this.#endBytes = window.endBytes;
    if (this.#verdict?.kind !== "damage") this.#verdict = undefined;
  }

  /** Goes to the next record. */
  next(): "record" | "more" | "end" {
    if (this.#verdict !== undefined) return "end";
    const restBytes = this.#endBytes - this.positionBytes;
    if (restBytes <= RECORD_OVERHEAD_BYTES) return this.#stop("eof", 0, 0);
    const at = this.positionBytes - this.#windowStartBytes;
    const availableBytes = Math.min(this.#windowLength - at, restBytes);
    if (availableBytes < HEADER_BYTES) return this.#needs(HEADER_BYTES);

    this.softError = 0;
    const headerDetail = this.#headerDetail(at);
    if (headerDetail !== 0) return this.#damage(ERRNO.EBADMSG, headerDetail);
    const total = this.#view.getInt16(at + HEADER.totalLength, true);
    if (total === 0) return this.#damage(ERRNO.ERESTART, DETAIL.zeroLength);
    if (total < 0) return this.#damage(ERRNO.EBADMSG, DETAIL.negativeLength);
    if (total > restBytes) {
      return this.#stop("torn", ERRNO.EAGAIN, DETAIL.beyondEnd);
    }
    if (total <= RECORD_OVERHEAD_BYTES) {
      return this.#damage(ERRNO.ERESTART, DETAIL.notAboveOverhead);
    }
    if (availableBytes < total) return this.#needs(total);

    const trailerAt = at + total - TRAILER_BYTES;
    if (!this.#isEndMagic(trailerAt)) return this.#endMagicDamage(trailerAt);
    const detail = this.#recordDetail(at, trailerAt);
    if (detail !== 0) return this.#damage(ERRNO.EBADMSG, detail);
    this.totalBytes = total;
    this.positionBytes += total;
    return "record";
  }

  /** What is wrong with the header as far as its length does not matter. */
  #headerDetail(at: number): number {
    const view = this.#view;
    if (
      view.getUint32(at + HEADER.startMagic, true) !== START_MAGIC_LOW ||
      view.getUint32(at + HEADER.startMagic + 4, true) !== START_MAGIC_HIGH
    ) return DETAIL.startMagic;
    if (view.getUint8(at + HEADER.version) !== FORMAT_VERSION) {
      return DETAIL.invalidHeader;
    }
    if (view.getUint8(at + HEADER.valid) === 0) return DETAIL.invalidHeader;
    const stored = view.getUint32(at + HEADER.checksum, true);
    if (stored !== 0 && stored !== this.#headerChecksum(at)) {
      return DETAIL.headerChecksum;
    }
    return 0;
  }

  /** CRC32C of a copy of the header, in which the checksum is zero. */
  #headerChecksum(at: number): number {
    for (let byte = 0; byte < HEADER_BYTES; byte += 4) {
      this.#headerView.setUint32(byte, this.#view.getUint32(at + byte));
    }
    this.#headerView.setUint32(HEADER.checksum, 0);
    return this.#crc.crc32c(this.#header, 0, HEADER_BYTES);
  }

  /** Reads the fields; returns what is wrong with them, or 0. */
  #recordDetail(at: number, trailerAt: number): number {
    const view = this.#view;
    if (view.getUint8(trailerAt + TRAILER.valid) !== 1) {
      return DETAIL.incomplete;
    }
    this.sequence = view.getUint32(trailerAt + TRAILER.sequence, true);
    if (this.#lastSequence !== 0 && this.sequence !== 0) {
      const wanted = this.#lastSequence + 1;
      if (this.sequence > wanted) return DETAIL.sequenceGap;
      if (this.sequence < wanted) this.softError = DETAIL.sequenceBackward;
    }
    this.#lastSequence = this.sequence;
    this.seconds = this.#readInt64(at + HEADER.seconds);
    this.nanoseconds = this.#readInt64(at + HEADER.nanoseconds);
    this.offsetBytes = this.#readInt64(at + HEADER.devicePosition);
    this.storedLength = view.getInt16(at + HEADER.payloadLength, true);
    this.decompressedLength = view.getInt16(
      at + HEADER.decompressedLength,
      true,
    );
    this.code = view.getInt16(at + HEADER.code, true);
    this.flags = view.getUint16(trailerAt + TRAILER.flags, true);
    this.oldSum = view.getUint32(trailerAt + TRAILER.oldSum, true);

    const detail = this.#payloadDetail(at + HEADER_BYTES, trailerAt) ||
      this.#rangeDetail(at);
    // Only what was found first is told.
    return detail !== 0 && this.softError !== 0 ? this.softError : detail;
  }

  /** Finds the payload and verifies it. */
  #payloadDetail(areaAt: number, trailerAt: number): number {
    const stored = this.storedLength;
    const decompressed = this.decompressedLength;
    if (decompressed !== 0) {
      const isPlausible = decompressed > stored &&
        decompressed % DECOMPRESSED_ALIGNMENT_BYTES === 0;
      if (!isPlausible) return DETAIL.decompressedLength;
    }
    // A payload that reaches into the trailer cannot match its checksum.
    if (stored < 0 || areaAt + stored > trailerAt) return DETAIL.checksum;
    const isCompressed = decompressed > 0 &&
      (this.flags & COMPRESSED_FLAGS) !== 0;
    if (isCompressed) {
      if (!this.#decompress(areaAt)) return DETAIL.decompression;
    } else {
      this.payload = this.#bytes;
      this.payloadStart = areaAt;
      this.payloadLength = stored;
    }
    if (!this.#isIntact(trailerAt)) return DETAIL.checksum;
    return areaAt + storedAreaBytes(stored, isCompressed) === trailerAt
      ? 0
      : DETAIL.sizeMismatch;
  }

  #decompress(areaAt: number): boolean {
    if (this.#decompressed.length === 0) {
      this.#decompressed = new Uint8Array(DECOMPRESSED_BYTES_MAX);
    }
    this.payload = this.#decompressed;
    this.payloadStart = 0;
    this.payloadLength = this.decompressedLength;
    return decompressInto(
      this.#decompressed.subarray(0, this.decompressedLength),
      this.#bytes.subarray(areaAt, areaAt + this.storedLength),
      this.flags,
    );
  }

  /** Whether the payload matches its checksum; a missing one is noted. */
  #isIntact(trailerAt: number): boolean {
    if ((this.flags & DIGEST_FLAG.crc32c) === 0) {
      if (this.#matchesOtherDigest(trailerAt)) return true;
    }
    return matchesCrc32c(
      this.#crc,
      this.payload,
      this.payloadStart,
      this.payloadLength,
      this.#view,
      trailerAt + TRAILER.sum,
    );
  }

  #matchesOtherDigest(trailerAt: number): boolean {
    const data = this.payload.subarray(
      this.payloadStart,
      this.payloadStart + this.payloadLength,
    );
    if ((this.flags & FOLDED_FLAGS) !== 0) {
      const sum = foldedSum(this.flags, data, this.#crc);
      return sum !== undefined &&
        this.#holds(trailerAt + TRAILER.sum, sum);
    }
    if (this.oldSum !== 0) {
      return this.#holds(trailerAt + TRAILER.oldSum, oldSum(data));
    }
    if (this.softError === 0) this.softError = DETAIL.noChecksum;
    return false;
  }

  #holds(at: number, wanted: Uint8Array): boolean {
    return equalBytes(this.#bytes.subarray(at, at + wanted.length), wanted);
  }

  /** Whether the record can be applied to the device. */
  #rangeDetail(at: number): number {
    const positionHigh = this.#view.getUint32(
      at + HEADER.devicePosition + 4,
      true,
    );
    if (positionHigh > POSITION_HIGH_MAX) return DETAIL.devicePosition;
    if (this.#deviceSizeBytes === undefined) return 0;
    // Others are skipped; the stamp of old data means nothing.
    if (this.code !== RECORD_CODE.writeNew) return 0;
    if (this.offsetBytes + this.payloadLength > this.#deviceSizeBytes) {
      return DETAIL.devicePosition;
    }
    if (this.nanoseconds < 0) return DETAIL.stamp;
    if (this.nanoseconds > NANOSECONDS_MAX) return DETAIL.stamp;
    return Number.isSafeInteger(this.seconds) ? 0 : DETAIL.stamp;
  }

  #isEndMagic(at: number): boolean {
    return this.#view.getUint32(at, true) === END_MAGIC_LOW &&
      this.#view.getUint32(at + 4, true) === END_MAGIC_HIGH;
  }

  /** What stands in place of the end magic tells what happened to the file. */
  #endMagicDamage(at: number): "end" {
    const low = this.#view.getUint32(at, true);
    const high = this.#view.getUint32(at + 4, true);
    if (low === 0 && high === 0) return this.#damage(ERRNO.ERESTART, 0);
    const byte = low & 0xff;
    const isRepeated = low === high && low === byte * 0x0101_0101;
    return isRepeated
      ? this.#damage(ERRNO.EBADMSG, DETAIL.endMagicRepeated, byte)
      : this.#damage(ERRNO.EBADRQC, DETAIL.endMagic);
  }

  /** A signed integer; inexact from 2^53 on. */
  #readInt64(at: number): number {
    return this.#view.getInt32(at + 4, true) * HIGH_WORD +
      this.#view.getUint32(at, true);
  }

  #needs(neededBytes: number): "more" {
    this.neededBytes = neededBytes;
    return "more";
  }

  #damage(errno: number, detail: number, byteCode = 0): "end" {
    return this.#stop("damage", errno, detail, byteCode);
  }

  #stop(
    kind: Verdict["kind"],
    errno: number,
    detail: number,
    byteCode = 0,
  ): "end" {
    this.#verdict = {
      kind,
      offsetBytes: this.positionBytes,
      // Not `-errno`: that would be -0 at the end of the file.
      status: 0 - errno,
      detail,
      byteCode,
      restBytes: this.#endBytes - this.positionBytes,
    };
    return "end";
  }
}
