/**
 * Initial copy: the disk of the primary, block by block, onto the own disk.
 *
 *   disk.digests  resource, offsetBytes, lengthBytes, blockBytes
 *                 -> body: DIGEST_BYTES per block, the last may be shorter
 *   disk.read     resource, offsetBytes, lengthBytes  -> body: the bytes
 *
 * An extent is compared before it is copied: the peer sends digests of its
 * blocks, the own blocks are digested likewise, and only what differs is
 * fetched and written. A nearly identical disk costs reading it and 16 bytes
 * per 64 KiB on the line; zeroes over a hole of a sparse file are equal and
 * leave the hole.
 *
 *   extents   |--done--|--done--|--digests--|--copy--|--digests--| ...
 *                               ^ synced: everything before is written
 *
 * A position is reported only after a flush, so a copy that was cut anywhere
 * continues at the last reported position. Extents are digested ahead, because
 * digests need a round trip and nearly no memory; reading and copying is
 * bounded by gates.
 *
 * After a failed flush the page cache may hold data that the disk does not,
 * and comparing would believe it: restart with mode "copy" at the last reported
 * position.
 *
 * The disk that is copied changes meanwhile. What the daemon must do so that
 * the result is the state of one position nevertheless:
 *
 *   (1) before the first byte, the own replay position is the begin of the log
 *       that the primary writes now, and all logs from there on are kept;
 *   (2) sync and replay of one resource never run at the same time, and a
 *       replay run meanwhile ends at the written-back position of the primary;
 *       a sync does not start while the own replay is ahead of that position;
 *   (3) after "complete", take the primary's replay link from links whose
 *       stamp is newer than the end of the copy, and store the end of its dirty
 *       region (start + dirty) as `syncpos`; only then `syncstatus` says done;
 *   (4) the disk is inconsistent until the own replay has reached `syncpos`;
 *   (5) start at 0 again if the primary has changed or was in emergency.
 *
 * Source: full sync of MARS; the order of (3) and the end of the dirty region
 * are stricter than the original.
 */
