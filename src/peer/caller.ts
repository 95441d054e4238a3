// Pure
/**
 * The dialer's end of calls: hands out ids and matches replies.
 *
 * A call is in one of these states; only the last frees its place.
 *
 *   waiting   CALLS_IN_FLIGHT_MAX others are in flight
 *   wanted    sent
 *   unwanted  sent, but timed out or aborted: its answer will be dropped
 *   (gone)    answered, or given up while waiting
 */
import { FormatError, MarsError, TimeoutError } from "../base/errors.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  type FrameHeader,
  type FrameLimits,
  LINE_LIMITS,
  type Room,
} from "./frame.ts";
import {
  type After,
  CALLS_IN_FLIGHT_MAX,
  CALLS_WAITING_MAX,
  decodeJsonObject,
  EMPTY_BODY,
  type JsonObject,
  type RpcCallOptions,
  type RpcReply,
  type SendFrame,
} from "./rpc.ts";

/** Makes calls on one line. */
export class RpcCaller {
  readonly #peer: string;
  readonly #send: SendFrame;
  readonly #after: After;
  readonly #limits: FrameLimits;
  readonly #callsMax: number;
  readonly #inFlight = new Map<number, PendingCall>();
  readonly #waiting = new Set<PendingCall>();
  #nextId = 1;
  #lost: MarsError | undefined;

  constructor(
    options: {
      peer: string;
      send: SendFrame;
      after: After;
      limits?: FrameLimits;
      /** How many calls the peer takes at once. */
      callsMax?: number;
    },
  ) {
    this.#peer = options.peer;
    this.#send = options.send;
    this.#after = options.after;
    this.#limits = options.limits ?? LINE_LIMITS;
    this.#callsMax = options.callsMax ?? CALLS_IN_FLIGHT_MAX;
  }

  /** See `RpcClient.call`. */
  call(
    method: string,
    params: JsonObject,
    options: RpcCallOptions = {},
  ): Promise<RpcReply> {
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs } = options;
      const problem = this.#lost ?? this.#problem(method, signal);
      if (problem !== undefined) return reject(problem);
      const call = new PendingCall(
        JSON.stringify({ method, params }),
        options.body ?? EMPTY_BODY,
        options,
        { resolve, reject },
      );
      if (signal !== undefined) {
        const abort = (): void =>
          this.#drop(call, new MarsError(`Call of "${method}" was canceled`));
        signal.addEventListener("abort", abort, { once: true });
        call.undo.push(() => signal.removeEventListener("abort", abort));
      }
      if (timeoutMs !== undefined) {
        call.undo.push(this.#after(timeoutMs, () => {
          const text =
            `Call of "${method}" at "${this.#peer}" took too long: ` +
            `no reply in ${timeoutMs} ms`;
          this.#drop(call, new TimeoutError(text));
        }));
      }
      this.#waiting.add(call);
      this.#sendWaiting();
    });
  }

  /** Where the body of a reply that is coming in shall be put. */
  roomFor(header: FrameHeader): Room | undefined {
    const room = this.#inFlight.get(header.id)?.room;
    const roomBytes = room?.bytes?.length ?? 0;
    return header.bodyBytes > 0 && header.bodyBytes <= roomBytes
      ? room
      : undefined;
  }

  /** Takes a reply or refusal. @throws FormatError */
  receive(frame: Frame): void {
    const call = this.#inFlight.get(frame.id);
    if (call === undefined) {
      throw new FormatError(`Cannot match a reply: no call "${frame.id}"`);
    }
    // First, so that a reply that cannot be read rejects the call as well.
    const params = decodeJsonObject(frame.json);
    this.#inFlight.delete(frame.id);
    if (frame.kind === FRAME_KIND.reply) {
      call.settle(({ resolve }) => resolve({ params, body: frame.body }));
    } else {
      const message = typeof params["message"] === "string"
        ? params["message"]
        : "Refused without a reason";
      call.settle(({ reject }) => reject(new MarsError(message)));
    }
    this.#sendWaiting();
  }

  /** The line has ended: every call is rejected, now and from now on. */
  lose(error: MarsError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    const calls = [...this.#inFlight.values(), ...this.#waiting];
    this.#inFlight.clear();
    this.#waiting.clear();
    for (const call of calls) {
      call.giveParts();
      call.settle(({ reject }) => reject(error));
    }
  }

  #problem(method: string, signal?: AbortSignal): MarsError | undefined {
    if (signal?.aborted) {
      return new MarsError(`Call of "${method}" was canceled`);
    }
    if (this.#waiting.size < CALLS_WAITING_MAX) return undefined;
    return new MarsError(
      `Cannot call "${method}" at "${this.#peer}": ` +
        `${CALLS_WAITING_MAX} calls are waiting already`,
    );
  }

  #sendWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#inFlight.size >= this.#callsMax) return;
      this.#waiting.delete(call);
      const id = this.#takeId();
      let head: Uint8Array;
      try {
        head = encodeFrameHead({
          kind: FRAME_KIND.call,
          id,
          json: call.json,
          bodyBytes: call.body.length,
        }, this.#limits);
      } catch (error) {
        call.settle(({ reject }) => reject(error));
        continue;
      }
      call.id = id;
      this.#inFlight.set(id, call);
      this.#send(head, call.body);
    }
  }

  /** Ids wrap around after 2^32 calls; those in flight are passed over. */
  #takeId(): number {
    let id = this.#nextId;
    while (this.#inFlight.has(id)) id = followingId(id);
    this.#nextId = followingId(id);
    return id;
  }

  #drop(call: PendingCall, error: MarsError): void {
    call.settle(({ reject }) => reject(error));
    if (this.#waiting.delete(call) || call.id === undefined) return;
    if (!this.#inFlight.has(call.id)) return;
    this.#send(
      encodeFrameHead(
        { kind: FRAME_KIND.cancel, id: call.id, json: "", bodyBytes: 0 },
        this.#limits,
      ),
      EMPTY_BODY,
    );
  }
}

