/**
 * Verification: the own disk against that of the primary, while both change.
 *
 * What a peer reads of its disk is the state of no position: it is read in a
 * window [from, upTo) of the log, see `disk_service.ts`. And replay goes on here.
 * Two facts lead to a common position nevertheless:
 *
 *   (1) Own first. If pages were read here before replay had got beyond T, and
 *       there with `from` not before T, and they are equal, then they are right:
 *       a byte that no record between has changed was the same at T; one that
 *       was changed, replay is going to overwrite.
 *   (2) Redo. Bytes read there in [from, upTo), with all records of [from, R)
 *       applied to them in order, are the state of R, for each R not before
 *       `upTo`: as in a copy. The records are in the logs of this host.
 *
 * So a round of the disk is done in three steps, each for what the one before
 * has left over:
 *
 *   blocks  1 MiB, digests, rule (1): no replay is held, nothing else is moved
 *   pages   4 KiB, the same
 *   bytes   fetched; replay rests at a position R that is not before `upTo`;
 *           rule (2), then compared byte by byte. What differs now, differs
 *
 * A page is repaired while replay rests: with its state at R, which leaves the
 * disk the state of R. Then replay goes on. It rests only for the pages that
 * are written just now, or differ; for what is being looked at, not for a disk.
 *
 * A position is reported when everything before it is compared, and repaired
 * durably. A run that was cut continues there.
 *
 * The own disk is asked itself, not the page cache, as far as the system lets
 * go of its pages.
 */
import { assert } from "../base/assert.ts";
import { equalBytes, toHex } from "../base/bytes.ts";
import { MarsError, messageOf, SyscallError } from "../base/errors.ts";
import type { Pace } from "../base/throttle.ts";
import type { RpcClient, RpcReply } from "../peer/rpc.ts";
import { comparePositions, type Position } from "../resource/view.ts";
import {
  blockCountOf,
  COARSE_BYTES,
  cut,
  DIGEST_BYTES,
  Digester,
  type Extent,
  FINE_BYTES,
  merged,
  readExactly,
  SEED_BYTES,
} from "./digest.ts";
import { KEYED_EXTENT_BYTES, READ_BYTES_MAX } from "./disk_service.ts";
import type { FileOpener, RandomFile } from "./file.ts";
import { Gate } from "./gate.ts";
import { CALL_TIMEOUT_MS } from "./read_size.ts";
import { type Fetched, groupsOf, positionIn, redo } from "./verify_bytes.ts";

// Ours. While the primary is busy each round waits for a writeback there, some
// seconds; what a crash repeats is one round.
const ROUND_BYTES = 256 * 1024 * 1024;
// Ours. Hides round trips; digests need nearly no memory.
const CALLS_MAX = 32;
// Ours. Looking at a few places at once keeps the disk busy.
const DIGESTS_MAX = 3;

/** What the daemon knows; positions of the log. */
export interface ReplayFacts {
  /** Replay was told to go no further than here, ever. */
  readonly toldAt: Position;
  /** Replay rests, and the own disk is the state of exactly this position. */
  readonly restsAt: Position | undefined;
  /** Everything before is on the disk of the peer, as it has said. */
  readonly sourceAt: Position | undefined;
}

/** One write of the primary: bytes of the disk, valid until the next one. */
export type OnRecord = (offsetBytes: number, payload: Uint8Array) => void;

export interface VerifyProgress {
  /** Everything before is compared. */
  readonly doneBytes: number;
  /** Totals of this run. */
  readonly differingBytes: number;
  readonly repairedBytes: number;
  /** Extents that differed since the last report, in disk order. */
  readonly differing: readonly Extent[];
}

/** As `SyncResult`. */
export type VerifyResult =
  | { readonly kind: "complete" | "stopped" }
  | { readonly kind: "lost" | "failed"; readonly message: string };

export interface VerifyOptions {
  readonly rpc: RpcClient;
  readonly files: FileOpener;
  readonly resource: string;
  /** The own disk. */
  readonly path: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly isRepair: boolean;
  readonly pace?: Pace;
  /**
   * Delivers the records of [from, upTo) of the logs here, in order.
   *
   * @throws MarsError if one of them is missing or damaged
   */
  readonly records: (
    range: { readonly from: Position; readonly upTo: Position },
    onRecord: OnRecord,
  ) => Promise<void>;
  readonly facts: ReplayFacts;
  readonly onProgress: (progress: VerifyProgress) => void;
  /** `holdAt` has changed. */
  readonly onHold: () => void;
}