import { assert } from "../base/assert.ts";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import {
  EMPTY_BODY,
  type RpcCall,
  type RpcClient,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import {
  BLOCK_BYTES,
  BLOCK_BYTES_MIN,
  blockCountOf,
  cut,
  differingBlocks,
  DIGEST_BYTES,
  digestsOf,
  type Extent,
  merged,
} from "./digest.ts";
import type { FileOpener, RandomFile } from "./file.ts";
import { Gate } from "./gate.ts";
import { countParam, textParam } from "./params.ts";
import { SpareBuffers } from "./spare_buffers.ts";

// Ours. One call per extent; sixteen ahead hide a round trip of 50 ms at 1 GB/s
// of equal data.
const EXTENT_BYTES = 4 * 1024 * 1024;
const EXTENTS_AHEAD = 16;
const READ_BYTES_MAX = 1024 * 1024;

// Ours: memory of one copy is at most 2 extents plus 4 reads.
const EXTENTS_AT_WORK = 2;
const READS_IN_FLIGHT = 4;
// Ours: memory of the serving side, for all peers together.
const EXTENTS_SERVED = 4;

// Ours. Dead lines are found by the line itself; this only ends a call that a
// living peer forgot.
const CALL_TIMEOUT_MS = 300_000;

// Ours: work that a crash may repeat, against flushes of a busy disk.
const REPORT_BYTES = 64 * 1024 * 1024;
const REPORT_DELAY_MS = 1_000;

/** A disk as a peer may read it. */
export interface SourceDisk {
  readonly sizeBytes: number;
  /** As `RandomFile.read`. */
  read(target: Uint8Array, offsetBytes: number): Promise<number>;
  /** Called once per `open`. */
  close(): void;
}

/** The disks of this host, as far as peers may read them. */
export interface DiskSource {
  /** @throws MarsError if `peer` may not read it, or it is not here */
  open(resource: string, peer: string): Promise<SourceDisk>;
}

/** Handlers that serve the disks of this host. */
export function diskHandlers(source: DiskSource): RpcHandlers {
  const gate = new Gate(EXTENTS_SERVED);
  const serve = async (
    call: RpcCall,
    lengthMax: number,
    answer: (disk: SourceDisk, extent: Extent) => Promise<Uint8Array>,
  ): Promise<RpcReply> => {
    const extent = extentOf(call, lengthMax);
    const resource = textParam(call.params, "resource");
    return await gate.pass(async () => {
      // The line may have been lost while the call waited.
      if (call.signal.aborted) return { params: {}, body: EMPTY_BODY };
      const disk = await source.open(resource, call.peer);
      try {
        checkInside(disk, extent, resource);
        return { params: {}, body: await answer(disk, extent) };
      } finally {
        disk.close();
      }
    });
  };
  return {
    "disk.digests": (call) =>
      serve(call, EXTENT_BYTES, async (disk, extent) => {
        const blockBytes = countParam(call.params, "blockBytes");
        const isBlock = blockBytes >= BLOCK_BYTES_MIN &&
          blockBytes <= EXTENT_BYTES;
        if (!isBlock) throw new MarsError("Cannot digest: illegal block size");
        return await digestsOf(await readNew(disk, extent), blockBytes);
      }),
    "disk.read": async (call) => {
      // Before the gate: what a slow peer waits for must not hold up others.
      const buffer = await call.buffer();
      return await serve(
        call,
        READ_BYTES_MAX,
        (disk, extent) => readExactly(disk, extent, buffer),
      );
    },
  };
}

function extentOf(call: RpcCall, lengthMax: number): Extent {
  const offsetBytes = countParam(call.params, "offsetBytes");
  const lengthBytes = countParam(call.params, "lengthBytes");
  if (lengthBytes >= 1 && lengthBytes <= lengthMax) {
    return { offsetBytes, lengthBytes };
  }
  throw new MarsError(
    `Cannot read a disk: ${lengthBytes} bytes at once, at most ${lengthMax}`,
  );
}

function checkInside(disk: SourceDisk, extent: Extent, resource: string): void {
  const endBytes = extent.offsetBytes + extent.lengthBytes;
  if (endBytes <= disk.sizeBytes) return;
  throw new MarsError(
    `Cannot read the disk of "${resource}": byte ${endBytes} is behind its ` +
      `end, ${disk.sizeBytes}`,
  );
}

/** The bytes of an extent, at the begin of `buffer`. */
async function readExactly<B extends ArrayBufferLike>(
  disk: Pick<SourceDisk, "read">,
  extent: Extent,
  buffer: Uint8Array<B>,
): Promise<Uint8Array<B>> {
  const bytes = buffer.subarray(0, extent.lengthBytes);
  const count = await disk.read(bytes, extent.offsetBytes);
  if (count === bytes.length) return bytes;
  throw new MarsError(
    `Cannot read a disk: ${count} of ${bytes.length} bytes at ` +
      `${extent.offsetBytes}`,
  );
}

function readNew(
  disk: Pick<SourceDisk, "read">,
  extent: Extent,
): Promise<Uint8Array<ArrayBuffer>> {
  return readExactly(disk, extent, new Uint8Array(extent.lengthBytes));
}

/** What is known about a running copy. */
export type SyncProgress = {
  /** Everything before this position is durable and as the peer had it. */
  readonly syncedBytes: number;
  /** Blocks that were found equal, and blocks that were copied. */
  readonly equalCount: number;
  readonly copiedCount: number;
};

/**
 * "complete"  everything up to `sizeBytes` is durable here
 * "stopped"   `stop()` was called
 * "lost"      the line was lost, or the peer refused
 * "failed"    the own disk failed, or is too small
 */
export type SyncResult =
  | { readonly kind: "complete" | "stopped" }
  | { readonly kind: "lost"; readonly message: string }
  | {
    readonly kind: "failed";
    readonly errno: number;
    readonly message: string;
  };

export type SyncOptions = {
  readonly rpc: RpcClient;
  readonly files: FileOpener;
  readonly resource: string;
  /** The own disk; exists and has at least `sizeBytes`. */
  readonly path: string;
  /** A position that was reported before, or 0. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** "copy" fetches everything without comparing. */
  readonly mode: "compare" | "copy";
  readonly onProgress: (progress: SyncProgress) => void;
};

/** Copies a disk from one peer; see the head of the file. */
export class DiskSync {
  /** Never rejects for anything foreseen. */
  readonly finished: Promise<SyncResult>;
  readonly #options: SyncOptions;
  readonly #cancel = new AbortController();
  readonly #extents = new Gate(EXTENTS_AT_WORK);
  readonly #reads = new Gate(READS_IN_FLIGHT);
  readonly #buffers = new SpareBuffers(READ_BYTES_MAX);
  /** Why it ends; the first reason counts, but for a disk that fails. */
  #result: SyncResult | undefined;

  #doneBytes: number;
  #syncedBytes: number;
  #equalCount = 0;
  #copiedCount = 0;
  #reporting: Promise<void> | undefined;
  #reportTimer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: SyncOptions) {
    assert(options.startBytes <= options.sizeBytes, "sync starts on the disk");
    this.#options = options;
    this.#doneBytes = options.startBytes;
    this.#syncedBytes = options.startBytes;
    this.finished = this.#run();
  }

  static start(options: SyncOptions): DiskSync {
    return new DiskSync(options);
  }

  /** Ends the copy; what was written is flushed and reported first. */
  async stop(): Promise<SyncResult> {
    this.#end({ kind: "stopped" });
    return await this.finished;
  }

  async #run(): Promise<SyncResult> {
    const { files, path } = this.#options;
    let file: RandomFile | undefined;
    try {
      file = await files.open(path, "update");
      this.#checkSize(file);
      await this.#copyAll(file);
      clearTimeout(this.#reportTimer);
      await this.#reporting;
      if (this.#result?.kind !== "failed") await this.#report(file);
    } catch (error) {
      this.#fail(error);
    } finally {
      clearTimeout(this.#reportTimer);
      file?.close();
    }
    return this.#result ?? { kind: "complete" };
  }

  #checkSize(file: RandomFile): void {
    const missingBytes = this.#options.sizeBytes - file.sizeBytes();
    if (missingBytes <= 0) return;
    const { path } = this.#options;
    this.#end({
      kind: "failed",
      errno: ERRNO.ENOSPC,
      message:
        `Cannot sync to "${path}": the disk is ${missingBytes} bytes too small`,
    });
  }

  /** Extents finish in any order; the window moves with the oldest one. */
  async #copyAll(file: RandomFile): Promise<void> {
    const { startBytes, sizeBytes } = this.#options;
    const window: { endBytes: number; done: Promise<boolean> }[] = [];
    let nextBytes = startBytes;
    while (this.#doneBytes < sizeBytes && this.#result === undefined) {
      while (nextBytes < sizeBytes && window.length < EXTENTS_AHEAD) {
        const extent = extentAt(nextBytes, sizeBytes);
        nextBytes += extent.lengthBytes;
        window.push({ endBytes: nextBytes, done: this.#extent(file, extent) });
      }
      const oldest = window.shift();
      assert(oldest !== undefined, "an unfinished copy has an extent");
      if (!await oldest.done) break;
      this.#doneBytes = oldest.endBytes;
      this.#reportSoon(file);
    }
    await Promise.all(window.map((extent) => extent.done));
  }

  /** Makes one extent equal; false if the copy ends instead. */
  async #extent(file: RandomFile, extent: Extent): Promise<boolean> {
    try {
      const isCompare = this.#options.mode === "compare";
      const digests = isCompare ? await this.#digests(extent) : undefined;
      return await this.#extents.pass(async () => {
        const runs = digests === undefined
          ? cut(extent, READ_BYTES_MAX)
          : await this.#differing(file, { extent, digests });
        await Promise.all(runs.map((run) => this.#copy(file, run)));
        return this.#result === undefined;
      });
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  async #digests(extent: Extent): Promise<Uint8Array> {
    const digests = await this.#call("disk.digests", {
      ...extent,
      blockBytes: BLOCK_BYTES,
    });
    if (digests.length === blockCountOf(extent) * DIGEST_BYTES) return digests;
    throw new MarsError("Cannot sync: the peer sent a wrong number of digests");
  }

  /** Neighboring blocks that differ, merged as far as one read reaches. */
  async #differing(
    file: RandomFile,
    { extent, digests }: { extent: Extent; digests: Uint8Array },
  ): Promise<Extent[]> {
    if (this.#result !== undefined) return [];
    const own = await digestsOf(await readNew(file, extent), BLOCK_BYTES);
    const blocks = differingBlocks({ extent, own, theirs: digests });
    this.#equalCount += own.length / DIGEST_BYTES - blocks.length;
    return merged(blocks, READ_BYTES_MAX);
  }

  /** Never rejects: while others write, the file must stay open. */
  async #copy(file: RandomFile, run: Extent): Promise<void> {
    try {
      await this.#reads.pass(async () => {
        if (this.#result !== undefined) return;
        const into = this.#buffers.take();
        const bytes = await this.#call("disk.read", run, into);
        if (bytes.length !== run.lengthBytes) {
          throw new MarsError("Cannot sync: the peer sent a wrong length");
        }
        await file.write(bytes, run.offsetBytes);
        this.#buffers.giveBack(into);
        this.#copiedCount += blockCountOf(run);
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  async #call(
    method: string,
    params: Extent & { readonly blockBytes?: number },
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const { rpc, resource } = this.#options;
    const reply = await rpc.call(method, { resource, ...params }, {
      timeoutMs: CALL_TIMEOUT_MS,
      signal: this.#cancel.signal,
      ...into !== undefined && { into },
    });
    return reply.body;
  }

  #end(result: SyncResult): void {
    this.#result ??= result;
    this.#cancel.abort();
  }

  /** Anything but an operating error is a contradiction and goes on. */
  #fail(error: unknown): void {
    if (!(error instanceof MarsError)) throw error;
    const { message } = error;
    if (error instanceof SyscallError) {
      this.#result = { kind: "failed", errno: error.errno, message };
      this.#cancel.abort();
    } else {
      this.#end({ kind: "lost", message });
    }
  }

  #reportSoon(file: RandomFile): void {
    if (this.#reporting !== undefined) return;
    const unreportedBytes = this.#doneBytes - this.#syncedBytes;
    if (unreportedBytes >= REPORT_BYTES) this.#startReport(file);
    else {
      this.#reportTimer ??= setTimeout(
        () => this.#startReport(file),
        REPORT_DELAY_MS,
      );
    }
  }

  #startReport(file: RandomFile): void {
    clearTimeout(this.#reportTimer);
    this.#reportTimer = undefined;
    if (this.#reporting !== undefined) return;
    this.#reporting = this.#report(file)
      .catch((error) => this.#fail(error))
      .finally(() => this.#reporting = undefined);
  }

  /** Copying goes on meanwhile; what it writes counts the next time. */
  async #report(file: RandomFile): Promise<void> {
    const doneBytes = this.#doneBytes;
    await file.flush();
    this.#syncedBytes = doneBytes;
    this.#options.onProgress({
      syncedBytes: doneBytes,
      equalCount: this.#equalCount,
      copiedCount: this.#copiedCount,
    });
  }
}

/** The extent that begins at `offsetBytes`; all but the first are aligned. */
function extentAt(offsetBytes: number, sizeBytes: number): Extent {
  const nextBytes = (Math.floor(offsetBytes / EXTENT_BYTES) + 1) * EXTENT_BYTES;
  return {
    offsetBytes,
    lengthBytes: Math.min(nextBytes, sizeBytes) - offsetBytes,
  };
}
