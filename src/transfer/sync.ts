/**
 * Initial copy: the disk of the primary onto the own disk.
 *
 * What is compared is not copied, as far as it is equal:
 *
 *   extent   16 MiB  one call for the digests of its blocks of 1 MiB
 *   block    1 MiB   that differs: one call for the digests of its pages
 *   page     4 KiB   that differs: fetched, with its neighbors, and written
 *
 * A nearly identical disk costs reading it and 16 bytes per MiB on the line. What
 * the digest says to be zero is made zero here without being fetched, and keeps
 * or becomes a hole; holes are not even read. Where nearly everything differs
 * whole blocks are fetched at once.
 *
 *   extents   |--done--|--done--|--digests--|--copy--|--digests--| ...
 *                               ^ synced: everything before is written
 *
 * A position is reported only after a flush, so a copy that was cut anywhere
 * continues at the last reported position. It moves on slow lines, too: blocks
 * count one by one, and what comes first on the disk has its turn first.
 * Extents are looked at far ahead, because that needs round trips and nearly no
 * memory; reading and copying is bounded by gates. A limit holds for both, so
 * that one which is set now is felt at once.
 *
 * With `extents` only those are copied: for who knows that all the rest is
 * equal. The position then passes what lies between them.
 *
 * After a failed flush the page cache may hold data that the disk does not,
 * and comparing would believe it: restart with mode "copy" at the last reported
 * position. Then everything is written again that is not zero.
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
 *   (5) start at 0 again if the primary has changed or was in emergency, or if
 *       its history does not lead through `readUpTo` any more.
 *
 * Source: full sync of MARS; the order of (3) and the end of the dirty region
 * are stricter than the original.
 */
import { assert } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import type { Pace } from "../base/throttle.ts";
import type { RpcClient, RpcReply } from "../peer/rpc.ts";
import { comparePositions, startOf } from "../resource/view.ts";
import { parseReplay, type ReplayValue } from "../tree/values.ts";
import {
  blockCountOf,
  COARSE_BYTES,
  type Comparison,
  DIGEST_BYTES,
  Digester,
  type Extent,
  FINE_BYTES,
  merged,
  type Seed,
  SEED_BYTES,
} from "./digest.ts";
import {
  EXTENT_BYTES,
  KEYED_EXTENT_BYTES,
  READ_BYTES_MAX,
} from "./disk_service.ts";
import type { FileOpener, RandomFile } from "./file.ts";
import { Gate } from "./gate.ts";
import { CALL_TIMEOUT_MS } from "./read_size.ts";
import { ReadWindow } from "./read_window.ts";
import { SpareBuffers } from "./spare_buffers.ts";
import type { SyncProgress, SyncResult } from "./sync_result.ts";
import { Density, extentsOf, Front } from "./sync_work.ts";

// Ours. So much hides a round trip of 300 ms at 1 GB/s of equal data.
const AHEAD_BYTES = 384 * 1024 * 1024;
// Ours: reading the own disk at a few places at once keeps it busy.
const COMPARISONS_MAX = 3;
// Ours: memory of one copy, of 1 MiB each; 300 ms at 50 MB/s.
const BLOCKS_IN_FLIGHT_MAX = 16;
// Ours. Copies share a line, and the calls that it takes.
const READS_IN_FLIGHT_MAX = 32;
// Ours. A short read is quick on any line: it takes the room of so many bytes,
// and says nothing of how many blocks the line holds.
const SHORT_READ_BYTES = 64 * 1024;
const BLOCK_PLACES = READ_BYTES_MAX / SHORT_READ_BYTES;
// Ours. What is equal between pages that differ is cheaper fetched than left
// out, up to this length: a call has about as many bytes.
const GAP_BYTES = FINE_BYTES;

// A digest of such bytes stands for a block that is not to be believed.
const NO_DIGEST_BYTE = 1;

// Ours: work that a crash may repeat, against flushes of a busy disk.
const REPORT_BYTES = 64 * 1024 * 1024;
const REPORT_DELAY_MS = 1_000;

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
  /**
   * Only these are copied, in disk order and disjoint: the caller knows that
   * everything else is equal already. Absent: all.
   */
  readonly extents?: readonly Extent[];
  /** How fast extents may be taken up, in bytes of the disk. */
  readonly pace?: Pace;
  /** How fast bytes may be fetched. */
  readonly fetchPace?: Pace;
  readonly onProgress: (progress: SyncProgress) => void;
};

/** Copies a disk from one peer; see the head of the file. */
export class DiskSync {
  /** Never rejects for anything foreseen. */
  readonly finished: Promise<SyncResult>;
  readonly #options: SyncOptions;
  readonly #cancel = new AbortController();
  readonly #seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  readonly #digester = new Digester();
  readonly #density = new Density();
  readonly #comparisons = new Gate(COMPARISONS_MAX);
  readonly #reads = new Gate(BLOCK_PLACES, READS_IN_FLIGHT_MAX);
  readonly #window = new ReadWindow(BLOCKS_IN_FLIGHT_MAX);
  readonly #buffers = new SpareBuffers(READ_BYTES_MAX);
  readonly #shortBuffers = new SpareBuffers(SHORT_READ_BYTES);
  /** Why it ends; the first reason counts, but for a disk that fails. */
  #result: SyncResult | undefined;

