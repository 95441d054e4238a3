// Pure
/**
 * Writeback: dirty extents to the disk, in disk order.
 *
 *   idle ──► flushLog ──► write ⇄ flushDisk ──► confirm ──► idle
 *                            ▲        │ error
 *                            └─ pause ◄┘
 *
 * A sweep makes the log durable and notes that position, `endBytes`. Only what
 * lies before it is written: what is not durable in the log must not reach the
 * disk, else a crash could leave a write there that no log has (I2). The sweep
 * goes once over the disk, section by section. A section is written, the disk
 * is flushed, and only then its extents become clean; should the flush fail,
 * everything of the section is written again, because nobody knows what is lost.
 * At the end of the sweep everything before `endBytes` is durable on the disk
 * or superseded by something behind it. When that is durable in the log, too,
 * `writtenBackBytes` moves there (I6). Not before: a power cut would lose the
 * newer data, and the older ones were never written.
 *
 * Within a sweep each byte is written once, so that no two writes in flight
 * overlap; a newer record waits for the next sweep (I5).
 *
 * A sweep starts when
 *   - no request came for WRITEBACK_IDLE_TICKS, or
 *   - the oldest dirty data is older than WRITEBACK_AGE_TICKS, or
 *   - more than half of the bound of the dirty map is used, or
 *   - a rotation or a drain urges.
 * While requests come in and nothing presses, few slots are used.
 *
 * Errors of the disk or of reading the log are repeated after a pause, forever;
 * meanwhile `errno` shows them and the data stay dirty.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import { REGION_BYTES } from "../block/extent_map.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Completion, Io } from "../ring/io.ts";
import type { Commit } from "./commit.ts";
import type { DirtyMap } from "./dirty_map.ts";
import { WritebackSlot } from "./writeback_slot.ts";

// Ours. Ages are counted in ticks, which costs no look at a clock per turn.
const TICK_MS = 100;
const WRITEBACK_IDLE_TICKS = 2;
const WRITEBACK_AGE_TICKS = 30;
const RETRY_PAUSE_MS = 1_000;
/**
 * Writes in flight, and how many while the foreground is busy. The page cache
 * takes them at once and passes them on in large numbers; the disk itself wants
 * to see several at a time.
 */
const SLOT_COUNT = 32;
const SLOTS = {
  cached: { all: 16, yielding: 4 },
  direct: { all: SLOT_COUNT, yielding: 16 },
} as const;
/** Extents made clean by one flush of the disk: 64 MiB of 4 KiB writes. */
const SECTION_EXTENTS_MAX = 16_384;

type Phase = "idle" | "flushLog" | "write" | "flushDisk" | "pause" | "confirm";

export class Writeback {
  /** Everything before is durable on the disk or superseded; a position. */
  writtenBackBytes = 0;
  /** Somebody waits for the log to be written back. */
  isUrged = false;
  /** Sweeps that have ended. */
  sweepCount = 0;
  /** No new operation is started. */
  isHalted = false;

  readonly #io: Io;
  readonly #disk: Disk;
  readonly #dirty: DirtyMap;
  readonly #commit: Commit;
  readonly #slots: WritebackSlot[] = [];
  readonly #freeSlots: number[] = [];
  #phase: Phase = "idle";
  /** Stream position up to which this sweep writes. */
  #endBytes = 0;
  #wantedBytes = 0;
  #regionCount = 0;
  /** Next region of the list and byte in it; where the section began. */
  #regionIndex = 0;
  #inRegionBytes = 0;
  #sectionIndex = 0;
  #sectionExtents = 0;
  #isSectionStarted = false;
  #errno = 0;
  #busyCount = 0;
  #pausedCount = 0;
  #hasTick = false;
  /** Ticks since something is dirty, and since the foreground was active. */
  #dirtyTicks = 0;
  #quietTicks = 0;
  readonly #onDiskFlushed: Completion;
  readonly #onPaused: Completion;
  readonly #onTick: Completion;

