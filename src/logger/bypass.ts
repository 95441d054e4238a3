// Pure
/**
 * Bypass: the emergency mode. The device is served although there is no log.
 *
 *   none ──► settle ──► writeBack ──────────────► ready ──► kept ──► direct
 *    ▲         ▲            └──► salvage ───────────▲         │         │
 *    │         │                    └──► lost       │         │         │
 *    └─────────┴── log goes on          (given up)  └─ leave ◄┴─────────┘
 *
 *   settle     entered when a log write or a log flush fails, or if wanted.
 *              Nothing new is appended; what is in flight ends. Writers wait:
 *              those of the failed batches, and all later ones in order
 *   writeBack  everything durable in the log goes to the disk
 *   salvage    only after a failed flush: what is in doubt, see `salvage.ts`
 *   ready      everything acknowledged is on the disk, durably
 *   kept       permitted: records that did not reach the log go to the disk
 *   direct     writes go to the disk, reads come from it: see `direct.ts`. A
 *              flush, FUA and level "durable" flush the disk
 *   lost       what is in doubt cannot be read back. Nothing is bypassed: writes
 *              fail, what is lost reads as EIO; only recovery helps
 *
 * Why a permission. Recovery replays the log from the position that was
 * published last, and that lags behind what is written back. Old records would
 * then overwrite newer direct writes, which no log has. Nor may a log ever
 * continue the old one: whoever follows it would miss the direct writes. So the
 * first direct write waits, and so does whoever wants something to be durable
 * that was in doubt, until the caller says that the published position,
 * durable, lies behind a hole in the numbers of logs, in a log that is still
 * empty. From then on no crash makes anybody replay the old log, and no
 * secondary passes the hole. Cutting the old log instead would need no answer,
 * but would take from the secondaries what they have not fetched yet.
 *
 * Leaving. A rotation ends the bypass: writes in flight end, the disk is flushed
 * (what is logged now must not be durable before what was written directly),
 * and the new log begins. From salvage on, only a log behind a hole will do, see
 * `mayRotateTo`; before, a rotation into the next log is the better way out and
 * goes first.
 *
 * Errors of the disk before "direct" are repeated after a pause; in "direct"
 * they are the clients'.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { Completion, Io } from "../ring/io.ts";
import type { Batch } from "./batch.ts";
import type { Commit } from "./commit.ts";
import { Direct } from "./direct.ts";
import type { DirtyMap } from "./dirty_map.ts";
import { Salvage } from "./salvage.ts";
import type { Writeback } from "./writeback.ts";

// Ours.
const RETRY_PAUSE_MS = 1_000;
/** The log behind the current one, without a hole between. */
const NEXT = 1;

/**
 * "off"      log if possible
 * "prepare"  write everything back, and wait
 * "serve"    go on without a log: the published position is behind a hole
 */
export type BypassMode = "off" | "prepare" | "serve";

type Phase =
  | "none"
  | "settle"
  | "writeBack"
  | "salvage"
  | "ready"
  | "kept"
  | "direct"
  | "lost";

export class Bypass {
  readonly direct: Direct;
  /** Changes of phase. */
  stepCount = 0;
  /** Nothing new is started. */
  isHalted = false;

  readonly #io: Io;
  readonly #crc: Crc32c;
  readonly #dirty: DirtyMap;
  readonly #commit: Commit;
  readonly #transfers: Transfers;
  readonly #writeback: Writeback;
  #phase: Phase = "none";
  #mode: BypassMode = "off";
  #salvage: Salvage | undefined = undefined;
  /** Next of the kept records: batch and record in it. */
  #keptBatch = 0;
  #keptRecord = 0;
  #writingCount = 0;
  /** The last flush before kept or leaving is done. */
  #flush: "none" | "running" | "done" | "paused" = "none";
  #isLeaving = false;
  #errno = 0;
  /** A flush has failed that nobody waited for: the next client hears of it. */
  #untoldErrno = 0;
  readonly #onWritten: (errno: number) => void;
  readonly #onFlushed: (errno: number) => void;
  readonly #onPaused: Completion;

