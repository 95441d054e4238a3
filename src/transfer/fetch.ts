/**
 * Fetch: bytes of transaction logs, from whoever has them to whoever does not.
 * There is one call, `log.read`; see `log_read.ts`, and `log_service.ts` for who
 * answers it.
 *
 * The client appends strictly in order, so a local file never has a hole and
 * its length is all the state there is: a fetch that was cut at any byte
 * continues there. Several reads are in flight; the last one waits at the end.
 *
 *   asked        end of what was asked for
 *   written      end of what was written to the local file
 *   durable      end of what was flushed; only this is reported
 *   good         end of the last intact record; nothing behind it is reported
 *
 *   durable, good <= written <= asked <= what the peer has
 *
 * A line that is lost, a full disk or a log that disappears are results; who
 * started the fetch decides. After a failed write or flush the local file is
 * cut back to its durable end, because nobody knows what the bytes behind it
 * are. Of a reply that was coming in when the line was lost, what has come is
 * kept; and after a loss without any progress less is asked for at once.
 *
 * Each body is compared with the checksum that the peer took when it had read
 * the file, and records are verified before they are reported (`log_check.ts`).
 * Damage ends the fetch; the file is cut back to the last intact record, so that
 * somebody else may be asked. The begin of the record that what came goes on
 * with may have been lost by a crash here: then nobody knows yet which part is
 * damaged, and that begin is cut off, too. Replay verifies once more before it
 * believes a record (I11).
 */
import { FormatError, MarsError, SyscallError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import type { LogName } from "../base/names.ts";
import type { Crc32c } from "../log/checksum.ts";
import { describeVerdict, type Verdict } from "../log/verdict.ts";
import { EMPTY_BODY, type JsonObject, type RpcClient } from "../peer/rpc.ts";
import { Appender } from "./appender.ts";
import { ACCEPT, isPlain, unpackReply } from "./body.ts";
import type { FileOpener } from "./file.ts";
import { LogCheck } from "./log_check.ts";
import {
  decodeReadReply,
  encodeReadRequest,
  type LogEnd,
  type ReadRange,
  type ReadReply,
} from "./log_read.ts";
import { WAIT_MS_MAX } from "./log_service.ts";
import { CALL_TIMEOUT_MS, READ_BYTES_MAX, ReadSize } from "./read_size.ts";
import { READS_MAX, READS_SURE, ReadWindow } from "./read_window.ts";
import { SpareBuffers } from "./spare_buffers.ts";

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
 * "torn"      a record that was here in part only is no intact one; the local
 *             file was cut back to its begin
 * "damaged"   what came is no intact log; the local file was cut back
 * "failed"    the local file failed; it was cut back to its durable length
 */
export type FetchResult =
  | { readonly kind: "complete" | "stopped" | "missing" | "torn" }
  | {
    readonly kind: "shorter";
    readonly localBytes: number;
    readonly remoteBytes: number;
  }
  | { readonly kind: "lost"; readonly message: string }
  | {
    readonly kind: "damaged";
    /** Where the file was cut: of what came, nothing behind is kept. */
    readonly offsetBytes: number;
    readonly message: string;
  }
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
  /** What the last fetch from this peer has learned. */
  readonly size?: ReadSize;
  /** Undefined: bytes are believed as they come. */
  readonly check?: FetchCheck | undefined;
};

