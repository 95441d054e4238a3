// Pure
/**
 * Calls and replies on a line between two hosts.
 *
 *   dialer                                acceptor
 *     call   id {method, params} body  →    handler(params, body)
 *            id params body            ←  reply
 *            id {message}              ←  refusal
 *     cancel id                        →    the handler's signal aborts
 *
 * The dialer calls, the acceptor answers. Calls are answered in any order, and
 * every call exactly once, a canceled one too: only then its id and its place
 * among the calls in flight are free again. A line that is lost takes all its
 * calls with it; nothing is sent again on another one.
 *
 * What the peer may not do ends the line: a FormatError of `receive`, in
 * `caller.ts` for the dialer and `answerer.ts` for the acceptor.
 */
import { FormatError, messageOf } from "../base/errors.ts";

/** A plain JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | JsonObject;

export type JsonObject = { readonly [key: string]: Json };

/** What a call brings back; `body` may be empty and belongs to the caller. */
export interface RpcReply {
  readonly params: JsonObject;
  readonly body: Uint8Array;
}

export interface RpcCallOptions {
  readonly body?: Uint8Array;
  /**
   * Room for the reply's body, to be used again and again: a new buffer for
   * each MiB costs more than its decryption. It belongs to the call until that
   * has ended; a body that does not fit gets a buffer of its own.
   */
  readonly into?: Uint8Array;
  /**
   * Called before the call is rejected because the line is lost, if part of the
   * reply has come: its params, and how many bytes of its body are in `into`.
   */
  readonly onPart?: (params: JsonObject, receivedBytes: number) => void;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The dialer's end of a line. */
export interface RpcClient {
  /** The host at the other end, as its key says. */
  readonly peer: string;

  /**
   * Words of the peer's build for what it understands beyond the first one: a
   * method that may be missing, a parameter that changes what is answered.
   */
  readonly features: ReadonlySet<string>;

  /**
   * Asks the peer. `body` must not change until the call has ended.
   *
   * @throws MarsError when the line is lost, the peer refuses (with the message
   * of the peer), the call is too large, or `signal` aborts; TimeoutError after
   * `timeoutMs`
   */
  call(
    method: string,
    params: JsonObject,
    options?: RpcCallOptions,
  ): Promise<RpcReply>;

  /** Ends the line; calls in flight are rejected. */
  close(): void;

  /** Resolves when the line has ended, for whatever reason. */
  readonly closed: Promise<void>;
}

/** One call as the acceptor sees it. */
export interface RpcCall {
  readonly peer: string;
  readonly params: JsonObject;
  readonly body: Uint8Array;
  /** Aborts when the line is lost or the caller has lost interest. */
  readonly signal: AbortSignal;
  /**
   * ANSWER_BUFFER_BYTES for the body of the reply, full of anything; once per
   * call. Waits while all buffers of the line hold bodies that are not yet
   * sent. It belongs to the handler until that has ended.
   *
   * @throws MarsError when `signal` aborts
   */
  readonly buffer: () => Promise<Uint8Array>;
}

/**
 * Answers one method. The message of a MarsError is told to the caller, any
 * other error is "Internal error" to it. The body of the reply must not change
 * any more.
 */
export type RpcHandler = (call: RpcCall) => Promise<RpcReply>;

/** Method to handler. */
export type RpcHandlers = Readonly<Record<string, RpcHandler>>;

export const EMPTY_BODY: Uint8Array = new Uint8Array(0);

/** Length of the buffers that a line lends to its handlers. */
export const ANSWER_BUFFER_BYTES = 1024 * 1024;

/** So many are lent at a time: one is sent while others are filled. */
export const ANSWER_BUFFERS_MAX = 4;

/**
 * At the bound a caller's calls wait; who answers ends the line. Calls that wait
 * for something to happen take a place each.
 */
export const CALLS_IN_FLIGHT_MAX = 1024;

/** Feature of who takes so many; others take fewer. */
export const MANY_CALLS = "many-calls";
export const FEW_CALLS_IN_FLIGHT_MAX = 64;

/** Calls that wait for a place; at the bound `call` throws. */
export const CALLS_WAITING_MAX = 4096;

/** Longest message of a refusal; a longer one is cut. */
export const REFUSAL_CHARACTERS_MAX = 4096;

/**
 * Sends a frame: `head` and `body` one behind the other. Never throws. `sent` is
 * called when neither is needed any more, and never if the line ends before.
 */
export type SendFrame = (
  head: Uint8Array,
  body: Uint8Array,
  sent?: () => void,
) => void;

/** Calls back once after `delayMs` unless the returned function is called. */
export type After = (delayMs: number, callBack: () => void) => () => void;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws FormatError unless `json` is one JSON object, or empty */
export function decodeJsonObject(json: Uint8Array): JsonObject {
  if (json.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(json));
  } catch (error) {
    throw new FormatError(`Cannot read a message: ${messageOf(error)}`);
  }
  if (!isJsonObject(value)) {
    throw new FormatError("Cannot read a message: it is not a JSON object");
  }
  return value;
}

/** Whether a value out of JSON.parse is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
