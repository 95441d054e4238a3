// Pure
/**
 * The transmission phase of one client of the NBD server: requests.
 *
 * Requests are decoded where they were received, and payload is written from
 * there; the segment is pinned until it is acknowledged. A payload that does not
 * fit into the rest of its segment is cut into pieces at 4096 bytes of the
 * device; what is too long altogether is skipped and answered.
 *
 * A read longer than READ_BYTES_MAX is answered in parts. With structured
 * replies each part may fail on its own. With simple ones the header of a
 * success is out when a later part fails: the protocol then wants the
 * connection dropped.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import { assert } from "../base/assert.ts";
import { alignDown } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import type { BlockRequest, BlockTarget } from "../block/request.ts";
import { BLOCK_BYTES_MIN, type NbdExport } from "./nbd_handshake.ts";
import type { Intake } from "./nbd_intake.ts";
import {
  CHUNK_HEADER_BYTES,
  COMMAND,
  COMMAND_FLAG,
  DATA_CHUNK_BYTES,
  ERROR_CHUNK_BYTES,
  PAYLOAD_BYTES_MAX,
  REQUEST_BYTES,
  RequestHeader,
  SIMPLE_REPLY_BYTES,
} from "./nbd_protocol.ts";
import { encodeReply } from "./nbd_reply.ts";
import type { Reply, Slot, Window } from "./nbd_window.ts";

/** Longest read that is answered in one part. */
export const READ_BYTES_MAX = 128 * 1024;
/** Pieces end at multiples of this: a record of the log never crosses one. */
const PIECE_ALIGNMENT_BYTES = 4096;

/**
 * What a step came to.
 *
 *   "again"       there may be more to do
 *   "starved"     more must be received first
 *   "stalled"     there is no slot, or no room for the reply
 *   "disconnect"  the client takes its leave
 *   "garbage"     that was no request
 */
export type Step = "again" | "starved" | "stalled" | "disconnect" | "garbage";

/** What a request beyond the end of the device is told. */
const ERRNO_BEYOND: Readonly<Record<BlockRequest["kind"], number>> = {
  read: ERRNO.EINVAL,
  write: ERRNO.ENOSPC,
  writeZeroes: ERRNO.ENOSPC,
  discard: ERRNO.EINVAL,
  flush: 0,
};

export interface TransmissionOptions {
  readonly target: BlockTarget;
  readonly exported: NbdExport;
  readonly intake: Intake;
  /** Its acknowledgements go to `acknowledged`. */
  readonly window: Window;
  readonly replies: "simple" | "structured";
  /** Replies may have become ready. */
  readonly touched: () => void;
  /** A reply that was begun cannot be finished. */
  readonly failed: () => void;
}

export class Transmission {
  readonly #target: BlockTarget;
  readonly #export: NbdExport;
  readonly #intake: Intake;
  readonly #window: Window;
  readonly #isStructured: boolean;
  readonly #touched: () => void;
  readonly #failed: () => void;
  readonly #header = new RequestHeader();
  #inFlight = 0;

  /** The write whose payload is being received, and what is to come. */
  #write: Slot | undefined = undefined;
  #writeLeft = 0;
  /** The write whose payload is being skipped. */
  #skipSlot: Slot | undefined = undefined;
  /** The read that is answered in parts, and what is yet to be read. */
  #read: Slot | undefined = undefined;
  #readLeft = 0;
  /** Nothing may overtake: a simple reply is being sent in parts. */
  #isStrict = false;
  /** Its first part decides whether that is a success. */
  #isFirstPending = false;

  constructor(options: TransmissionOptions) {
    this.#target = options.target;
    this.#export = options.exported;
    this.#intake = options.intake;
    this.#window = options.window;
    this.#isStructured = options.replies === "structured";
    this.#touched = options.touched;
    this.#failed = options.failed;
  }

  /** Submitted to the target, not yet acknowledged. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether the client stopped inside a request. */
  get isTorn(): boolean {
    return this.#intake.availableBytes > 0 || this.#skipSlot !== undefined ||
      this.#write !== undefined || this.#read !== undefined;
  }

  /** Whether replies must be sent in order. */
  get isStrict(): boolean {
    return this.#isStrict;
  }

