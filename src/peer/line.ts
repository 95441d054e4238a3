/**
 * A line: frames over one TLS socket, alive or dead.
 *
 *   sending    frames wait in a queue and go out in order, in writes of at most
 *              WRITE_BYTES; large bodies are not copied on the way
 *   reading    pauses while more than QUEUE_BYTES_MAX wait to be sent: whoever
 *              does not take answers is not heard
 *   pace       both directions keep to a rate, if there is one
 *   liveness   each end sends something at least every `pingMs`, whatever it
 *              hears: where one direction is full, a sign of life must not wait
 *              behind what fills it. After `silenceMs` without a byte from the
 *              peer the line is dead, also if only one direction is
 *   end        for one reason, given once; nothing is sent or heard after it
 */
import { FormatError, MarsError, messageOf } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  FrameDecoder,
  type FrameLimits,
  LINE_LIMITS,
  type RoomFor,
} from "./frame.ts";
import { concat } from "./key.ts";
import type { LinePace } from "./pace.ts";
import { EMPTY_BODY } from "./rpc.ts";

/** When silence is noticed. */
export interface LineTiming {
  /** From accept to the end of the handshake. */
  readonly handshakeMs: number;
  readonly pingMs: number;
  readonly silenceMs: number;
}

/** Two signs of life may be late before a line is given up. */
export const LINE_TIMING: LineTiming = timingOf(10_000);

/** The timing of a line that is dead after so much silence. */
export function timingOf(silenceMs: number): LineTiming {
  return { handshakeMs: 10_000, pingMs: silenceMs / 3, silenceMs };
}

