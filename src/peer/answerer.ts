// Pure
/**
 * The acceptor's end of calls: runs handlers and sends what they answer.
 *
 * A buffer that a handler was lent goes back when the answer to its call has
 * been sent, whatever that was. A line that is lost takes its buffers with it.
 */
import { assert } from "../base/assert.ts";
import { FormatError, MarsError } from "../base/errors.ts";
import { Buffers } from "./buffers.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  type FrameKind,
  type FrameLimits,
  LINE_LIMITS,
} from "./frame.ts";
import {
  ANSWER_BUFFER_BYTES,
  ANSWER_BUFFERS_MAX,
  CALLS_IN_FLIGHT_MAX,
  decodeJsonObject,
  EMPTY_BODY,
  isJsonObject,
  type JsonObject,
  REFUSAL_CHARACTERS_MAX,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
  type SendFrame,
} from "./rpc.ts";

/** Answers the calls of one line. */
export class RpcAnswerer {
  readonly #peer: string;
  readonly #handlers: RpcHandlers;
  readonly #send: SendFrame;
  readonly #report: (method: string, error: unknown) => void;
  readonly #limits: FrameLimits;
  readonly #running = new Map<number, RunningCall>();
  readonly #buffers = new Buffers({
    lengthBytes: ANSWER_BUFFER_BYTES,
    countMax: ANSWER_BUFFERS_MAX,
  });
  #isLost = false;

  /** `report` learns of errors that are not MarsErrors. */
  constructor(
    options: {
      peer: string;
      handlers: RpcHandlers;
      send: SendFrame;
      report: (method: string, error: unknown) => void;
      limits?: FrameLimits;
    },
  ) {
    this.#peer = options.peer;
    this.#handlers = options.handlers;
    this.#send = options.send;
    this.#report = options.report;
    this.#limits = options.limits ?? LINE_LIMITS;
  }

  /** Calls received and not yet answered. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Takes a call or a cancel. @throws FormatError */
  receive(frame: Frame): void {
    if (frame.kind === FRAME_KIND.cancel) {
      // Crossing its reply on the line is normal.
      this.#running.get(frame.id)?.abort.abort();
      return;
    }
    const { method, params } = decodeCall(frame);
    if (this.#running.has(frame.id)) {
      throw new FormatError(`Cannot take call "${frame.id}": the id is in use`);
    }
    if (this.#running.size >= CALLS_IN_FLIGHT_MAX) {
      throw new FormatError(
        `Cannot take a call of "${method}": ${CALLS_IN_FLIGHT_MAX} are in ` +
          `flight already`,
      );
    }
    const running = { abort: new AbortController(), buffer: undefined };
    this.#running.set(frame.id, running);
    this.#run(frame.id, method, {
      peer: this.#peer,
      params,
      body: frame.body,
      signal: running.abort.signal,
      buffer: () => this.#lend(frame.id, running),
    });
  }

  /** The line has ended: signals abort, late replies go nowhere. */
  lose(): void {
    this.#isLost = true;
    for (const { abort } of this.#running.values()) abort.abort();
    this.#running.clear();
  }

  async #run(id: number, method: string, call: RpcCall): Promise<void> {
    try {
      const handler = Object.hasOwn(this.#handlers, method)
        ? this.#handlers[method]
        : undefined;
      if (handler === undefined) {
        throw new MarsError(`Cannot call "${method}": there is no such method`);
      }
      const reply = await handler(call);
      this.#answer(id, FRAME_KIND.reply, reply);
    } catch (error) {
      if (!(error instanceof MarsError)) this.#report(method, error);
      const message = error instanceof MarsError
        ? error.message.slice(0, REFUSAL_CHARACTERS_MAX)
        : "Internal error";
      const refusal = { params: { message }, body: EMPTY_BODY };
      this.#answer(id, FRAME_KIND.refusal, refusal);
    }
  }

  /** @throws FormatError if the reply is too large; then nothing was sent */
  #answer(id: number, kind: FrameKind, reply: RpcReply): void {
    if (this.#isLost) return;
    const json = JSON.stringify(reply.params);
    const head = encodeFrameHead(
      { kind, id, json, bodyBytes: reply.body.length },
      this.#limits,
    );
    const buffer = this.#running.get(id)?.buffer;
    this.#running.delete(id);
    this.#send(head, reply.body, () => {
      if (buffer !== undefined) this.#buffers.giveBack(buffer);
    });
  }

  async #lend(id: number, running: RunningCall): Promise<Uint8Array> {
    const buffer = await this.#buffers.take(running.abort.signal);
    if (this.#running.get(id) !== running) {
      this.#buffers.giveBack(buffer);
      throw new MarsError("Call has ended");
    }
    assert(running.buffer === undefined, "a call has one buffer");
    running.buffer = buffer;
    return buffer;
  }
}

interface RunningCall {
  readonly abort: AbortController;
  buffer: Uint8Array | undefined;
}

function decodeCall(frame: Frame): { method: string; params: JsonObject } {
  if (frame.kind !== FRAME_KIND.call) {
    throw new FormatError(`Cannot take a frame of kind "${frame.kind}" here`);
  }
  const { method, params } = decodeJsonObject(frame.json);
  if (typeof method !== "string" || !isJsonObject(params)) {
    throw new FormatError("Cannot read a call: method or params are missing");
  }
  return { method, params };
}