  constructor(
    options: {
      readonly io: Io;
      readonly crc: Crc32c;
      readonly disk: Disk;
      readonly dirty: DirtyMap;
      readonly commit: Commit;
      readonly transfers: Transfers;
      readonly writeback: Writeback;
    },
  ) {
    this.#io = options.io;
    this.#crc = options.crc;
    this.#dirty = options.dirty;
    this.#commit = options.commit;
    this.#transfers = options.transfers;
    this.#writeback = options.writeback;
    this.direct = new Direct(options);
    this.#onWritten = (errno) => this.#writeEnded(errno);
    this.#onFlushed = (errno) => this.#flushEnded(errno);
    this.#onPaused = () => {
      this.#errno = 0;
      this.#flush = "none";
    };
  }

  /** Writes wait, or go to the disk. */
  get isActive(): boolean {
    return this.#phase !== "none" && this.#phase !== "lost";
  }

  /** Writes may go to the disk. */
  get isDirect(): boolean {
    return this.#phase === "direct" && !this.#isLeaving;
  }

  /** What was acknowledged last is on the disk, but perhaps not durable. */
  get hasDirect(): boolean {
    return this.#phase === "direct";
  }

  /** Everything of the log is durable on the disk; a rotation calls `leave`. */
  get isPastLog(): boolean {
    return this.#phase === "ready" || this.#phase === "kept" ||
      this.#phase === "direct";
  }

  /** A rotation must wait. */
  get isSalvaging(): boolean {
    return this.#phase === "salvage";
  }

  /** 0 logging or trying to end it, 1 waiting for permission, 2 direct. */
  get level(): number {
    if (this.#phase === "direct" || this.#phase === "kept") return 2;
    return this.#phase === "ready" ? 1 : 0;
  }

  /** 0, or why the disk does not take the data. */
  get errno(): number {
    return this.#errno || this.#salvage?.diskErrno || this.direct.errno;
  }

  /** No operation is in flight but pauses. */
  get isQuiet(): boolean {
    return this.direct.activeCount === 0 && this.#flush !== "running" &&
      (this.#salvage?.isQuiet ?? true);
  }

  /** Acknowledgements that are owed to clients, not to us. */
  get owedCount(): number {
    const ownCount = this.#writingCount + (this.#flush === "running" ? 1 : 0) +
      (this.#salvage?.activeCount ?? 0);
    return this.direct.activeCount - ownCount;
  }

  /** "serve" holds for the log that is current now, and for no later one. */
  setMode(mode: BypassMode): void {
    this.#mode = mode;
  }

  /** Whether a log of this number may be next. */
  mayRotateTo(sequence: number): boolean {
    return sequence > this.#commit.logs.current.sequence +
        (this.isPastLog || this.isSalvaging ? NEXT : 0);
  }

  /** The errno of a flush that failed unheard; forgotten with this call. */
  takeUntoldErrno(): number {
    const errno = this.#untoldErrno;
    this.#untoldErrno = 0;
    return errno;
  }

  /** Gives up what waits for the permission; nobody is there any more. */
  giveUp(errno: number): void {
    const isWaiting = this.#phase !== "none" && this.#phase !== "direct";
    if (!isWaiting || this.#commit.errno === 0 || this.#commit.isGivenUp) {
      return;
    }
    if (this.#commit.isQuiet && this.#writingCount === 0) {
      this.#commit.giveUp(errno);
    }
  }

  /** Once per turn: starts what may start. */
  advance(
    now: { readonly isRotating: boolean; readonly deviceSizeBytes: number },
  ): void {
    if (this.isHalted) return;
    switch (this.#phase) {
      case "none":
        if (now.isRotating || !this.#isNeeded) return;
        return this.#enter("settle");
      case "settle":
        return this.#settle(now.isRotating);
      case "writeBack":
        if (now.isRotating || !this.#isNeeded) return this.#enter("settle");
        return this.#writeBack(now.deviceSizeBytes);
      case "salvage":
        return this.#checkSalvage();
      case "ready":
        if (this.#mode !== "serve") return;
        this.#settleDoubt();
        return this.#enter("kept");
      case "kept":
        return this.#writeKept();
      case "direct":
        return;
      case "lost":
        // A rotation may have helped after all.
        if (this.#commit.errno === 0) this.#enter("none");
        return;
    }
  }

  /**
   * Ends the bypass for a rotation; true when the logs may be switched. To be
   * called each turn until then, and `left` after the switch.
   */
  leave(): boolean {
    assert(this.isPastLog, "the log has been left behind");
    if (this.#phase === "kept") return false;
    this.#isLeaving = true;
    if (this.#phase === "direct" && !this.#isFlushed()) return false;
    this.#settleDoubt();
    return true;
  }

  /** At the end of all: makes direct writes durable; true when it is done. */
  finish(): boolean {
    if (this.#phase !== "direct" || this.#isFlushed()) return true;
    // Whoever halts does not wait for a disk that fails.
    return this.isHalted && this.#flush === "paused";
  }

  /** The logs were switched: what waits is logged again. */
  left(): void {
    this.#isLeaving = false;
    this.#flush = "none";
    this.#mode = "off";
    this.#salvage = undefined;
    this.#enter("none");
  }

  /** Whether the log has failed or shall not be used. */
  get #isNeeded(): boolean {
    return this.#commit.errno !== 0 || this.#mode !== "off";
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.stepCount++;
  }

  #settle(isRotating: boolean): void {
    if (isRotating) return;
    const commit = this.#commit;
    if (!this.#isNeeded) {
      commit.isHeld = false;
      return this.#enter("none");
    }
    commit.isHeld = true;
    if (!commit.isQuiet) return;
    commit.wantDurable(commit.loggedBytes);
    this.#enter("writeBack");
  }

  #writeBack(deviceSizeBytes: number): void {
    const commit = this.#commit;
    if (!commit.isQuiet) return;
    if (!commit.isSuspect) {
      if (this.#writeback.isComplete) this.#enter("ready");
      return;
    }
    if (!this.#writeback.isWrittenTo(commit.durableBytes)) return;
    const log = commit.logs.current;
    this.#salvage = new Salvage({
      io: this.#io,
      crc: this.#crc,
      transfers: this.#transfers,
      direct: this.direct,
      fd: log.fd,
      startBytes: log.inFile(commit.durableBytes),
      endBytes: log.inFile(commit.loggedBytes),
      deviceSizeBytes,
    });
    this.#enter("salvage");
  }

  #checkSalvage(): void {
    const salvage = this.#salvage;
    assert(salvage !== undefined, "a salvage is running");
    salvage.advance();
    if (salvage.outcome === "running") return;
    const commit = this.#commit;
    if (salvage.outcome === "lost") {
      commit.giveUp(commit.errno);
      return this.#enter("lost");
    }
    // Nothing is called durable yet: see "Why a permission".
    this.#dirty.clear();
    this.#enter("ready");
  }

  /** The log is left for good: what it lacks counts as durable from now on. */
  #settleDoubt(): void {
    const commit = this.#commit;
    if (!commit.isSuspect) return;
    commit.settleDoubt();
    this.#writeback.settle(commit.loggedBytes);
  }

  #writeKept(): void {
    if (this.#flush === "paused") return;
    for (;;) {
      const batch = this.#nextKept();
      if (batch === undefined || this.#errno !== 0) break;
      const record = this.#keptRecord;
      const offsetBytes = batch.offsetBytes(record);
      const length = batch.payloadLength(record);
      if (!this.direct.hasRoomFor(offsetBytes, length)) break;
      this.#keptRecord++;
      this.#writingCount++;
      this.direct.write(
        batch.memory,
        batch.payloadAt(record),
        length,
        offsetBytes,
        false,
        this.#onWritten,
      );
    }
    if (this.#writingCount > 0) return;
    if (this.#errno !== 0) {
      this.#rewindKept();
      return this.#pause();
    }
    if (!this.#isFlushed()) return;
    this.#rewindKept();
    this.#flush = "none";
    this.#commit.answerKept();
    this.#enter("direct");
  }

  /** The batch with the next record; undefined behind the last one. */
  #nextKept(): Batch | undefined {
    const batches = this.#commit.keptBatches;
    for (; this.#keptBatch < batches.length; this.#keptBatch++) {
      const batch = batches[this.#keptBatch];
      if (batch !== undefined && this.#keptRecord < batch.recordCount) {
        return batch;
      }
      this.#keptRecord = 0;
    }
    return undefined;
  }

  #rewindKept(): void {
    this.#keptBatch = 0;
    this.#keptRecord = 0;
  }

  #writeEnded(errno: number): void {
    this.#writingCount--;
    if (errno !== 0) this.#errno = errno;
  }

  /** Whether the disk was flushed since all direct writes have ended. */
  #isFlushed(): boolean {
    if (this.#flush === "none" && this.direct.activeCount === 0) {
      this.#flush = "running";
      this.direct.flush(this.#onFlushed);
      this.direct.advance();
    }
    return this.#flush === "done";
  }

  #flushEnded(errno: number): void {
    if (errno === 0) {
      this.#flush = "done";
      return;
    }
    this.#errno = errno;
    // What was kept is written again; what was acknowledged cannot be.
    if (this.#phase === "direct") this.#untoldErrno = errno;
    else this.#rewindKept();
    this.#pause();
  }

  #pause(): void {
    this.#flush = "paused";
    this.#io.timer(RETRY_PAUSE_MS, this.#onPaused, 0);
  }
}