/** What a line needs of a TLS socket. */
export interface LineSocket {
  setNoDelay(on: boolean): unknown;
  on(event: "data", take: (chunk: Uint8Array) => void): unknown;
  on(event: "error", take: (error: Error) => void): unknown;
  on(event: "end" | "close", take: () => void): unknown;
  write(bytes: Uint8Array, written: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

// 64 KiB: what `node:tls` takes at once. Of a larger write it copies the rest
// over and over, and smaller ones cost more turns. See tests/bench/link.ts.
const WRITE_BYTES = 64 * 1024;

/** Prescribed by TLS: plaintext of one record. Parts below it are put together. */
const RECORD_BYTES = 16 * 1024;

// Ours. A write that takes longer is followed by shorter ones, so that one that
// has ended is a sign of life on the slowest line.
const SLOW_WRITE_MS = 1_000;
const WRITE_BYTES_MIN = 4 * 1024;

// Ours. How late a change of the rate may be noticed by who waits.
const PACE_LOOK_MS = 500;

/** Bytes waiting to be sent beyond which a line does not read. */
const QUEUE_BYTES_MAX = 1024 * 1024;

/** A line at work. */
export class Line {
  /** Takes each frame but pings. What it throws ends the line. */
  onFrame: (frame: Frame) => void = () => {};
  /** Lends memory to bodies that come in. */
  roomFor: RoomFor = () => undefined;
  /** Called about every `pingMs`; what it throws ends the line. */
  onTick: () => void = () => {};
  /** Resolves, never rejects, with the reason. */
  readonly ended: Promise<MarsError>;

  readonly #socket: LineSocket;
  #timing: LineTiming;
  readonly #clock: Clock;
  readonly #decoder: FrameDecoder;
  readonly #resolveEnded: (reason: MarsError) => void;
  #queue: Part[] = [];
  /** Whom to tell when the write that is running has ended. */
  #sent: (() => void)[] = [];
  #queuedBytes = 0;
  #writeBytesMax = WRITE_BYTES;
  #isWriting = false;
  /** Too much waits to be sent. */
  #isPaused = false;
  /** Too much has come in too short a time. */
  #isHeld = false;
  #isReading = true;
  #isEnded = false;
  #heardMs: number;
  #sentMs: number;
  #tickMs: number;
  #ticker: ReturnType<typeof setTimeout> | undefined;
  #pace: LinePace | undefined;
  #sendTimer: ReturnType<typeof setTimeout> | undefined;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;

  /** `socket` belongs to the line from now on; nothing is read before `start`. */
  constructor(
    options: {
      socket: LineSocket;
      limits: FrameLimits;
      timing: LineTiming;
      clock: Clock;
    },
  ) {
    this.#socket = options.socket;
    this.#timing = options.timing;
    this.#clock = options.clock;
    this.#heardMs = this.#sentMs = this.#tickMs = this.#clock.monotonicMs();
    this.#decoder = new FrameDecoder(
      options.limits,
      (header) => this.roomFor(header),
    );
    const { promise, resolve } = Promise.withResolvers<MarsError>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    this.#socket.setNoDelay(true);
    this.#socket.on("error", (error) =>
      this.end(
        new MarsError(`Line was lost: ${messageOf(error)}`, { cause: error }),
      ));
    this.#socket.on(
      "end",
      () => this.end(new MarsError("Line was closed by the peer")),
    );
    this.#socket.on("close", () => this.end(new MarsError("Line was lost")));
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Starts reading. */
  start(): void {
    if (this.#isEnded) return;
    // A plain view, because `slice` of a `Buffer` would not copy.
    this.#socket.on("data", (chunk: Uint8Array) =>
      this.#take(
        new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength),
      ));
  }

  /**
   * From now on the peer is known: wide limits, and signs of life.
   *
   * @param pace undefined: as fast as it goes
   * @param timing undefined: as before
   */
  establish(pace?: LinePace, timing?: LineTiming): void {
    if (this.#isEnded) return;
    this.#pace = pace;
    this.#timing = timing ?? this.#timing;
    this.#decoder.limits = LINE_LIMITS;
    this.#heardMs = this.#tickMs = this.#clock.monotonicMs();
    this.#tickLater();
  }

  /** Keeps to another timing from now on. */
  retime(timing: LineTiming): void {
    if (this.#isEnded) return;
    this.#timing = timing;
    // What was no silence until now must not end it.
    this.#heardMs = this.#tickMs = this.#clock.monotonicMs();
    clearTimeout(this.#ticker);
    this.#tickLater();
  }

  /** Queues a frame; see `SendFrame`. */
  readonly send = (
    head: Uint8Array,
    body: Uint8Array,
    sent?: () => void,
  ): void => {
    if (this.#isEnded) return;
    const isBody = body.length > 0;
    this.#queue.push({ bytes: head, sent: isBody ? undefined : sent });
    if (isBody) this.#queue.push({ bytes: body, sent });
    this.#queuedBytes += head.length + body.length;
    if (!this.#isPaused && this.#queuedBytes > QUEUE_BYTES_MAX) {
      this.#isPaused = true;
      this.#readOrNot();
    }
    if (!this.#isWriting) this.#writeNext();
  };

  /** Ends the line at once. The first reason counts. */
  end(reason: MarsError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#ticker);
    clearTimeout(this.#sendTimer);
    clearTimeout(this.#holdTimer);
    this.#queue = [];
    this.#socket.destroy();
    this.#resolveEnded(reason);
  }

  #take(chunk: Uint8Array): void {
    this.#heardMs = this.#clock.monotonicMs();
    this.#pace?.receiving.pass(chunk.length);
    this.#holdBack();
    try {
      this.#decoder.push(chunk, (frame) => {
        if (!this.#isEnded) this.#deliver(frame);
      });
    } catch (error) {
      this.end(asReason(error));
    }
  }

  /** Reads no further until that is allowed. */
  #holdBack(): void {
    const waitMs = this.#pace?.receiving.waitMs() ?? 0;
    if (this.#isEnded || waitMs <= 0) {
      this.#isHeld = false;
      return this.#readOrNot();
    }
    clearTimeout(this.#holdTimer);
    this.#isHeld = true;
    this.#readOrNot();
    this.#holdTimer = setTimeout(
      () => this.#holdBack(),
      Math.ceil(Math.min(waitMs, PACE_LOOK_MS)),
    );
  }

  #readOrNot(): void {
    if (this.#isEnded) return;
    const isReading = !this.#isPaused && !this.#isHeld;
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    // What waits in the socket is no silence.
    this.#heardMs = this.#clock.monotonicMs();
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  #deliver(frame: Frame): void {
    if (frame.kind === FRAME_KIND.ping) return this.#sendKind("pong");
    if (frame.kind === FRAME_KIND.pong) return;
    this.onFrame(frame);
  }

  #sendKind(kind: "ping" | "pong"): void {
    const head = encodeFrameHead(
      { kind: FRAME_KIND[kind], id: 0, json: "", bodyBytes: 0 },
      LINE_LIMITS,
    );
    this.send(head, EMPTY_BODY);
  }

  #writeNext(): void {
    this.#isWriting = true;
    const sending = this.#pace?.sending;
    const waitMs = sending?.waitMs() ?? 0;
    if (waitMs > 0) {
      this.#sendTimer = setTimeout(
        () => this.#writeNext(),
        Math.ceil(Math.min(waitMs, PACE_LOOK_MS)),
      );
      return;
    }
    const bytes = this.#takeBytes(
      Math.min(this.#writeBytesMax, sending?.pieceBytes() ?? Infinity),
    );
    sending?.pass(bytes.length);
    this.#sentMs = this.#clock.monotonicMs();
    this.#socket.write(bytes, () => this.#written(bytes.length));
  }

  /** The next write: a view of a large body, or small parts put together. */
  #takeBytes(pieceBytes: number): Uint8Array {
    const firstBytes = this.#queue[0]?.bytes.length ?? 0;
    if (firstBytes >= RECORD_BYTES || this.#queue.length === 1) {
      return this.#takeUpTo(pieceBytes);
    }
    const parts: Uint8Array[] = [];
    let room = Math.min(RECORD_BYTES, pieceBytes);
    while (room > 0 && this.#queue.length > 0) {
      const part = this.#takeUpTo(room);
      parts.push(part);
      room -= part.length;
    }
    return concat(parts);
  }

  /** Takes the first part of the queue, or as much of it as is wanted. */
  #takeUpTo(bytesMax: number): Uint8Array {
    const first = this.#queue[0];
    if (first === undefined) return EMPTY_BODY;
    const { bytes, sent } = first;
    if (bytes.length <= bytesMax) {
      this.#queue.shift();
      if (sent !== undefined) this.#sent.push(sent);
      return bytes;
    }
    first.bytes = bytes.subarray(bytesMax);
    return bytes.subarray(0, bytesMax);
  }

  #written(bytes: number): void {
    this.#isWriting = false;
    if (this.#isEnded) return;
    const tookMs = this.#clock.monotonicMs() - this.#sentMs;
    this.#writeBytesMax = tookMs > SLOW_WRITE_MS
      ? Math.max(this.#writeBytesMax / 2, WRITE_BYTES_MIN)
      : Math.min(this.#writeBytesMax * 2, WRITE_BYTES);
    for (const tell of this.#sent.splice(0)) tell();
    this.#queuedBytes -= bytes;
    if (this.#isPaused) {
      // While it is not heard, taking answers is the peer's sign of life.
      this.#heardMs = this.#clock.monotonicMs();
      if (this.#queuedBytes <= QUEUE_BYTES_MAX) {
        this.#isPaused = false;
        this.#readOrNot();
      }
    }
    if (this.#queue.length > 0) this.#writeNext();
  }

  #tickLater(): void {
    if (this.#isEnded) return;
    this.#ticker = setTimeout(() => {
      this.#tick();
      this.#tickLater();
    }, this.#timing.pingMs);
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    // This process slept: what the peer sent meanwhile was not read yet.
    const hasSlept = nowMs - this.#tickMs > 2 * this.#timing.pingMs;
    // Held back, the peer is not heard; its bytes are in the socket.
    if (hasSlept || this.#isHeld) this.#heardMs = nowMs;
    this.#tickMs = nowMs;
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= this.#timing.silenceMs) {
      const text = `Line was lost: no sign of life for ${
        Math.round(silentMs)
      } ms`;
      return this.end(new MarsError(text));
    }
    try {
      this.onTick();
    } catch (error) {
      return this.end(asReason(error));
    }
    // Half the period: a ping goes out at every tick of an idle line.
    const halfMs = this.#timing.pingMs / 2;
    if (silentMs >= halfMs) this.#sendKind("ping");
    else if (!this.#isWriting && nowMs - this.#sentMs >= halfMs) {
      // The peer may be sending without a pause and have nothing to hear.
      this.#sendKind("pong");
    }
  }
}

/** What is left to be sent of a head or a body. */
interface Part {
  bytes: Uint8Array;
  readonly sent: (() => void) | undefined;
}

/** What ends a line is a MarsError; a frame of ours that is none is a bug. */
function asReason(error: unknown): MarsError {
  if (error instanceof FormatError) {
    return new MarsError(`Line was closed: ${error.message}`, { cause: error });
  }
  if (error instanceof MarsError) return error;
  return new MarsError(`Line failed: ${messageOf(error)}`, { cause: error });
}
