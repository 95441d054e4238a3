// Pure
/**
 * One client of the NBD server.
 *
 *   greeting ─► option ─► transmission ─► closing ─► ended ─► closed
 *                  └──────────┴───────────────┴────────┘ at any error
 *
 * Receiving: one receive takes as much as has come, see `nbd_intake.ts`; what it
 * asks for is decoded at once, see `nbd_transmission.ts`.
 *
 * Sending: one send per turn takes all replies that are ready and adjacent, see
 * `nbd_window.ts`.
 *
 * Back-pressure: without a free slot, room for the reply or a free segment
 * decoding stalls and nothing is received, until an acknowledgement or a
 * finished send makes room.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { Memory, SocketIo } from "../ring/io.ts";
import type { BlockTarget } from "../block/request.ts";
import {
  Handshake,
  type NbdExport,
  type OptionAnswer,
} from "./nbd_handshake.ts";
import { Intake } from "./nbd_intake.ts";
import {
  CLIENT_FLAGS_BYTES,
  decodeOption,
  encodeGreeting,
  OPTION_HEADER_BYTES,
} from "./nbd_protocol.ts";
import { READ_BYTES_MAX, type Step, Transmission } from "./nbd_transmission.ts";
import { type Slot, Window } from "./nbd_window.ts";

const SEGMENT_COUNT = 4;
/** Longer segments gained nothing: a unix socket holds about 200 KiB. */
export const RECEIVE_BYTES = SEGMENT_COUNT * 128 * 1024;
/** Replies not yet sent, with their data: four parts and many small ones. */
export const SEND_BYTES = 4 * READ_BYTES_MAX + 32 * 1024;
/** Requests and pieces in flight; the kernel's client sends 128 at most. */
const SLOT_COUNT = 256;
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
  readonly #intake: Intake;
  #transmission: Transmission | undefined = undefined;

  #phase: Phase = "greeting";
  #isTouched = false;
  #optionCount = 0;
  #isReceiving = false;
  #isSending = false;
  #isStalled = false;
  /** The option whose content is being skipped; -1 for none. */
  #skipOption = -1;

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
    this.#intake = new Intake(options.memory.receive, SEGMENT_COUNT);
  }

  /** Whether the client may still cause requests, or has some in flight. */
  get isOpen(): boolean {
    return this.#transmission !== undefined && this.#phase !== "closed";
  }

  get isShakingHands(): boolean {
    return this.#transmission === undefined && this.#phase !== "closed";
  }

  get inFlight(): number {
    return this.#transmission?.inFlight ?? 0;
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
    if (this.inFlight > 0 || this.#isSending) return;
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
      this.#transmission?.isTorn === false;
    if (isInOrder) this.#closeSoon();
    else this.end();
  }

  #flush(): void {
    if (this.#isSending) return;
    if (this.#phase === "ended" || this.#phase === "closed") return;
    const window = this.#window;
    if (!window.nextRun(this.#transmission?.isStrict ?? false)) return;
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
    switch (this.#phase) {
      case "greeting":
        return this.#perform(this.#takeFlags());
      case "option":
        return this.#perform(this.#takeOption());
      case "transmission":
        return this.#perform(this.#transmission?.step() ?? "starved");
      case "closing":
      case "ended":
      case "closed":
        return false;
      default:
        return unreachable(this.#phase);
    }
  }

  #perform(step: Step): boolean {
    switch (step) {
      case "again":
        return true;
      case "starved":
        return false;
      case "stalled":
        this.#isStalled = true;
        return false;
      case "disconnect":
        this.#closeSoon();
        return false;
      case "garbage":
        this.end();
        return false;
      default:
        return unreachable(step);
    }
  }

  #acknowledged(slot: Slot, errno: number): void {
    const transmission = this.#transmission;
    assert(transmission !== undefined, "Only requests are acknowledged");
    transmission.acknowledged(slot, errno);
  }

  // ---- handshake ---------------------------------------------------------

  #takeFlags(): Step {
    const intake = this.#intake;
    if (intake.availableBytes < CLIENT_FLAGS_BYTES) return "starved";
    const flags = intake.view.getUint32(intake.parsed);
    intake.parsed += CLIENT_FLAGS_BYTES;
    if (!this.#handshake.begin(flags)) return "garbage";
    this.#phase = "option";
    return "again";
  }

  #takeOption(): Step {
    const intake = this.#intake;
    if (this.#skipOption >= 0) {
      if (!intake.skip()) return "starved";
      this.#say(this.#handshake.answerTooBig(this.#skipOption));
      this.#skipOption = -1;
      return "again";
    }
    if (this.#optionCount === OPTION_COUNT_MAX) return "garbage";
    if (intake.availableBytes < OPTION_HEADER_BYTES) return "starved";
    if (this.#window.freeSlotCount === 0) return "stalled";
    if (!this.#window.hasRoom(ANSWER_BYTES_MAX)) return "stalled";
    const header = decodeOption(intake.view, intake.parsed);
    if (header === undefined) return "garbage";
    const { option, lengthBytes } = header;
    const totalBytes = OPTION_HEADER_BYTES + lengthBytes;
    if (lengthBytes > OPTION_BYTES_MAX) {
      intake.skipBytes = totalBytes;
      this.#skipOption = option;
      this.#optionCount++;
      return "again";
    }
    if (intake.availableBytes < totalBytes) return "starved";
    this.#optionCount++;
    const endBytes = intake.parsed + totalBytes;
    const start = intake.parsed + OPTION_HEADER_BYTES;
    const content = intake.bytes.slice(start, endBytes);
    intake.parsed = endBytes;
    this.#say(this.#handshake.answer(option, content));
    return "again";
  }

  #say(answer: OptionAnswer): void {
    if (answer.reply.length > 0) this.#sendRaw(answer.reply);
    if (answer.next === "transmission") this.#enter();
    if (answer.next !== "end") return;
    if (answer.reply.length > 0) this.#closeSoon();
    else this.end();
  }

  #enter(): void {
    this.#phase = "transmission";
    this.#transmission = new Transmission({
      target: this.#target,
      exported: this.#export,
      intake: this.#intake,
      window: this.#window,
      replies: this.#handshake.isStructured ? "structured" : "simple",
      touched: () => this.#touch(),
      failed: () => this.end(),
    });
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
}

function ignore(): void {}
