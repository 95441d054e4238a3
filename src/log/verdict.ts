// Pure
/**
 * Verdicts: where and why a scan ended.
 *
 *   kind    meaning                                   status
 *   eof     no further record before the end          0
 *   torn    a record begins well and does not fit in  -EAGAIN
 *   damage  anything else than a record               -EBADMSG, -EBADRQC,
 *                                                     -ERESTART
 *
 * Status and detail are published as they are, so they keep the numbers of
 * MARS. Three details are ours and unused there: 10102, 10103 and 10104.
 *
 * Source: error numbers of the log scanner of MARS.
 */
import { ERRNO } from "../base/errors.ts";

/** How a scan ended; everything before `offsetBytes` is intact. */
export interface Verdict {
  readonly kind: "eof" | "torn" | "damage";
  /** File offset where no record was found. */
  readonly offsetBytes: number;
  /** 0 or a negative errno. */
  readonly status: number;
  /** 0 or a negative number, see `DETAIL`. */
  readonly detail: number;
  /** The byte that an end magic was overwritten with; 0 otherwise. */
  readonly byteCode: number;
  /** Bytes from `offsetBytes` to the announced end. */
  readonly restBytes: number;
}

/** Detail codes of a scan, negative as published. */
export const DETAIL = {
  none: 0,
  invalidHeader: -10003,
  zeroLength: -10004,
  negativeLength: -10005,
  beyondEnd: -10006,
  notAboveOverhead: -10007,
  incomplete: -10009,
  sequenceGap: -10010,
  sequenceBackward: -10011,
  sizeMismatch: -10012,
  startMagic: -10013,
  endMagic: -10020,
  endMagicRepeated: -10021,
  noChecksum: -10100,
  checksum: -10101,
  // Ours.
  headerChecksum: -10102,
  devicePosition: -10103,
  stamp: -10104,
  decompression: -10150,
  decompressedLength: -10152,
} as const;

const DETAIL_TEXT: Readonly<Record<number, string>> = {
  [DETAIL.none]: "the record ends in zeroes",
  [DETAIL.invalidHeader]:
    "the record has an unknown format version or is marked invalid",
  [DETAIL.zeroLength]: "the record says that it is empty",
  [DETAIL.negativeLength]: "the record says that its length is negative",
  [DETAIL.beyondEnd]: "the record goes on beyond the end",
  [DETAIL.notAboveOverhead]: "the record says that it has no payload",
  [DETAIL.incomplete]: "the trailer of the record is marked invalid",
  [DETAIL.sequenceGap]: "records are missing: the sequence number jumps",
  [DETAIL.sequenceBackward]: "the sequence number goes backward",
  [DETAIL.sizeMismatch]: "the lengths in the record contradict each other",
  [DETAIL.startMagic]: "no record begins here",
  [DETAIL.endMagic]: "the record does not end where it should",
  [DETAIL.endMagicRepeated]:
    "the end of the record is overwritten with one repeated byte",
  [DETAIL.noChecksum]: "the record lacks the checksum that its flags name",
  [DETAIL.checksum]: "the payload does not match its checksum",
  [DETAIL.headerChecksum]: "the header does not match its checksum",
  [DETAIL.devicePosition]: "the payload lies outside of the device",
  [DETAIL.stamp]: "the stamp is impossible",
  [DETAIL.decompression]: "the payload cannot be decompressed",
  [DETAIL.decompressedLength]: "the length after decompression is impossible",
};

const STATUS_NAME: Readonly<Record<number, string>> = {
  0: "EOF",
  [-ERRNO.EAGAIN]: "EAGAIN",
  [-ERRNO.EBADMSG]: "EBADMSG",
  [-ERRNO.EBADRQC]: "EBADRQC",
  [-ERRNO.ERESTART]: "ERESTART",
};

/** The name of a verdict's status: `EOF`, `EBADMSG`. */
export function statusName(status: number): string {
  return STATUS_NAME[status] ?? `errno ${-status}`;
}

/** The meaning of a detail code in plain words. */
export function detailText(detail: number): string {
  return DETAIL_TEXT[detail] ?? `unknown detail ${detail}`;
}

/** One sentence for administrators; no full stop. */
export function describeVerdict(verdict: Verdict): string {
  const { kind, offsetBytes, restBytes, status, detail, byteCode } = verdict;
  if (kind === "eof") {
    return restBytes === 0
      ? `Intact to the end at ${offsetBytes}`
      : `Intact up to ${offsetBytes}, where ${restBytes} stray bytes follow: ` +
        `too few for a record`;
  }
  const byte = byteCode === 0
    ? ""
    : ` 0x${byteCode.toString(16).padStart(2, "0")}`;
  const word = kind === "torn" ? "Torn" : "Damaged";
  return `${word} at ${offsetBytes}, ${restBytes} bytes before the end: ` +
    `${detailText(detail)}${byte} ` +
    `(status ${statusName(status)} ${status}, detail ${detail})`;
}
