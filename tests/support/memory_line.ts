/**
 * A line between two hosts in memory, with faults.
 *
 * Calls go to the handlers directly, as JSON, so that nothing passes that a
 * real line could not carry. `fault` decides per call, counted from 0:
 *
 *   "none"       handled and answered
 *   "cut"        the line is lost before the call arrives
 *   "cutReply"   handled, then the line is lost before the answer arrives
 *   "cutBody"    likewise, but a third of the body has arrived
 *   "duplicate"  handled twice; the caller sees the second answer
 *
 * `delay` lets answers overtake each other; `onReply` changes what a handler
 * has answered, as a peer may that is wrong or hostile.
 */
import { MarsError, messageOf } from "../../src/base/errors.ts";
import {
  ANSWER_BUFFER_BYTES,
  EMPTY_BODY,
  type JsonObject,
  type RpcCallOptions,
  type RpcClient,
  type RpcHandlers,
  type RpcReply,
} from "../../src/peer/rpc.ts";

export type Fault = "none" | "cut" | "cutReply" | "cutBody" | "duplicate";

export type MemoryLineOptions = {
  /** The host that calls, and the one that answers. */
  readonly from: string;
  readonly peer: string;
  readonly handlers: RpcHandlers;
  readonly features?: readonly string[];
  readonly fault?: (index: number, method: string) => Fault;
  readonly delay?: (index: number) => Promise<void>;
  readonly onReply?: (reply: RpcReply, index: number) => RpcReply;
};

export class MemoryLine implements RpcClient {
  readonly peer: string;
  readonly features: ReadonlySet<string>;
  readonly closed: Promise<void>;
  /** Methods of all calls so far. */
  readonly calls: string[] = [];
  readonly #options: MemoryLineOptions;
  readonly #lost = new AbortController();
  #close: () => void = () => {};
  /** Handlers at work; a test waits for them so that nothing outlives it. */
  readonly #working = new Set<Promise<unknown>>();

  constructor(options: MemoryLineOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.features = new Set(options.features);
    this.closed = new Promise((resolve) => this.#close = resolve);
  }

  close(): void {
    this.#lost.abort();
    this.#close();
  }

  /** Resolves when no handler is at work any more. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
  }

  call(
    method: string,
    params: JsonObject,
    options: RpcCallOptions = {},
  ): Promise<RpcReply> {
    const index = this.calls.length;
    this.calls.push(method);
    // What the caller's signal aborts is the handler's to notice.
    const own = new AbortController();
    const signals = [this.#lost.signal, own.signal];
    if (options.signal !== undefined) signals.push(options.signal);
    const signal = AbortSignal.any(signals);
    return new Promise((resolve, reject) => {
      const lose = (): void => reject(new MarsError("Lost the line"));
      if (signal.aborted) return lose();
      signal.addEventListener("abort", lose, { once: true });
      const work = this.#handle(index, { method, params, options, signal })
        .then(resolve, reject);
      this.#working.add(work);
      void work.finally(() => this.#working.delete(work));
    });
  }

  async #handle(
    index: number,
    call: {
      method: string;
      params: JsonObject;
      options: RpcCallOptions;
      signal: AbortSignal;
    },
  ): Promise<RpcReply> {
    const { fault, delay, onReply } = this.#options;
    const kind = fault?.(index, call.method) ?? "none";
    await delay?.(index);
    if (kind === "cut") {
      this.close();
      throw new MarsError("Lost the line");
    }
    if (kind === "duplicate") await this.#answer(call);
    const answer = await this.#answer(call);
    const reply = onReply?.(answer, index) ?? answer;
    if (kind === "cutReply") {
      this.close();
      throw new MarsError("Lost the line");
    }
    if (kind === "cutBody") {
      const part = reply.body.subarray(0, Math.floor(reply.body.length / 3));
      call.options.into?.set(part);
      if (part.length > 0) call.options.onPart?.(reply.params, part.length);
      this.close();
      throw new MarsError("Lost the line");
    }
    await delay?.(index);
    const { into } = call.options;
    const hasRoom = into !== undefined && into.length >= reply.body.length &&
      !call.signal.aborted;
    if (!hasRoom) return reply;
    into.set(reply.body);
    return { ...reply, body: into.subarray(0, reply.body.length) };
  }

  async #answer(
    call: {
      method: string;
      params: JsonObject;
      options: RpcCallOptions;
      signal: AbortSignal;
    },
  ): Promise<RpcReply> {
    const handler = this.#options.handlers[call.method];
    if (handler === undefined) throw new MarsError("Unknown method");
    try {
      const reply = await handler({
        peer: this.#options.from,
        params: JSON.parse(JSON.stringify(call.params)),
        body: (call.options.body ?? EMPTY_BODY).slice(),
        signal: call.signal,
        // What was there before must not show.
        buffer: () =>
          Promise.resolve(new Uint8Array(ANSWER_BUFFER_BYTES).fill(0xee)),
      });
      return {
        params: JSON.parse(JSON.stringify(reply.params)),
        body: reply.body,
      };
    } catch (error) {
      // The caller sees a text, whatever class it had.
      if (!(error instanceof MarsError)) throw error;
      throw new MarsError(messageOf(error));
    }
  }
}