  /** Takes the next request, or goes on with the one being taken. */
  step(): Step {
    if (this.#skipSlot !== undefined) return this.#skip(this.#skipSlot);
    if (this.#write !== undefined) return this.#takePayload(this.#write);
    if (this.#read !== undefined) return this.#readPart(this.#read);
    return this.#takeRequest();
  }

  #takeRequest(): Step {
    const intake = this.#intake;
    if (intake.availableBytes < REQUEST_BYTES) return "starved";
    const header = this.#header;
    if (!header.decode(intake.view, intake.parsed)) return "garbage";
    if (this.#window.count === 0) this.#isStrict = false;
    // The request and the first piece of it.
    if (this.#window.freeSlotCount < 2) return "stalled";
    switch (header.type) {
      case COMMAND.READ:
        return this.#beginRead();
      case COMMAND.WRITE:
        return this.#beginWrite();
      case COMMAND.FLUSH:
        return this.#beginPlain("flush");
      case COMMAND.TRIM:
        return this.#beginPlain("discard");
      case COMMAND.WRITE_ZEROES:
        return this.#beginPlain("writeZeroes");
      case COMMAND.DISCONNECT:
        return "disconnect";
      default:
        return this.#beginPlain(undefined);
    }
  }

  #skip(slot: Slot): Step {
    if (!this.#intake.skip()) return "starved";
    this.#skipSlot = undefined;
    this.#finish(slot);
    return "again";
  }

  /** The errno for the request as `kind`; 0 if it may be submitted. */
  #check(kind: BlockRequest["kind"]): number {
    const { type, flags, offsetBytes, lengthBytes } = this.#header;
    const { FUA, NO_HOLE, FAST_ZERO } = COMMAND_FLAG;
    const known = type === COMMAND.WRITE_ZEROES ? FUA | NO_HOLE : FUA;
    const unknown = flags & ~known;
    if (unknown !== 0) {
      // To zero is to log zeroes: never faster than to write them.
      const isFastZero = kind === "writeZeroes" && unknown === FAST_ZERO;
      return isFastZero ? ERRNO.EOPNOTSUPP : ERRNO.EINVAL;
    }
    if (kind === "flush") return 0;
    if (lengthBytes === 0) return ERRNO.EINVAL;
    if (offsetBytes + lengthBytes > this.#export.sizeBytes) {
      return ERRNO_BEYOND[kind];
    }
    if (offsetBytes % BLOCK_BYTES_MIN !== 0) return ERRNO.EINVAL;
    if (lengthBytes % BLOCK_BYTES_MIN !== 0) return ERRNO.EINVAL;
    return 0;
  }

  /** A slot for the request just decoded, which is consumed. */
  #slotFor(kind: BlockRequest["kind"], reply: Reply, errno: number): Slot {
    const header = this.#header;
    const slot = this.#window.take();
    slot.kind = kind;
    slot.reply = reply;
    slot.errno = errno;
    slot.cookieHigh = header.cookieHigh;
    slot.cookieLow = header.cookieLow;
    slot.offsetBytes = header.offsetBytes;
    slot.lengthBytes = header.lengthBytes;
    slot.forceUnitAccess = (header.flags & COMMAND_FLAG.FUA) !== 0;
    this.#intake.parsed += REQUEST_BYTES;
    return slot;
  }

  #beginPlain(kind: BlockRequest["kind"] | undefined): Step {
    if (!this.#window.hasRoom(SIMPLE_REPLY_BYTES)) return "stalled";
    const errno = kind === undefined ? ERRNO.EINVAL : this.#check(kind);
    const slot = this.#slotFor(kind ?? "flush", "simple", errno);
    this.#window.reserve(slot, SIMPLE_REPLY_BYTES);
    if (errno === 0) this.#submit(slot);
    else this.#finish(slot);
    return "again";
  }

  #beginWrite(): Step {
    if (!this.#window.hasRoom(SIMPLE_REPLY_BYTES)) return "stalled";
    const { lengthBytes } = this.#header;
    const isTooLong = lengthBytes > PAYLOAD_BYTES_MAX;
    const errno = isTooLong ? ERRNO.EINVAL : this.#check("write");
    const slot = this.#slotFor("write", "simple", errno);
    this.#window.reserve(slot, SIMPLE_REPLY_BYTES);
    if (errno === 0) {
      this.#write = slot;
      this.#writeLeft = lengthBytes;
      // Not finished before all of the payload has come.
      slot.piecesLeft = 1;
    } else if (lengthBytes === 0) {
      this.#finish(slot);
    } else {
      this.#intake.skipBytes = lengthBytes;
      this.#skipSlot = slot;
    }
    return "again";
  }

  /** Submits the payload of `write`, or as much of it as can be. */
  #takePayload(write: Slot): Step {
    const intake = this.#intake;
    const left = this.#writeLeft;
    if (intake.availableBytes >= left) {
      if (left === write.lengthBytes) {
        this.#submitPayload(write);
      } else {
        if (this.#window.freeSlotCount === 0) return "stalled";
        this.#submitPiece(write, left);
        this.#pieceDone(write, 0);
      }
      this.#write = undefined;
      return "again";
    }
    if (!intake.isFull) return "starved";
    const offsetBytes = write.offsetBytes + write.lengthBytes - left;
    const endBytes = alignDown(
      offsetBytes + intake.availableBytes,
      PIECE_ALIGNMENT_BYTES,
    );
    // What is left over is short, and moves to another segment.
    if (endBytes <= offsetBytes) return "starved";
    if (this.#window.freeSlotCount === 0) return "stalled";
    this.#submitPiece(write, endBytes - offsetBytes);
    return "again";
  }

  #submitPiece(write: Slot, lengthBytes: number): void {
    const piece = this.#window.take();
    piece.kind = "write";
    piece.group = write;
    piece.forceUnitAccess = write.forceUnitAccess;
    piece.offsetBytes = write.offsetBytes + write.lengthBytes -
      this.#writeLeft;
    piece.lengthBytes = lengthBytes;
    write.piecesLeft++;
    this.#writeLeft -= lengthBytes;
    this.#submitPayload(piece);
  }

  #submitPayload(slot: Slot): void {
    const intake = this.#intake;
    slot.memory = intake.memory;
    slot.start = intake.parsed;
    slot.segment = intake.pin();
    intake.parsed += slot.lengthBytes;
    this.#submit(slot);
  }

  #beginRead(): Step {
    const { lengthBytes } = this.#header;
    const isStructured = this.#isStructured;
    const window = this.#window;
    const isTooLong = lengthBytes > PAYLOAD_BYTES_MAX;
    const errno = isTooLong ? ERRNO.EINVAL : this.#check("read");
    if (errno !== 0) {
      const replyBytes = isStructured ? ERROR_CHUNK_BYTES : SIMPLE_REPLY_BYTES;
      if (!window.hasRoom(replyBytes)) return "stalled";
      const reply = isStructured ? "chunk" : "simple";
      const slot = this.#slotFor("read", reply, errno);
      window.reserve(slot, replyBytes);
      this.#finish(slot);
    } else if (lengthBytes <= READ_BYTES_MAX) {
      const headBytes = isStructured ? DATA_CHUNK_BYTES : SIMPLE_REPLY_BYTES;
      if (!window.hasRoom(headBytes + lengthBytes)) return "stalled";
      const reply = isStructured ? "chunk" : "data";
      this.#submitRead(this.#slotFor("read", reply, 0), headBytes);
    } else {
      if (!isStructured && window.count > 0) return "stalled";
      const reply = isStructured ? "end" : "none";
      const slot = this.#slotFor("read", reply, 0);
      // Not finished before all parts are under way.
      slot.piecesLeft = 1;
      this.#read = slot;
      this.#readLeft = lengthBytes;
      this.#isStrict = !isStructured;
    }
    return "again";
  }