  /** How much one call for digests covers; known after the first one. */
  #extentBytes = EXTENT_BYTES;
  readonly #isPeerKnown = Promise.withResolvers<void>();
  /** How the peer makes digests, after its first ones. */
  #known: { readonly seed: Seed } | undefined;
  readonly #front: Front;
  /** No extent is left. */
  #isWalked = false;
  #syncedBytes: number;
  #equalBytes = 0;
  #zeroedBytes = 0;
  #copiedBytes = 0;
  #readUpTo: ReplayValue | undefined;
  #reporting: Promise<void> | undefined;
  #reportTimer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: SyncOptions) {
    assert(options.startBytes <= options.sizeBytes, "sync starts on the disk");
    this.#options = options;
    this.#front = new Front(options.startBytes);
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

  /** Extents finish in any order; the oldest one lets the next one in. */
  async #copyAll(file: RandomFile): Promise<void> {
    const { startBytes, sizeBytes, extents: only, pace } = this.#options;
    const extents = extentsOf({
      startBytes,
      sizeBytes,
      gridBytes: () => this.#extentBytes,
      only,
    });
    const window: Promise<void>[] = [];
    for (const extent of extents) {
      const lengthMax = Math.floor(AHEAD_BYTES / this.#extentBytes);
      while (window.length >= lengthMax && this.#result === undefined) {
        await window.shift();
      }
      await pace?.pass(extent.lengthBytes, this.#cancel.signal);
      if (this.#result !== undefined) break;
      window.push(this.#extent(file, extent));
      await this.#isPeerKnown.promise;
    }
    // While others write, the file must stay open.
    await Promise.all(window);
    this.#isWalked = true;
  }

  /** Makes one extent equal, or the copy ends. Never rejects. */
  async #extent(file: RandomFile, extent: Extent): Promise<void> {
    const isCompared = this.#front.begin(extent);
    try {
      const { zero, differing } = await this.#compare(
        file,
        extent,
        COARSE_BYTES,
      );
      const parts = [
        ...merged(zero, KEYED_EXTENT_BYTES).map((run) =>
          this.#part(file, run, () => this.#zero(file, run))
        ),
        ...differing.map((block) =>
          this.#part(file, block, () => this.#block(file, block))
        ),
      ];
      if (this.#result === undefined) isCompared();
      this.#reportSoon(file);
      await this.#all(parts);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isPeerKnown.resolve();
    }
  }

  /** A part of the disk is done, unless the copy ends meanwhile. */
  async #part(
    file: RandomFile,
    part: Extent,
    work: () => Promise<void>,
  ): Promise<void> {
    const isDone = this.#front.begin(part);
    await work();
    if (this.#result !== undefined) return;
    isDone();
    this.#reportSoon(file);
  }

  async #block(file: RandomFile, block: Extent): Promise<void> {
    const isClose = this.#options.mode === "compare" &&
      this.#density.takeLook();
    if (!isClose) return await this.#copy(file, block);
    const { zero, differing } = await this.#compare(file, block, FINE_BYTES);
    const count = zero.length + differing.length;
    this.#density.note(count / blockCountOf(block, FINE_BYTES));
    await this.#all([
      ...merged(zero, KEYED_EXTENT_BYTES).map((run) => this.#zero(file, run)),
      ...merged(differing, READ_BYTES_MAX, GAP_BYTES)
        .map((run) => this.#copy(file, run)),
    ]);
  }

  /** Waits for all of them, also if one has failed: the file must stay open. */
  async #all(works: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(works);
    for (const result of results) {
      if (result.status === "rejected") this.#fail(result.reason);
    }
  }