  constructor(
    options: {
      readonly io: Io;
      readonly disk: Disk;
      readonly dirty: DirtyMap;
      readonly commit: Commit;
      readonly transfers: Transfers;
    },
  ) {
    this.#io = options.io;
    this.#disk = options.disk;
    this.#dirty = options.dirty;
    this.#commit = options.commit;
    const onEnded: Completion = (result, tag) => this.#slotEnded(result, tag);
    for (let index = 0; index < SLOT_COUNT; index++) {
      this.#slots.push(
        new WritebackSlot({ ...options, index, onEnded }),
      );
      this.#freeSlots.push(index);
    }
    this.#onDiskFlushed = (result) => this.#diskFlushed(result);
    this.#onPaused = (_result, tag) => this.#pauseEnded(tag);
    this.#onTick = () => {
      this.#hasTick = false;
      this.#dirtyTicks++;
      this.#quietTicks++;
    };
  }

  /** 0, or why the disk does not take the data. */
  get errno(): number {
    return this.#errno;
  }

  /** No operation is in flight and none will start by itself. */
  get isQuiet(): boolean {
    if (this.#phase === "idle") return true;
    // A rescue may still come, but it is not waited for.
    if (this.#phase === "confirm" && this.#commit.isSuspect) return true;
    return this.isHalted && this.#phase !== "flushDisk" &&
      this.#busyCount === this.#pausedCount;
  }

  /** Whether everything in the log is on the disk. */
  get isComplete(): boolean {
    return this.#phase === "idle" && this.#dirty.count === 0 &&
      this.writtenBackBytes === this.#commit.loggedBytes;
  }

  /**
   * Whether everything before `position` is on the disk, or superseded by what
   * is in doubt behind it.
   */
  isWrittenTo(position: number): boolean {
    return this.#phase === "confirm"
      ? this.#endBytes === position
      : this.#phase === "idle" && this.writtenBackBytes === position;
  }

  /** Everything before `position` has come to the disk, in another way. */
  settle(position: number): void {
    assert(this.isWrittenTo(this.#endBytes), "no writeback is in flight");
    assert(position >= this.writtenBackBytes, "I4: written back grows");
    this.writtenBackBytes = position;
    this.#endBytes = position;
    this.#phase = "idle";
  }

  /** The foreground was active in this turn. */
  noteForeground(): void {
    this.#quietTicks = 0;
  }

  /** Once per turn: starts what may start. */
  advance(): void {
    if (this.isHalted) return;
    if (this.#phase === "idle" && !this.#isNeeded()) {
      this.#dirtyTicks = 0;
      return;
    }
    this.#armTick();
    if (this.#phase === "idle") {
      if (!this.#mustStart()) return;
      this.#phase = "flushLog";
      this.#dirtyTicks = 0;
      this.#wantedBytes = this.#commit.loggedBytes;
      this.#commit.wantDurable(this.#wantedBytes);
    }
    if (this.#phase === "flushLog") this.#startSweep();
    if (this.#phase === "write") this.#fillSlots();
    if (this.#phase === "confirm") this.#confirm();
  }

  #isNeeded(): boolean {
    // What is suspect cannot be written back.
    const { isSuspect, durableBytes, loggedBytes } = this.#commit;
    const reachable = isSuspect ? durableBytes : loggedBytes;
    return this.writtenBackBytes < reachable;
  }

  #armTick(): void {
    if (this.#hasTick) return;
    this.#hasTick = true;
    this.#io.timer(TICK_MS, this.#onTick, 0);
  }

  #mustStart(): boolean {
    return this.isUrged || this.#dirty.isPressed || this.#isForegroundQuiet ||
      this.#dirtyTicks > WRITEBACK_AGE_TICKS;
  }

  /** The first tick may come at once: it does not count. */
  get #isForegroundQuiet(): boolean {
    return this.#quietTicks > WRITEBACK_IDLE_TICKS;
  }

  #startSweep(): void {
    const { durableBytes, isSuspect } = this.#commit;
    if (durableBytes < this.#wantedBytes && !isSuspect) return;
    assert(
      durableBytes >= this.writtenBackBytes,
      "I4: written back is durable",
    );
    this.#endBytes = durableBytes;
    this.#regionCount = this.#dirty.listRegions();
    this.#regionIndex = 0;
    this.#inRegionBytes = 0;
    this.#beginSection();
    this.#phase = "write";
  }

  #beginSection(): void {
    this.#sectionIndex = this.#regionIndex;
    this.#sectionExtents = 0;
    this.#isSectionStarted = false;
  }

  /** Sections end where regions end. */
  get #isSectionFull(): boolean {
    return this.#inRegionBytes === 0 &&
      this.#sectionExtents >= SECTION_EXTENTS_MAX;
  }

  #fillSlots(): void {
    const isYielding = !this.isUrged && !this.#dirty.isPressed &&
      !this.#isForegroundQuiet;
    const counts = this.#disk.isDirect ? SLOTS.direct : SLOTS.cached;
    const countMax = isYielding ? counts.yielding : counts.all;
    while (this.#busyCount < countMax) {
      const index = this.#freeSlots.pop();
      if (index === undefined) break;
      const slot = this.#slotAt(index);
      this.#collect(slot);
      if (slot.extentCount === 0) {
        this.#freeSlots.push(index);
        break;
      }
      this.#isSectionStarted = true;
      this.#busyCount++;
      slot.start();
    }
    const isSectionDone = this.#isSectionFull ||
      this.#regionIndex === this.#regionCount;
    if (isSectionDone && this.#busyCount === 0) this.#endSection();
  }

  /** Takes neighbors from the map, from where the last slot ended. */
  #collect(slot: WritebackSlot): void {
    slot.clear();
    while (this.#regionIndex < this.#regionCount && !this.#isSectionFull) {
      const regionStart = this.#dirty.regionStartBytes(this.#regionIndex);
      const regionEnd = regionStart + REGION_BYTES;
      let offsetBytes = regionStart + this.#inRegionBytes;
      while (offsetBytes < regionEnd) {
        const isDirty = this.#dirty.seek(offsetBytes, regionEnd);
        const pieceEnd = this.#dirty.pieceEndBytes;
        if (isDirty && this.#dirty.position < this.#endBytes) {
          const length = pieceEnd - offsetBytes;
          if (!slot.accepts(offsetBytes, length)) {
            this.#inRegionBytes = offsetBytes - regionStart;
            return;
          }
          slot.add(offsetBytes, length, this.#dirty.position);
          this.#sectionExtents++;
        }
        offsetBytes = pieceEnd;
      }
      this.#regionIndex++;
      this.#inRegionBytes = 0;
    }
  }

  #slotEnded(result: number, index: number): void {
    if (result < 0) {
      this.#errno = -result;
      this.#pausedCount++;
      this.#io.timer(RETRY_PAUSE_MS, this.#onPaused, index);
      return;
    }
    // One that failed before may still be waiting.
    if (this.#pausedCount === 0) this.#errno = 0;
    this.#busyCount--;
    this.#freeSlots.push(index);
  }

  #endSection(): void {
    if (!this.#isSectionStarted) return this.#sectionWritten();
    this.#phase = "flushDisk";
    this.#disk.flush(this.#onDiskFlushed, 0);
  }

  #diskFlushed(result: number): void {
    assert(this.#phase === "flushDisk", "a flush of the disk was in flight");
    if (result < 0) {
      this.#errno = -result;
      this.#phase = "pause";
      this.#io.timer(RETRY_PAUSE_MS, this.#onPaused, SLOT_COUNT);
      return;
    }
    this.#errno = 0;
    this.#sectionWritten();
  }

  #pauseEnded(tag: number): void {
    if (tag < SLOT_COUNT) {
      if (this.isHalted) return;
      this.#pausedCount--;
      this.#slotAt(tag).start();
      return;
    }
    // What the failed flush covered is written again.
    assert(this.#phase === "pause", "the writeback paused");
    this.#regionIndex = this.#sectionIndex;
    this.#inRegionBytes = 0;
    this.#beginSection();
    this.#phase = "write";
  }

  #sectionWritten(): void {
    for (let index = this.#sectionIndex; index < this.#regionIndex; index++) {
      this.#dirty.clean(index, this.#endBytes);
    }
    if (this.#regionIndex < this.#regionCount) {
      this.#beginSection();
      this.#phase = "write";
      return;
    }
    // Whatever has superseded data of this sweep is in the log by now.
    this.#wantedBytes = this.#commit.loggedBytes;
    this.#commit.wantDurable(this.#wantedBytes);
    this.#phase = "confirm";
  }

  #confirm(): void {
    const { durableBytes, isSuspect } = this.#commit;
    if (durableBytes < this.#wantedBytes) {
      // It never will be. What has become durable since is still to be written.
      if (!isSuspect || this.#endBytes === durableBytes) return;
      this.#phase = "idle";
      this.sweepCount++;
      return;
    }
    assert(this.#endBytes >= this.writtenBackBytes, "I4: written back grows");
    this.writtenBackBytes = this.#endBytes;
    this.sweepCount++;
    this.#phase = "idle";
  }

  #slotAt(index: number): WritebackSlot {
    const slot = this.#slots[index];
    assert(slot !== undefined, "the slot exists");
    return slot;
  }
}
