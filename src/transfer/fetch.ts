/**
 * Fetch: bytes of transaction logs, from whoever has them to whoever does not.
 * There is one call, `log.read`; see `log_read.ts`.
 *
 * The server gives bytes of a log by its name, never by a path, and never
 * beyond its durable end: a log that was fetched cannot be ahead of the log of
 * its author, whatever loses its power. Any host serves any log it has. A call
 * at the durable end waits up to `waitMs` for growth, so that a new byte
 * travels at once and nobody polls.
 *
 * The client appends strictly in order, so a local file never has a hole and
 * its length is all the state there is: a fetch that was cut at any byte
 * continues there. Several reads are in flight; the last one waits at the end.
 *
 *   asked        end of what was asked for
 *   written      end of what was written to the local file
 *   durable      end of what was flushed; only this is reported
 *
 *   durable <= written <= asked <= what the peer has
 *
 * A line that is lost, a full disk or a log that disappears are results; who
 * started the fetch decides. After a failed write or flush the local file is
 * cut back to its durable end, because nobody knows what the bytes behind it
 * are. Records are not verified here: replay does that before it believes them
 * (I11).
 */
import { ERRNO, FormatError, MarsError, SyscallError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import type { LogName } from "../base/names.ts";
import {
  ANSWER_BUFFER_BYTES,
  EMPTY_BODY,
  type RpcCall,
  type RpcClient,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import { Appender } from "./appender.ts";
import type { FileOpener, RandomFile } from "./file.ts";
import {
  decodeReadReply,
  decodeReadRequest,
  encodeReadReply,
  encodeReadRequest,
  type LogEnd,
  type ReadRange,
  type ReadReply,
  type ReadRequest,
} from "./log_read.ts";
import { ReadWindow } from "./read_window.ts";
import { SpareBuffers } from "./spare_buffers.ts";

// Ours. Amortizes the cost of a call to nothing, and fits into a buffer of the
// line.
const READ_BYTES_MAX = ANSWER_BUFFER_BYTES;

// Ours. A call that waits longer is answered as it is and asked again.
const WAIT_MS_MAX = 20_000;

// Ours. Dead lines are found by the line itself; this only ends a call that a
// living peer forgot. One read of each of 16 fetches that share a line needs
// 56 KB/s to stay below it.
const READ_TIMEOUT_MS = 300_000;

/** The logs of this host, as far as peers may read them. */
export interface LogSource {
  /** Durable end of a log; undefined if it is not here. */
  durableEnd(resource: string, log: LogName): LogEnd | undefined;
  /** Calls back when the durable end may have changed, until unsubscribed. */
  onGrowth(resource: string, log: LogName, callback: () => void): () => void;
  logPath(resource: string, log: LogName): string;
}

/** Handlers that serve the logs of this host. */
export function logHandlers(
  options: { readonly source: LogSource; readonly files: FileOpener },
): RpcHandlers {
  return { "log.read": (call) => serveRead(options, call) };
}

async function serveRead(
  { source, files }: { source: LogSource; files: FileOpener },
  call: RpcCall,
): Promise<RpcReply> {
  const request = decodeReadRequest(call.params);
  const { resource, log, offsetBytes } = request;
  let end = source.durableEnd(resource, log);
  if (end !== undefined && isWaiting(end, offsetBytes) && request.waitMs > 0) {
    await growth(source, request, call.signal);
    end = source.durableEnd(resource, log);
  }
  if (end === undefined) return encodeReadReply({ status: "missing" });
  const lengthBytes = Math.min(
    end.bytes - offsetBytes,
    request.lengthMax,
    READ_BYTES_MAX,
  );
  if (lengthBytes <= 0) {
    return encodeReadReply({ status: "ok", end, body: EMPTY_BODY });
  }
  const body = (await call.buffer()).subarray(0, lengthBytes);
  const path = source.logPath(resource, log);
  if (await readLog(files, path, { offsetBytes, body })) {
    return encodeReadReply({ status: "ok", end, body });
  }
  return encodeReadReply({ status: "missing" });
}

function isWaiting(end: LogEnd, offsetBytes: number): boolean {
  return end.bytes === offsetBytes && !end.isFinal;
}

/** Resolves when there is something to tell, or nothing for too long. */
function growth(
  source: LogSource,
  request: ReadRequest,
  signal: AbortSignal,
): Promise<void> {
  const { resource, log, offsetBytes, waitMs } = request;
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const look = (): void => {
      const end = source.durableEnd(resource, log);
      if (end === undefined || !isWaiting(end, offsetBytes)) finish();
    };
    const timer = setTimeout(finish, Math.min(waitMs, WAIT_MS_MAX));
    const unsubscribe = source.onGrowth(resource, log, look);
    signal.addEventListener("abort", finish, { once: true });
    if (signal.aborted) finish();
    else look();
  });
}