/** Compares a disk with that of one peer; see the head of the file. */
export class DiskVerify {
  /** Never rejects for anything foreseen. */
  readonly finished: Promise<VerifyResult>;
  readonly #options: VerifyOptions;
  readonly #cancel = new AbortController();
  readonly #seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  readonly #digester = new Digester();
  readonly #digests = new Gate(DIGESTS_MAX);
  readonly #calls = new Gate(CALLS_MAX);
  #facts: ReplayFacts;
  #holdAt: Position | undefined;
  #waiting: (() => void)[] = [];
  #differingBytes = 0;
  #repairedBytes = 0;

  private constructor(options: VerifyOptions) {
    assert(options.startBytes <= options.sizeBytes, "it starts on the disk");
    this.#options = options;
    this.#facts = options.facts;
    this.finished = this.#run();
  }

  static start(options: VerifyOptions): DiskVerify {
    return new DiskVerify(options);
  }

  /**
   * Replay shall rest as soon as it has reached this; as long as it says so, and
   * until `finished`, nothing else may change the disk.
   */
  get holdAt(): Position | undefined {
    return this.#holdAt;
  }

  /** What holds from now on: to be told before replay may go further. */
  tell(facts: ReplayFacts): void {
    this.#facts = facts;
    this.#wake();
  }

  /** Ends it; what was compared since the last report will be once more. */
  async stop(): Promise<VerifyResult> {
    this.#cancel.abort();
    this.#wake();
    return await this.finished;
  }

  async #run(): Promise<VerifyResult> {
    const { files, path, isRepair } = this.#options;
    let file: RandomFile | undefined;
    try {
      file = await files.open(path, isRepair ? "update" : "read");
      await this.#compareAll(file);
      return { kind: "complete" };
    } catch (error) {
      if (this.#cancel.signal.aborted) return { kind: "stopped" };
      if (!(error instanceof MarsError)) throw error;
      const kind = error instanceof SyscallError ? "failed" : "lost";
      return { kind, message: messageOf(error) };
    } finally {
      this.#release();
      file?.close();
    }
  }

  async #compareAll(file: RandomFile): Promise<void> {
    const { startBytes, sizeBytes, onProgress } = this.#options;
    let doneBytes = startBytes;
    while (doneBytes < sizeBytes) {
      const lengthBytes = Math.min(ROUND_BYTES, sizeBytes - doneBytes);
      const round = { offsetBytes: doneBytes, lengthBytes };
      const extents = cut(round, KEYED_EXTENT_BYTES);
      const blocks = await this.#unequal(file, extents, COARSE_BYTES);
      const pages = await this.#unequal(file, blocks, FINE_BYTES);
      const found: Extent[] = [];
      for (const group of groupsOf(pages)) {
        found.push(...await this.#settle(file, group));
      }
      doneBytes += lengthBytes;
      onProgress({
        doneBytes,
        differingBytes: this.#differingBytes,
        repairedBytes: this.#repairedBytes,
        differing: merged(found, sizeBytes),
      });
    }
  }