export interface FetchCheck {
  readonly crc: Crc32c;
  /** Begin of some record, not behind the end of the local file. */
  readonly startBytes: number;
}

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
  readonly #window = new ReadWindow(READS_MAX, READS_SURE);
  readonly #buffers = new SpareBuffers(READ_BYTES_MAX);
  readonly #size: ReadSize;
  #check: LogCheck | undefined;
  #damage: Verdict | undefined;
  #hadBytes = 0;
  #reported: FetchProgress | undefined;

  private constructor(options: FetchOptions) {
    this.#options = options;
    this.#size = options.size ?? new ReadSize();
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
      this.#askedBytes = this.#hadBytes = appender.writtenBytes;
      this.#check = this.#startCheck(appender);
      this.#remote = { bytes: appender.writtenBytes, isFinal: false };
      await this.#follow(appender);
      await this.#keepRest(appender);
      await this.#check?.settle();
      // However it ended, what was appended counts; a failure here counts more.
      await appender.flush();
      if (this.#damage !== undefined) {
        await this.#cutDamage(appender, this.#damage);
      }
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

  #startCheck(appender: Appender): LogCheck | undefined {
    const { check, files, path } = this.#options;
    if (check === undefined || check.startBytes > this.#hadBytes) {
      return undefined;
    }
    return new LogCheck({
      ...check,
      files,
      path,
      hadBytes: this.#hadBytes,
      onGood: () => this.#report(appender),
      onDamage: (verdict) => {
        this.#damage = verdict;
        this.#end({ kind: "stopped" });
      },
    });
  }

  /** What came before the line was lost, also of a reply that was coming in. */
  async #keepRest(appender: Appender): Promise<void> {
    if (this.#damage !== undefined) return;
    for (const pending of [...this.#pieces]) {
      const piece = await pending;
      // Behind a part nothing fits any more.
      const isNext = piece?.offsetBytes === appender.writtenBytes;
      if (piece === undefined || !isNext) break;
      await this.#append(appender, piece);
    }
    const isStuck = this.#result?.kind === "lost" &&
      appender.writtenBytes === this.#hadBytes;
    if (isStuck) this.#size.shrink();
  }

  async #cutDamage(appender: Appender, verdict: Verdict): Promise<void> {
    const { offsetBytes } = verdict;
    await appender.cutTo(offsetBytes);
    // Of the next fetch all of this record comes from the peer.
    this.#result = offsetBytes < this.#hadBytes
      ? { kind: "torn" }
      : { kind: "damaged", offsetBytes, message: describeVerdict(verdict) };
  }

  async #append(appender: Appender, piece: Piece): Promise<void> {
    assert(piece.offsetBytes === appender.writtenBytes, "no hole in a log");
    for (const body of piece.bodies) await appender.append(body);
    this.#check?.advance(appender.writtenBytes);
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
        this.#size.bytes,
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
      const { body, isPart } = await this.#call({
        offsetBytes: offsetBytes + doneBytes,
        lengthMax: lengthBytes - doneBytes,
        waitMs: 0,
      }, buffer.subarray(doneBytes));
      if (isPart) {
        if (body.length > 0) bodies.push(body);
        return bodies.length === 0
          ? undefined
          : { offsetBytes, bodies, buffer };
      }
      this.#window.adapt(performance.now() - startMs);
      if (body.length === 0) {
        this.#end({ kind: "lost", message: "Cannot fetch: an empty reply" });
        return undefined;
      }
      bodies.push(body);
      doneBytes += body.length;
    }
    this.#size.grow();
    return { offsetBytes, bodies, buffer };
  }

  /** Waits for growth, then asks for more without waiting for the disk. */
  async #wait(offsetBytes: number): Promise<Piece | undefined> {
    const buffer = this.#buffers.take();
    const { body, isPart } = await this.#call({
      offsetBytes,
      lengthMax: this.#size.bytes,
      // The first answer tells where the peer is.
      waitMs: this.#isAnswered ? WAIT_MS_MAX : 0,
    }, buffer);
    this.#isWaiting = false;
    if (isPart && body.length === 0) return undefined;
    this.#askedBytes = offsetBytes + body.length;
    this.#ask();
    return { offsetBytes, bodies: body.length === 0 ? [] : [body], buffer };
  }

  /** One call; if the fetch ends, what of the body has come. */
  async #call(
    range: ReadRange,
    into: Uint8Array,
  ): Promise<{ body: Uint8Array; isPart: boolean }> {
    const { rpc, resource, log, check } = this.#options;
    let partBytes = 0;
    try {
      const reply = await rpc.call(
        "log.read",
        { ...encodeReadRequest({ resource, log, ...range }), ...ACCEPT },
        {
          into,
          onPart: (params, receivedBytes) => {
            if (isFitPart(params, range)) partBytes = receivedBytes;
          },
          timeoutMs: CALL_TIMEOUT_MS + range.waitMs,
          signal: this.#cancel.signal,
        },
      );
      const body = await unpackReply(reply, {
        crc: check?.crc,
        lengthMax: range.lengthMax,
      });
      const plain = { params: reply.params, body };
      const adopted = this.#adopt(decodeReadReply(plain), range);
      if (adopted !== undefined) return { body: adopted, isPart: false };
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      this.#end({ kind: "lost", message: error.message });
    }
    return {
      body: into.subarray(0, Math.min(partBytes, range.lengthMax)),
      isPart: true,
    };
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
    const durableBytes = Math.min(
      appender.durableBytes,
      this.#check?.goodBytes ?? Infinity,
    );
    const { bytes: remoteBytes, isFinal } = this.#remote;
    const isCaughtUp = this.#isAnswered && this.#damage === undefined &&
      appender.durableBytes >= remoteBytes;
    const last = this.#reported;
    const isNews = last?.durableBytes !== durableBytes ||
      last.remoteBytes !== remoteBytes || last.isFinal !== isFinal ||
      last.isCaughtUp !== isCaughtUp;
    if (!isNews) return;
    this.#reported = { durableBytes, remoteBytes, isFinal, isCaughtUp };
    this.#options.onProgress(this.#reported);
  }
}

/** Whether the begin of a body is what was asked for. */
function isFitPart(params: JsonObject, range: ReadRange): boolean {
  try {
    const reply = decodeReadReply({ params, body: EMPTY_BODY });
    return reply.status === "ok" && isPlain(params) &&
      reply.end.bytes >= range.offsetBytes + 1;
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
    return false;
  }
}

/** Anything but a failed system call is a contradiction and goes on. */
function failureOf(
  error: unknown,
): { kind: "failed"; errno: number; message: string } {
  if (!(error instanceof SyscallError)) throw error;
  return { kind: "failed", errno: error.errno, message: error.message };
}