/** Fills `body`, all of it; false if the log has just been deleted. */
async function readLog(
  files: FileOpener,
  path: string,
  { offsetBytes, body }: {
    readonly offsetBytes: number;
    readonly body: Uint8Array;
  },
): Promise<boolean> {
  let file: RandomFile;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    // Logs are deleted while others still ask for them.
    if (isErrno(error, ERRNO.ENOENT)) return false;
    throw error;
  }
  try {
    const count = await file.read(body, offsetBytes);
    if (count === body.length) return true;
    throw new MarsError(
      `Cannot read log "${path}": ${offsetBytes + count} bytes only`,
    );
  } finally {
    file.close();
  }
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SyscallError && error.errno === errno;
}

/** What is known about a running fetch. */
export type FetchProgress = {
  /** Durable bytes of the local file. */
  readonly durableBytes: number;
  /** Durable bytes at the peer, as far as known. */
  readonly remoteBytes: number;
  /** The peer says that the log will not grow any more. */
  readonly isFinal: boolean;
  /** Everything that the peer has is durable here. */
  readonly isCaughtUp: boolean;
};

/**
 * "complete"  the log is final and everything is durable here
 * "stopped"   `stop()` was called
 * "missing"   the peer does not have the log
 * "shorter"   the peer has less than this host; nothing was changed
 * "lost"      the line was lost, or the peer refused
 * "failed"    the local file failed; it was cut back to its durable length
 */
export type FetchResult =
  | { readonly kind: "complete" | "stopped" | "missing" }
  | {
    readonly kind: "shorter";
    readonly localBytes: number;
    readonly remoteBytes: number;
  }
  | { readonly kind: "lost"; readonly message: string }
  | {
    readonly kind: "failed";
    readonly errno: number;
    readonly message: string;
  };

export type FetchOptions = {
  readonly rpc: RpcClient;
  readonly files: FileOpener;
  readonly resource: string;
  readonly log: LogName;
  /** The local file; created if it is missing, its directory is not. */
  readonly path: string;
  readonly onProgress: (progress: FetchProgress) => void;
};

/** A piece of the log, in the order in which it was asked for. */
type Piece = {
  readonly offsetBytes: number;
  readonly bodies: readonly Uint8Array[];
  /** Where the bodies are; free again when they are appended. */
  readonly buffer: Uint8Array<ArrayBuffer>;
};

/** Fetches one log from one peer until it ends; see the head of the file. */
export class LogFetcher {
  /** Never rejects for anything foreseen. */
  readonly finished: Promise<FetchResult>;
  readonly #options: FetchOptions;
  readonly #cancel = new AbortController();
  /** Why it ends; the first reason counts, but for a file that fails. */
  #result: FetchResult | undefined;

  #remote: LogEnd = { bytes: 0, isFinal: false };
  #isAnswered = false;
  #isWaiting = false;
  #askedBytes = 0;
  /** Reads in flight or not yet appended, oldest first. */
  readonly #pieces: Promise<Piece | undefined>[] = [];
  readonly #window = new ReadWindow();
  readonly #buffers = new SpareBuffers(READ_BYTES_MAX);
  #reported: FetchProgress | undefined;

  private constructor(options: FetchOptions) {
    this.#options = options;
    this.finished = this.#run();
  }

  static start(options: FetchOptions): LogFetcher {
    return new LogFetcher(options);
  }

  /** Ends the fetch; what was appended is flushed and reported first. */
  async stop(): Promise<FetchResult> {
    this.#end({ kind: "stopped" });
    return await this.finished;
  }

