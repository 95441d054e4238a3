// Pure
/**
 * One client of the NBD server.
 *
 *   greeting ─► option ─► transmission ─► closing ─► ended ─► closed
 *                  └──────────┴───────────────┴────────┘ at any error
 *
 * Receiving: one receive takes as much as has come into a segment of the
 * receive buffer, and requests are decoded where they lie. Payload is written
 * from there; the segment is pinned until it is acknowledged. A payload that
 * does not fit into the rest of its segment is cut into pieces at 4096 bytes of
 * the device; what is too long altogether is skipped and answered.
 *
 * Sending: see `nbd_window.ts`. One send per turn takes all replies that are
 * ready and adjacent.
 *
 * Back-pressure: without a free slot, room for the reply, or a free segment
 * decoding stalls and nothing is received, until `resume` finds some.
 *
 * A read longer than READ_BYTES_MAX is answered in parts. With structured
 * replies each part may fail on its own. With simple ones the header of a
 * success is out when a later part fails: the protocol then wants the
 * connection dropped.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import { assert } from "../base/assert.ts";
import { alignDown, viewOf } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import type { Memory, SocketIo } from "../ring/io.ts";
import type { BlockRequest, BlockTarget } from "../block/request.ts";
import {
  BLOCK_BYTES_MIN,
  Handshake,
  type NbdExport,
  type OptionAnswer,
} from "./nbd_handshake.ts";
import { Intake } from "./nbd_intake.ts";
import {
  CHUNK_HEADER_BYTES,
  CLIENT_FLAGS_BYTES,
  COMMAND,
  COMMAND_FLAG,
  DATA_CHUNK_BYTES,
  decodeOption,
  encodeGreeting,
  ERROR_CHUNK_BYTES,
  OPTION_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
  REQUEST_BYTES,
  RequestHeader,
  SIMPLE_REPLY_BYTES,
} from "./nbd_protocol.ts";
import { encodeReply } from "./nbd_reply.ts";
import { type Reply, type Slot, Window } from "./nbd_window.ts";

const SEGMENT_COUNT = 4;
/** Longer segments gained nothing: a unix socket holds about 200 KiB. */
export const RECEIVE_BYTES = SEGMENT_COUNT * 128 * 1024;
/** Longest read that is answered in one part. */
const READ_BYTES_MAX = 128 * 1024;
/** Replies not yet sent, with their data: four parts and many small ones. */
export const SEND_BYTES = 4 * READ_BYTES_MAX + 32 * 1024;
/** Requests and pieces in flight; the kernel's client sends 128 at most. */
const SLOT_COUNT = 256;
/** Pieces end at multiples of this: a record of the log never crosses one. */
const PIECE_ALIGNMENT_BYTES = 4096;
/** Longest option that is looked at; longer ones are skipped and refused. */
const OPTION_BYTES_MAX = 8192;
/** Options of one client; one with more is not serious. */
const OPTION_COUNT_MAX = 64;
/** Room that an answer in the handshake may need. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** Memory of a connection; belongs to it until it is closed. */
export interface ConnectionMemory {
  readonly receive: Memory;
  readonly send: Memory;
}

export interface ConnectionOptions {
  readonly io: SocketIo;
  readonly target: BlockTarget;
  readonly exported: NbdExport;
  readonly fd: number;
  readonly memory: ConnectionMemory;
  /** Something is to be done at the end of the turn. */
  readonly touched: (connection: NbdConnection) => void;
  /** The last word: fd closed, memory free. */
  readonly closed: (connection: NbdConnection) => void;
}

type Phase =
  | "greeting"
  | "option"
  | "transmission"
  | "closing"
  | "ended"
  | "closed";

/** What a request beyond or beside the device is told. */
const ERRNO_BEYOND: Readonly<Record<BlockRequest["kind"], number>> = {
  read: ERRNO.EINVAL,
  write: ERRNO.ENOSPC,
  writeZeroes: ERRNO.ENOSPC,
  discard: ERRNO.EINVAL,
  flush: 0,
};

export class NbdConnection {
  readonly memory: ConnectionMemory;
  readonly sinceMs: number;

  readonly #io: SocketIo;
  readonly #target: BlockTarget;
  readonly #export: NbdExport;
  readonly #fd: number;
  readonly #tellTouched: (connection: NbdConnection) => void;
  readonly #tellClosed: (connection: NbdConnection) => void;
  readonly #handshake: Handshake;
  readonly #window: Window;
  readonly #sendView: DataView;
  readonly #intake: Intake;
  readonly #header = new RequestHeader();

  #phase: Phase = "greeting";
  #hasEntered = false;
  #isTouched = false;
  #optionCount = 0;
  #isReceiving = false;
  #isSending = false;
  #isStalled = false;
  /** Submitted to the target, not yet acknowledged. */
  #inFlight = 0;

