// Pure
/**
 * Calls and replies on a line between two hosts.
 *
 * The dialer calls, the acceptor answers. Many calls may be in flight; they are
 * answered in any order.
 */

/** A plain JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | JsonObject;

export type JsonObject = { readonly [key: string]: Json };

/** What a call brings back; `body` may be empty. */
export interface RpcReply {
  readonly params: JsonObject;
  readonly body: Uint8Array;
}

export interface RpcCallOptions {
  readonly body?: Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The dialer's end of a line. */
export interface RpcClient {
  /** The host at the other end, as its key says. */
  readonly peer: string;

  /**
   * Asks the peer.
   *
   * @throws MarsError when the line is lost, the peer refuses (with the message
   * of the peer), or `signal` aborts; TimeoutError after `timeoutMs`
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

/** One call as the acceptor sees it. `signal` aborts when the line is lost. */
export interface RpcCall {
  readonly peer: string;
  readonly params: JsonObject;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** Answers one method. A MarsError is told to the caller, others are not. */
export type RpcHandler = (call: RpcCall) => Promise<RpcReply>;

/** Method to handler. */
export type RpcHandlers = Readonly<Record<string, RpcHandler>>;

export const EMPTY_BODY: Uint8Array = new Uint8Array(0);