  async #run(): Promise<FetchResult> {
    let appender: Appender | undefined;
    try {
      appender = await Appender.open(this.#options, {
        onDurable: () => this.#report(appender),
        onFailure: (error) => this.#end(failureOf(error)),
      });
      this.#askedBytes = appender.writtenBytes;
      this.#remote = { bytes: appender.writtenBytes, isFinal: false };
      await this.#follow(appender);
      // However it ended, what was appended counts; a failure here counts more.
      await appender.flush();
    } catch (error) {
      // Only the local file throws: calls are converted where they are made.
      this.#result = await this.#fail(error, appender);
      this.#cancel.abort();
    }
    await Promise.all(this.#pieces);
    await appender?.close();
    assert(this.#result !== undefined, "a fetch ends for a reason");
    return this.#result;
  }

  async #follow(appender: Appender): Promise<void> {
    while (this.#result === undefined) {
      this.#ask();
      const piece = await this.#pieces[0];
      if (piece === undefined) return;
      this.#pieces.shift();
      await this.#append(appender, piece);
      this.#report(appender);
      const { bytes, isFinal } = this.#remote;
      const isComplete = isFinal && appender.writtenBytes === bytes;
      if (isComplete) this.#end({ kind: "complete" });
    }
  }

  async #append(appender: Appender, piece: Piece): Promise<void> {
    assert(piece.offsetBytes === appender.writtenBytes, "no hole in a log");
    for (const body of piece.bodies) await appender.append(body);
    this.#buffers.giveBack(piece.buffer);
    if (appender.writtenBytes === this.#remote.bytes) appender.flushNow();
  }

  /** Fills the window; at the end of the log one read waits for growth. */
  #ask(): void {
    while (
      this.#result === undefined && !this.#isWaiting &&
      this.#pieces.length < this.#window.readsMax
    ) {
      const offsetBytes = this.#askedBytes;
      const lengthBytes = Math.min(
        this.#remote.bytes - offsetBytes,
        READ_BYTES_MAX,
      );
      if (lengthBytes > 0) {
        this.#askedBytes += lengthBytes;
        this.#pieces.push(this.#read(offsetBytes, lengthBytes));
      } else {
        if (this.#remote.isFinal) return;
        this.#isWaiting = true;
        this.#pieces.push(this.#wait(offsetBytes));
      }
    }
  }

  /** Reads what the peer is known to have; undefined if the fetch ends. */
  async #read(
    offsetBytes: number,
    lengthBytes: number,
  ): Promise<Piece | undefined> {
    const buffer = this.#buffers.take();
    const bodies: Uint8Array[] = [];
    let doneBytes = 0;
    while (doneBytes < lengthBytes) {
      const startMs = performance.now();
      const body = await this.#call({
        offsetBytes: offsetBytes + doneBytes,
        lengthMax: lengthBytes - doneBytes,
        waitMs: 0,
      }, buffer.subarray(doneBytes));
      if (body === undefined) return undefined;
      this.#window.adapt(performance.now() - startMs);
      if (body.length === 0) {
        this.#end({ kind: "lost", message: "Cannot fetch: an empty reply" });
        return undefined;
      }
      bodies.push(body);
      doneBytes += body.length;
    }
    return { offsetBytes, bodies, buffer };
  }

  /** Waits for growth, then asks for more without waiting for the disk. */
  async #wait(offsetBytes: number): Promise<Piece | undefined> {
    const buffer = this.#buffers.take();
    const body = await this.#call({
      offsetBytes,
      lengthMax: READ_BYTES_MAX,
      // The first answer tells where the peer is.
      waitMs: this.#isAnswered ? WAIT_MS_MAX : 0,
    }, buffer);
    this.#isWaiting = false;
    if (body === undefined) return undefined;
    this.#askedBytes = offsetBytes + body.length;
    this.#ask();
    return { offsetBytes, bodies: body.length === 0 ? [] : [body], buffer };
  }

  /** One call; undefined if the fetch ends. */
  async #call(
    range: ReadRange,
    into: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const { rpc, resource, log } = this.#options;
    try {
      const reply = await rpc.call(
        "log.read",
        encodeReadRequest({ resource, log, ...range }),
        {
          into,
          timeoutMs: READ_TIMEOUT_MS + range.waitMs,
          signal: this.#cancel.signal,
        },
      );
      return this.#adopt(decodeReadReply(reply), range);
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      this.#end({ kind: "lost", message: error.message });
      return undefined;
    }
  }

  #adopt(reply: ReadReply, range: ReadRange): Uint8Array | undefined {
    if (reply.status === "missing") {
      this.#end({ kind: "missing" });
      return undefined;
    }
    const { end, body } = reply;
    if (end.bytes < range.offsetBytes) {
      this.#end({
        kind: "shorter",
        localBytes: range.offsetBytes,
        remoteBytes: end.bytes,
      });
      return undefined;
    }
    const isInside = body.length <= range.lengthMax &&
      range.offsetBytes + body.length <= end.bytes;
    if (!isInside) throw new FormatError("Cannot fetch: the reply is too long");
    this.#isAnswered = true;
    // Replies may overtake each other; a log never shrinks.
    this.#remote = {
      bytes: Math.max(this.#remote.bytes, end.bytes),
      isFinal: this.#remote.isFinal || end.isFinal,
    };
    return body;
  }

  #end(result: FetchResult): void {
    this.#result ??= result;
    this.#cancel.abort();
  }

  async #fail(
    error: unknown,
    appender: Appender | undefined,
  ): Promise<FetchResult> {
    const failure = failureOf(error);
    try {
      await appender?.cutBack();
      return failure;
    } catch (cause) {
      const also = failureOf(cause);
      return { ...failure, message: `${failure.message}; ${also.message}` };
    }
  }

  /** Tells the owner what has changed, if anything has. */
  #report(appender: Appender | undefined): void {
    if (appender === undefined) return;
    const { durableBytes } = appender;
    const { bytes: remoteBytes, isFinal } = this.#remote;
    const isCaughtUp = this.#isAnswered && durableBytes >= remoteBytes;
    const last = this.#reported;
    const isNews = last?.durableBytes !== durableBytes ||
      last.remoteBytes !== remoteBytes || last.isFinal !== isFinal ||
      last.isCaughtUp !== isCaughtUp;
    if (!isNews) return;
    this.#reported = { durableBytes, remoteBytes, isFinal, isCaughtUp };
    this.#options.onProgress(this.#reported);
  }
}

/** Anything but a failed system call is a contradiction and goes on. */
function failureOf(
  error: unknown,
): { kind: "failed"; errno: number; message: string } {
  if (!(error instanceof SyscallError)) throw error;
  return { kind: "failed", errno: error.errno, message: error.message };
}