  /** The write whose payload is being received, and what is to come. */
  #write: Slot | undefined = undefined;
  #writeLeft = 0;
  /** Foreign bytes to skip, and who is answered afterwards. */
  #skipBytes = 0;
  #skipSlot: Slot | undefined = undefined;
  #skipOption = 0;
  /** The read that is answered in parts, and what is yet to be read. */
  #read: Slot | undefined = undefined;
  #readLeft = 0;
  /** Nothing may overtake: a simple reply is being sent in parts. */
  #isStrict = false;
  /** Its first part decides whether that is a success. */
  #isFirstPending = false;

  constructor(options: ConnectionOptions) {
    this.#io = options.io;
    this.#target = options.target;
    this.#export = options.exported;
    this.#fd = options.fd;
    this.memory = options.memory;
    this.#tellTouched = options.touched;
    this.#tellClosed = options.closed;
    this.sinceMs = options.io.monotonicMs();
    this.#handshake = new Handshake(options.exported);
    this.#window = new Window(
      options.memory.send,
      SLOT_COUNT,
      (slot, errno) => this.#acknowledged(slot, errno),
    );
    this.#sendView = viewOf(options.memory.send.bytes);
    this.#intake = new Intake(options.memory.receive, SEGMENT_COUNT);
  }

  /** Whether the client may still cause requests, or has some in flight. */
  get isOpen(): boolean {
    return this.#hasEntered && this.#phase !== "closed";
  }

  get isShakingHands(): boolean {
    return !this.#hasEntered && this.#phase !== "closed";
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  start(): void {
    this.#sendRaw(encodeGreeting());
    this.#receive();
  }

  /** Hangs up; requests in flight finish without a reply. */
  end(): void {
    if (this.#phase === "ended" || this.#phase === "closed") return;
    this.#phase = "ended";
    this.#io.shutdown(this.#fd);
    this.#settle();
  }

  /** Goes on decoding if that stalled, and sends what is ready. */
  endOfTurn(): void {
    // Still touched, so that what happens here does not ask for another call.
    if (this.#isStalled) {
      this.#isStalled = false;
      this.#decode();
      // Whoever has finished the turn already must get another one.
      this.#io.timer(0, ignore, 0);
    }
    this.#flush();
    this.#settle();
    this.#isTouched = false;
  }

  // ---- life --------------------------------------------------------------

  #touch(): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#tellTouched(this);
  }

  /** Replies still go out, requests do not come in. */
  #closeSoon(): void {
    this.#phase = "closing";
    this.#touch();
  }

  #settle(): void {
    if (this.#inFlight > 0 || this.#isSending) return;
    if (this.#phase === "closing" && this.#window.count === 0) this.end();
    if (this.#phase !== "ended" || this.#isReceiving) return;
    this.#phase = "closed";
    this.#io.close(this.#fd);
    this.#tellClosed(this);
  }

  // ---- sockets -----------------------------------------------------------

  #receive(): void {
    if (this.#isReceiving || this.#isStalled) return;
    if (!this.#isListening()) return;
    const intake = this.#intake;
    if (!intake.makeRoom()) {
      this.#isStalled = true;
      return;
    }
    this.#isReceiving = true;
    this.#io.receive(
      this.#fd,
      intake.memory,
      intake.filled,
      intake.roomBytes,
      this.#received,
      0,
    );
  }

  #isListening(): boolean {
    return this.#phase === "greeting" || this.#phase === "option" ||
      this.#phase === "transmission";
  }

  readonly #received = (result: number): void => {
    this.#isReceiving = false;
    if (this.#phase === "ended") {
      this.#settle();
    } else if (result > 0) {
      this.#intake.filled += result;
      this.#decode();
    } else {
      this.#hungUp(result);
    }
  };

  /** The client sends no more. Replies go out if it stopped in order. */
  #hungUp(result: number): void {
    const isInOrder = result === 0 && this.#phase === "transmission" &&
      this.#intake.availableBytes === 0 && this.#skipBytes === 0 &&
      this.#write === undefined && this.#read === undefined;
    if (isInOrder) this.#closeSoon();
    else this.end();
  }

  #flush(): void {
    if (this.#isSending) return;
    if (this.#phase === "ended" || this.#phase === "closed") return;
    const window = this.#window;
    if (!window.nextRun(this.#isStrict)) return;
    this.#isSending = true;
    this.#io.send(
      this.#fd,
      this.memory.send,
      window.runStart,
      window.runBytes,
      this.#sent,
      0,
    );
  }

  readonly #sent = (result: number): void => {
    this.#isSending = false;
    if (this.#phase === "ended") return this.#settle();
    if (result < 0) return this.end();
    this.#window.finishRun();
    if (this.#window.count === 0 && this.#read === undefined) {
      this.#isStrict = false;
    }
    this.#touch();
  };

  // ---- decoding ----------------------------------------------------------

  /** Decodes what there is, then receives more. */
  #decode(): void {
    while (this.#step());
    this.#receive();
    this.#touch();
  }

  /** One message, or one piece of one; false when something is missing. */
  #step(): boolean {
    if (!this.#isListening()) return false;
    if (this.#skipBytes > 0) return this.#skip();
    if (this.#phase === "greeting") return this.#takeFlags();
    if (this.#phase === "option") return this.#takeOption();
    if (this.#write !== undefined) return this.#takePayload(this.#write);
    if (this.#read !== undefined) return this.#readPart(this.#read);
    return this.#takeRequest();
  }

  #stall(): false {
    this.#isStalled = true;
    return false;
  }

  #skip(): boolean {
    const intake = this.#intake;
    const count = Math.min(this.#skipBytes, intake.availableBytes);
    intake.parsed += count;
    this.#skipBytes -= count;
    if (this.#skipBytes > 0) return false;
    if (this.#skipSlot === undefined) {
      this.#say(this.#handshake.answerTooBig(this.#skipOption));
    } else {
      this.#finish(this.#skipSlot);
      this.#skipSlot = undefined;
    }
    return true;
  }

  // ---- handshake ---------------------------------------------------------

  #takeFlags(): boolean {
    const intake = this.#intake;
    if (intake.availableBytes < CLIENT_FLAGS_BYTES) return false;
    const flags = intake.view.getUint32(intake.parsed);
    intake.parsed += CLIENT_FLAGS_BYTES;
    if (this.#handshake.begin(flags)) this.#phase = "option";
    else this.end();
    return true;
  }

  #takeOption(): boolean {
    const intake = this.#intake;
    const { availableBytes, parsed } = intake;
    if (availableBytes < OPTION_HEADER_BYTES) return false;
    const header = decodeOption(intake.view, parsed);
    if (header === undefined || this.#optionCount === OPTION_COUNT_MAX) {
      this.end();
      return false;
    }
    const { option, lengthBytes } = header;
    if (this.#window.freeSlotCount === 0) return this.#stall();
    if (!this.#window.hasRoom(ANSWER_BYTES_MAX)) return this.#stall();
    const start = parsed + OPTION_HEADER_BYTES;
    if (lengthBytes > OPTION_BYTES_MAX) {
      intake.parsed = start;
      this.#skipBytes = lengthBytes;
      this.#skipOption = option;
    } else if (availableBytes < OPTION_HEADER_BYTES + lengthBytes) {
      return false;
    } else {
      intake.parsed = start + lengthBytes;
      const content = intake.bytes.slice(start, start + lengthBytes);
      this.#say(this.#handshake.answer(option, content));
    }
    this.#optionCount++;
    return true;
  }

  #say(answer: OptionAnswer): void {
    if (answer.reply.length > 0) this.#sendRaw(answer.reply);
    if (answer.next === "transmission") {
      this.#phase = "transmission";
      this.#hasEntered = true;
    }
    if (answer.next !== "end") return;
    if (answer.reply.length > 0) this.#closeSoon();
    else this.end();
  }

  #sendRaw(reply: Uint8Array): void {
    assert(reply.length <= ANSWER_BYTES_MAX, "Answer is bounded");
    const slot = this.#window.take();
    slot.reply = "raw";
    this.#window.reserve(slot, reply.length);
    this.memory.send.bytes.set(reply, slot.replyStart);
    slot.state = "ready";
    this.#touch();
  }

  // ---- requests ----------------------------------------------------------

  #takeRequest(): boolean {
    const intake = this.#intake;
    if (intake.availableBytes < REQUEST_BYTES) return false;
    if (!this.#header.decode(intake.view, intake.parsed)) {
      this.end();
      return false;
    }
    // The request and the first piece of it.
    if (this.#window.freeSlotCount < 2) return this.#stall();
    switch (this.#header.type) {
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
        this.#closeSoon();
        return false;
      default:
        return this.#beginPlain(undefined);
    }
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

  #beginPlain(kind: BlockRequest["kind"] | undefined): boolean {
    if (!this.#window.hasRoom(SIMPLE_REPLY_BYTES)) return this.#stall();
    const errno = kind === undefined ? ERRNO.EINVAL : this.#check(kind);
    const slot = this.#slotFor(kind ?? "flush", "simple", errno);
    this.#window.reserve(slot, SIMPLE_REPLY_BYTES);
    if (errno === 0) this.#submit(slot);
    else this.#finish(slot);
    return true;
  }

  #beginWrite(): boolean {
    if (!this.#window.hasRoom(SIMPLE_REPLY_BYTES)) return this.#stall();
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
      this.#skipBytes = lengthBytes;
      this.#skipSlot = slot;
    }
    return true;
  }

  /** Submits the payload of `write`, or as much of it as can be. */
  #takePayload(write: Slot): boolean {
    const intake = this.#intake;
    const left = this.#writeLeft;
    if (intake.availableBytes >= left) {
      if (left === write.lengthBytes) {
        this.#submitPayload(write);
      } else {
        if (this.#window.freeSlotCount === 0) return this.#stall();
        this.#submitPiece(write, left);
        this.#pieceDone(write, 0);
      }
      this.#write = undefined;
      return true;
    }
    if (!intake.isFull) return false;
    const offsetBytes = write.offsetBytes + write.lengthBytes - left;
    const endBytes = alignDown(
      offsetBytes + intake.availableBytes,
      PIECE_ALIGNMENT_BYTES,
    );
    // What is left over is short, and moves to another segment.
    if (endBytes <= offsetBytes) return false;
    if (this.#window.freeSlotCount === 0) return this.#stall();
    this.#submitPiece(write, endBytes - offsetBytes);
    return true;
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

  #beginRead(): boolean {
    const { lengthBytes } = this.#header;
    const { isStructured } = this.#handshake;
    const window = this.#window;
    const isTooLong = lengthBytes > PAYLOAD_BYTES_MAX;
    const errno = isTooLong ? ERRNO.EINVAL : this.#check("read");
    if (errno !== 0) {
      const replyBytes = isStructured ? ERROR_CHUNK_BYTES : SIMPLE_REPLY_BYTES;
      if (!window.hasRoom(replyBytes)) return this.#stall();
      const reply = isStructured ? "chunk" : "simple";
      const slot = this.#slotFor("read", reply, errno);
      window.reserve(slot, replyBytes);
      this.#finish(slot);
    } else if (lengthBytes <= READ_BYTES_MAX) {
      const headBytes = isStructured ? DATA_CHUNK_BYTES : SIMPLE_REPLY_BYTES;
      if (!window.hasRoom(headBytes + lengthBytes)) return this.#stall();
      const reply = isStructured ? "chunk" : "data";
      this.#submitRead(this.#slotFor("read", reply, 0), headBytes);
    } else {
      if (!isStructured && window.count > 0) return this.#stall();
      const reply = isStructured ? "end" : "none";
      const slot = this.#slotFor("read", reply, 0);
      // Not finished before all parts are under way.
      slot.piecesLeft = 1;
      this.#read = slot;
      this.#readLeft = lengthBytes;
      this.#isStrict = !isStructured;
    }
    return true;
  }

  /** Starts the next part of a long read, or ends it. */
  #readPart(read: Slot): boolean {
    const { isStructured } = this.#handshake;
    const window = this.#window;
    const isFirst = this.#readLeft === read.lengthBytes;
    if (this.#isFirstPending) return this.#stall();
    if (this.#readLeft === 0) {
      if (isStructured) {
        if (!window.hasRoom(CHUNK_HEADER_BYTES)) return this.#stall();
        window.reserve(read, CHUNK_HEADER_BYTES);
      }
      this.#read = undefined;
      this.#pieceDone(read, 0);
      return true;
    }
    const lengthBytes = Math.min(this.#readLeft, READ_BYTES_MAX);
    const headBytes = isStructured
      ? DATA_CHUNK_BYTES
      : isFirst
      ? SIMPLE_REPLY_BYTES
      : 0;
    if (window.freeSlotCount === 0) return this.#stall();
    if (!window.hasRoom(headBytes + lengthBytes)) return this.#stall();
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
    return true;
  }

  #submitRead(slot: Slot, headBytes: number): void {
    this.#window.reserve(slot, headBytes + slot.lengthBytes);
    slot.memory = this.memory.send;
    slot.start = slot.replyStart + headBytes;
    this.#submit(slot);
  }

  #submit(slot: Slot): void {
    this.#inFlight++;
    this.#target.submit(slot, slot.acknowledge);
  }

  // ---- replies -----------------------------------------------------------

  #acknowledged(slot: Slot, errno: number): void {
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
    this.#touch();
  }

  /** A part of a long read is there, or has failed. */
  #partRead(part: Slot): void {
    this.#finish(part);
    if (this.#handshake.isStructured) return;
    // Behind the header of a success there is no way to tell an error.
    if (part.reply === "rest" && part.errno !== 0) this.end();
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
    encodeReply(this.#sendView, slot);
    slot.state = "ready";
  }
}

function ignore(): void {}