  async #compare(
    file: RandomFile,
    extent: Extent,
    blockBytes: number,
  ): Promise<Comparison> {
    const known = this.#known;
    // Both disks are read at once, as soon as it is known how.
    const [{ theirs, seed }, early] = await both(
      this.#digests(extent, blockBytes),
      known && this.#own(file, extent, { blockBytes, ...known }),
    );
    const own = known?.seed === seed && early !== undefined
      ? early
      : await this.#own(file, extent, { blockBytes, seed });
    if (this.#result !== undefined) return { zero: [], differing: [] };
    const found = await this.#digester.compare({
      extent,
      blockBytes,
      seed,
      own,
      theirs,
    });
    this.#equalBytes += extent.lengthBytes -
      [...found.zero, ...found.differing].reduce(
        (sum, { lengthBytes }) => sum + lengthBytes,
        0,
      );
    return found;
  }

  /** Digests of the own disk; none if the copy ends meanwhile. */
  async #own(
    file: RandomFile,
    extent: Extent,
    how: { readonly blockBytes: number; readonly seed: Seed },
  ): Promise<Uint8Array> {
    if (this.#options.mode === "copy") {
      // What is here does not count: nothing is equal then.
      const size = blockCountOf(extent, how.blockBytes) * DIGEST_BYTES;
      return new Uint8Array(size).fill(NO_DIGEST_BYTE);
    }
    return await this.#comparisons.pass(
      async () =>
        this.#result === undefined
          ? await this.#digester.digests(file, extent, how)
          : new Uint8Array(0),
      { turn: extent.offsetBytes },
    );
  }

  /** Digests of the peer, and the seed if they are made with it. */
  async #digests(
    extent: Extent,
    blockBytes: number,
  ): Promise<{ theirs: Uint8Array; seed: Seed }> {
    const { body: theirs, params } = await this.#call("disk.digests", {
      ...extent,
      blockBytes,
      seed: toHex(this.#seed),
    });
    const size = blockCountOf(extent, blockBytes) * DIGEST_BYTES;
    const isKeyed = params["isKeyed"] === true;
    if (isKeyed) this.#extentBytes = KEYED_EXTENT_BYTES;
    const seed = isKeyed ? this.#seed : undefined;
    this.#known = { seed };
    this.#isPeerKnown.resolve();
    if (theirs.length === size) return { theirs, seed };
    throw new MarsError("Cannot sync: the peer sent a wrong number of digests");
  }

  async #zero(file: RandomFile, run: Extent): Promise<void> {
    if (this.#result !== undefined) return;
    await file.zero(run.offsetBytes, run.lengthBytes);
    this.#zeroedBytes += run.lengthBytes;
  }

  async #copy(file: RandomFile, run: Extent): Promise<void> {
    const { offsetBytes, lengthBytes } = run;
    const places = Math.ceil(lengthBytes / SHORT_READ_BYTES);
    const isShort = places === 1;
    const buffers = isShort ? this.#shortBuffers : this.#buffers;
    await this.#reads.pass(async () => {
      await this.#options.fetchPace?.pass(lengthBytes, this.#cancel.signal);
      if (this.#result !== undefined) return;
      const into = buffers.take();
      const startMs = performance.now();
      const { body: bytes } = await this.#call("disk.read", run, into);
      if (!isShort) this.#window.adapt(performance.now() - startMs);
      this.#reads.placesMax = this.#window.readsMax * BLOCK_PLACES;
      if (bytes.length !== lengthBytes) {
        throw new MarsError("Cannot sync: the peer sent a wrong length");
      }
      await file.write(bytes, offsetBytes);
      buffers.giveBack(into);
      this.#copiedBytes += lengthBytes;
    }, { turn: offsetBytes, places });
  }

  async #call(
    method: string,
    params: Extent & { readonly blockBytes?: number; readonly seed?: string },
    into?: Uint8Array,
  ): Promise<RpcReply> {
    const { rpc, resource } = this.#options;
    const reply = await rpc.call(method, { resource, ...params }, {
      timeoutMs: CALL_TIMEOUT_MS,
      signal: this.#cancel.signal,
      ...into !== undefined && { into },
    });
    this.#noteEnd(reply);
    return reply;
  }

  /** Peers that are older do not tell it. */
  #noteEnd({ params }: RpcReply): void {
    const text = params["upTo"];
    const end = typeof text === "string" ? parseReplay(text) : undefined;
    const last = this.#readUpTo;
    if (end === undefined) return;
    const isNewer = last === undefined ||
      comparePositions(startOf(end), startOf(last)) > 0;
    if (isNewer) this.#readUpTo = end;
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
    const unreportedBytes = this.#front.bytes - this.#syncedBytes;
    if (unreportedBytes <= 0) return;
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

  /** Behind the last extent that is copied everything is equal. */
  get #doneBytes(): number {
    return this.#isWalked && this.#result === undefined
      ? this.#options.sizeBytes
      : this.#front.bytes;
  }

  /** Copying goes on meanwhile; what it writes counts the next time. */
  async #report(file: RandomFile): Promise<void> {
    const doneBytes = this.#doneBytes;
    const readUpTo = this.#readUpTo;
    await file.flush();
    this.#syncedBytes = doneBytes;
    this.#options.onProgress({
      syncedBytes: doneBytes,
      equalBytes: this.#equalBytes,
      zeroedBytes: this.#zeroedBytes,
      copiedBytes: this.#copiedBytes,
      readUpTo,
    });
  }
}

/** Waits for both of them, also if one fails: the file must stay open. */
async function both<A, B>(
  left: Promise<A>,
  right: Promise<B> | undefined,
): Promise<[A, B | undefined]> {
  await Promise.allSettled([left, right]);
  return [await left, await right];
}