  /** What rule (1) does not show to be right, in blocks of `blockBytes`. */
  async #unequal(
    file: RandomFile,
    extents: readonly Extent[],
    blockBytes: number,
  ): Promise<Extent[]> {
    if (extents.length === 0) return [];
    const own = await this.#each(extents, this.#digests, async (extent) => {
      if (blockBytes === COARSE_BYTES) {
        await this.#options.pace?.pass(
          extent.lengthBytes,
          this.#cancel.signal,
        );
        await file.forget(extent.offsetBytes, extent.lengthBytes);
      }
      const seed = this.#seed;
      return await this.#digester.digests(file, extent, { blockBytes, seed });
    });
    // Whatever replay does from now on comes too late to have been read.
    const { toldAt } = this.#facts;
    await this.#until(({ sourceAt }) =>
      sourceAt !== undefined && comparePositions(sourceAt, toldAt) >= 0
        ? sourceAt
        : undefined
    );
    const found = await this.#each(
      extents,
      this.#calls,
      async (extent, index) => {
        const reply = await this.#call("disk.digests", {
          ...extent,
          blockBytes,
          seed: toHex(this.#seed),
        });
        const theirs = reply.body;
        const size = blockCountOf(extent, blockBytes) * DIGEST_BYTES;
        if (theirs.length !== size || reply.params["isKeyed"] !== true) {
          throw new MarsError(
            "Cannot verify: the peer sent other digests than it was asked for",
          );
        }
        if (comparePositions(positionIn(reply, "from"), toldAt) < 0) {
          throw new MarsError("Cannot verify: the peer has gone back");
        }
        const mine = own[index];
        assert(mine !== undefined, "digests of each extent");
        const { zero, differing } = await this.#digester.compare({
          extent,
          blockBytes,
          seed: this.#seed,
          own: mine,
          theirs,
        });
        return [...zero, ...differing];
      },
    );
    return found.flat().sort((left, right) =>
      left.offsetBytes - right.offsetBytes
    );
  }

  /** Which pages of a group differ at a common position; repairs them. */
  async #settle(
    file: RandomFile,
    group: readonly Extent[],
  ): Promise<Extent[]> {
    const fetched = await this.#fetch(group);
    this.#holdAt = fetched.upTo;
    this.#options.onHold();
    try {
      const restsAt = await this.#until(({ restsAt }) =>
        restsAt !== undefined && comparePositions(restsAt, fetched.upTo) >= 0
          ? restsAt
          : undefined
      );
      const { records } = this.#options;
      await records(
        { from: fetched.from, upTo: restsAt },
        (offsetBytes, payload) => redo(fetched.runs, offsetBytes, payload),
      );
      const found: Extent[] = [];
      for (const { extent, bytes } of fetched.runs) {
        found.push(...await this.#differing(file, extent, bytes));
      }
      this.#check(restsAt);
      if (this.#options.isRepair) await this.#repair(file, found, fetched);
      // What was found counts only if nothing has moved meanwhile.
      this.#check(restsAt);
      for (const { lengthBytes } of found) {
        this.#differingBytes += lengthBytes;
        if (this.#options.isRepair) this.#repairedBytes += lengthBytes;
      }
      return found;
    } finally {
      this.#release();
    }
  }

  async #fetch(group: readonly Extent[]): Promise<Fetched> {
    const extents = merged(group, READ_BYTES_MAX);
    let from: Position | undefined;
    let upTo: Position | undefined;
    const runs = await this.#each(extents, this.#calls, async (extent) => {
      const reply = await this.#call("disk.read", extent);
      if (reply.body.length !== extent.lengthBytes) {
        throw new MarsError("Cannot verify: the peer sent a wrong length");
      }
      const begin = positionIn(reply, "from");
      const end = positionIn(reply, "upTo");
      if (from === undefined || comparePositions(begin, from) < 0) from = begin;
      if (upTo === undefined || comparePositions(end, upTo) > 0) upTo = end;
      return { extent, bytes: reply.body };
    });
    if (from === undefined || upTo === undefined) {
      throw new MarsError("Cannot verify: nothing was fetched");
    }
    return { runs, from, upTo };
  }

  /** Pages of `extent` that are not `bytes` here. */
  async #differing(
    file: RandomFile,
    extent: Extent,
    bytes: Uint8Array,
  ): Promise<Extent[]> {
    const own = await readExactly(
      file,
      extent,
      new Uint8Array(extent.lengthBytes),
    );
    return cut(extent, FINE_BYTES).filter(({ offsetBytes, lengthBytes }) => {
      const start = offsetBytes - extent.offsetBytes;
      return !equalBytes(
        own.subarray(start, start + lengthBytes),
        bytes.subarray(start, start + lengthBytes),
      );
    });
  }

  async #repair(
    file: RandomFile,
    pages: readonly Extent[],
    { runs }: Fetched,
  ): Promise<void> {
    if (pages.length === 0) return;
    for (const page of pages) {
      const run = runs.find(({ extent }) =>
        page.offsetBytes >= extent.offsetBytes &&
        page.offsetBytes < extent.offsetBytes + extent.lengthBytes
      );
      assert(run !== undefined, "a page that differs was fetched");
      const start = page.offsetBytes - run.extent.offsetBytes;
      await file.write(
        run.bytes.subarray(start, start + page.lengthBytes),
        page.offsetBytes,
      );
    }
    await file.flush();
  }

  /** Whether replay still rests where it did. @throws MarsError */
  #check(restsAt: Position): void {
    const now = this.#facts.restsAt;
    if (now !== undefined && comparePositions(now, restsAt) === 0) return;
    throw new MarsError("Cannot verify: replay has not waited");
  }

  #release(): void {
    if (this.#holdAt === undefined) return;
    this.#holdAt = undefined;
    this.#options.onHold();
  }

  async #call(
    method: string,
    params: Extent & { readonly blockBytes?: number; readonly seed?: string },
  ): Promise<RpcReply> {
    const { rpc, resource } = this.#options;
    return await rpc.call(method, { resource, ...params }, {
      timeoutMs: CALL_TIMEOUT_MS,
      signal: this.#cancel.signal,
    });
  }

  /** All of them, so many at a time; fails when all have ended. */
  async #each<T>(
    extents: readonly Extent[],
    gate: Gate,
    work: (extent: Extent, index: number) => Promise<T>,
  ): Promise<T[]> {
    const results = await Promise.allSettled(
      extents.map((extent, index) =>
        gate.pass(async () => {
          this.#cancel.signal.throwIfAborted();
          return await work(extent, index);
        })
      ),
    );
    return results.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
  }

  /** What `look` gives back as soon as that is something. */
  async #until<T>(look: (facts: ReplayFacts) => T | undefined): Promise<T> {
    for (;;) {
      this.#cancel.signal.throwIfAborted();
      const found = look(this.#facts);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