  /** Starts the next part of a long read, or ends it. */
  #readPart(read: Slot): Step {
    const isStructured = this.#isStructured;
    const window = this.#window;
    const isFirst = this.#readLeft === read.lengthBytes;
    if (this.#isFirstPending) return "stalled";
    if (this.#readLeft === 0) {
      if (isStructured) {
        if (!window.hasRoom(CHUNK_HEADER_BYTES)) return "stalled";
        window.reserve(read, CHUNK_HEADER_BYTES);
      }
      this.#read = undefined;
      this.#pieceDone(read, 0);
      return "again";
    }
    const lengthBytes = Math.min(this.#readLeft, READ_BYTES_MAX);
    const headBytes = isStructured
      ? DATA_CHUNK_BYTES
      : isFirst
      ? SIMPLE_REPLY_BYTES
      : 0;
    if (window.freeSlotCount === 0) return "stalled";
    if (!window.hasRoom(headBytes + lengthBytes)) return "stalled";
    const part = window.take();
    part.kind = "read";
    part.reply = isStructured ? "part" : isFirst ? "data" : "rest";
    part.group = read;
    part.cookieHigh = read.cookieHigh;
    part.cookieLow = read.cookieLow;
    part.offsetBytes = read.offsetBytes + read.lengthBytes - this.#readLeft;
    part.lengthBytes = lengthBytes;
    read.piecesLeft++;
    this.#readLeft -= lengthBytes;
    this.#isFirstPending = part.reply === "data";
    this.#submitRead(part, headBytes);
    return "again";
  }

  #submitRead(slot: Slot, headBytes: number): void {
    this.#window.reserve(slot, headBytes + slot.lengthBytes);
    slot.memory = this.#window.memory;
    slot.start = slot.replyStart + headBytes;
    this.#submit(slot);
  }

  #submit(slot: Slot): void {
    this.#inFlight++;
    this.#target.submit(slot, slot.acknowledge);
  }

  // ---- replies -----------------------------------------------------------

  acknowledged(slot: Slot, errno: number): void {
    assert(slot.state === "pending", "Request is acknowledged once");
    this.#inFlight--;
    if (slot.segment >= 0) this.#intake.unpin(slot.segment);
    slot.errno = errno;
    const { group } = slot;
    if (group === undefined) {
      this.#finish(slot);
    } else {
      if (slot.kind === "read") this.#partRead(slot);
      else this.#window.release(slot);
      this.#pieceDone(group, errno);
    }
    this.#touched();
  }

  /** A part of a long read is there, or has failed. */
  #partRead(part: Slot): void {
    this.#finish(part);
    if (this.#isStructured) return;
    // Behind the header of a success there is no way to tell an error.
    if (part.reply === "rest" && part.errno !== 0) this.#failed();
    if (part.reply !== "data") return;
    this.#isFirstPending = false;
    if (part.errno !== 0) this.#readLeft = 0;
  }

  #pieceDone(group: Slot, errno: number): void {
    if (group.errno === 0) group.errno = errno;
    if (--group.piecesLeft === 0) this.#finish(group);
  }

  /** The request has its result: the reply may be sent. */
  #finish(slot: Slot): void {
    if (slot.reply === "none") return this.#window.release(slot);
    encodeReply(this.#window.view, slot);
    slot.state = "ready";
  }
}