interface Outcome {
  readonly resolve: (reply: RpcReply) => void;
  readonly reject: (error: unknown) => void;
}

class PendingCall {
  readonly json: string;
  readonly body: Uint8Array;
  /** What to undo when the call is settled: timer and listener. */
  readonly undo: (() => void)[] = [];
  readonly room: Room;
  /** Undefined while waiting. */
  id: number | undefined;
  readonly #onPart: RpcCallOptions["onPart"];
  #outcome: Outcome | undefined;

  constructor(
    json: string,
    body: Uint8Array,
    options: RpcCallOptions,
    outcome: Outcome,
  ) {
    this.json = json;
    this.body = body;
    this.room = { bytes: options.into };
    this.#onPart = options.onPart;
    this.#outcome = outcome;
  }

  /** Of a reply that was coming in when the line was lost. */
  giveParts(): void {
    const { json, filledBytes = 0, bytes } = this.room;
    const isWanted = json !== undefined && filledBytes > 0 &&
      bytes !== undefined && this.#outcome !== undefined;
    if (!isWanted) return;
    let params: JsonObject;
    try {
      params = decodeJsonObject(json);
    } catch (error) {
      // The line is gone; nobody is left to complain to.
      if (error instanceof FormatError) return;
      throw error;
    }
    this.#onPart?.(params, filledBytes);
  }

  /** The first time counts; an unwanted call stays as it is. */
  settle(decide: (outcome: Outcome) => void): void {
    const outcome = this.#outcome;
    if (outcome === undefined) return;
    this.#outcome = undefined;
    // The caller may use it for something else from now on.
    this.room.bytes = undefined;
    for (const undo of this.undo) undo();
    decide(outcome);
  }
}

function followingId(id: number): number {
  return id === 0xffff_ffff ? 1 : id + 1;
}
