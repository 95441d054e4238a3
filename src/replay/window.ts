// Pure
/**
 * Window: the disk writes of a replay in flight.
 *
 * Payloads are copied into a staging ring and written from there, so that the
 * log buffer is free again at once. The newest write is handed over late: until
 * then a payload that begins inside of it or at its end replaces that part and
 * extends it. Hence a run of neighbors is one write.
 *
 *   staging   | free | oldest … writes in flight … newest | open | free |
 *
 * Rules
 *   (1) A payload that overlaps a write in flight is not taken: the caller
 *       offers it again after the next completion, without limit in time (I5).
 *   (2) A failed write is repeated after a pause, for ever, and `diskErrno`
 *       shows why, until `abandon`.
 *   (3) Space is given back in the order in which it was taken.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";

// Ours. Prescribed by MARS are 512 writes in flight; ours are larger.
const WRITE_COUNT_MAX = 256;
/** Ours. 1 MiB: twice of it gained nothing, see bench/replay. */
export const STAGING_BYTES = 1024 * 1024;
/** Ours. Larger writes leave too little room for others beside them. */
const WRITE_BYTES_MAX = 256 * 1024;
/** Ours. A disk that fails is not asked more often. */
export const RETRY_PAUSE_MS = 1_000;

/**
 * Ours. Extents in flight are counted per region of this size, modulo the
 * length of the table: where the count is 0, nothing can overlap.
 */
const REGION_BYTES = 64 * 1024;
const REGION_COUNT = 4_096;

/** Writes in flight, oldest first, around a ring of slots. */
export class Window {
  readonly #io: Io;
  readonly #disk: Disk;
  readonly #memory: Memory;
  readonly #stagingStart: number;
  readonly #onChange: () => void;

  // One slot per write: where it goes, where its data are, whether it is done.
  readonly #offsetBytes = new Float64Array(WRITE_COUNT_MAX);
  readonly #length = new Uint32Array(WRITE_COUNT_MAX);
  readonly #start = new Uint32Array(WRITE_COUNT_MAX);
  readonly #isDone = new Uint8Array(WRITE_COUNT_MAX);
  readonly #regionCounts = new Uint16Array(REGION_COUNT);
  #oldest = 0;
  #count = 0;
  /** Slot of the write that still grows, or -1. */
  #open = -1;

  #diskErrno = 0;
  #isAbandoned = false;
  #hasLost = false;

  readonly #onWritten: Completion = (result, slot) =>
    this.#written(result, slot);
  readonly #onPause: Completion = (_result, slot) => this.#repeat(slot);

  /**
   * @param options `memory` holds `STAGING_BYTES` for the window from
   * `stagingStart`; `onChange` is called after each completion
   */
  constructor(
    options: {
      io: Io;
      disk: Disk;
      memory: Memory;
      stagingStart: number;
      onChange: () => void;
    },
  ) {
    this.#io = options.io;
    this.#disk = options.disk;
    this.#memory = options.memory;
    this.#stagingStart = options.stagingStart;
    this.#onChange = options.onChange;
  }

  /** Whether nothing is in flight and nothing waits to be. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Errno of the last failed write; 0 once one has succeeded again. */
  get diskErrno(): number {
    return this.#diskErrno;
  }

  /** After `abandon`: whether a failed write was given up. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /**
   * Takes over `length` bytes from `start` of `bytes` for the disk, or returns
   * false: then they overlap a write in flight or there is no room.
   */
  add(
    bytes: Uint8Array,
    start: number,
    length: number,
    offsetBytes: number,
  ): boolean {
    const at = this.#placeInOpen(length, offsetBytes);
    if (at >= 0) {
      this.#copy(bytes, start, length, at);
      return true;
    }
    this.submit();
    if (this.#overlaps(offsetBytes, length)) return false;
    const begin = this.#room(length);
    if (begin < 0) return false;
    const slot = (this.#oldest + this.#count) % WRITE_COUNT_MAX;
    this.#count++;
    this.#offsetBytes[slot] = offsetBytes;
    this.#length[slot] = length;
    this.#start[slot] = begin;
    this.#isDone[slot] = 0;
    this.#open = slot;
    this.#copy(bytes, start, length, begin);
    return true;
  }

  /** Hands the newest write over; to be called before the turn ends. */
  submit(): void {
    const slot = this.#open;
    if (slot < 0) return;
    this.#open = -1;
    this.#countRegions(slot, 1);
    this.#write(slot);
  }

  /** From now on a failed write is given up and not repeated. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Where in staging a payload belongs that the open write can take, or -1. */
  #placeInOpen(length: number, offsetBytes: number): number {
    const slot = this.#open;
    if (slot < 0) return -1;
    const openOffset = at(this.#offsetBytes, slot);
    const openLength = at(this.#length, slot);
    const openStart = at(this.#start, slot);
    const distance = offsetBytes - openOffset;
    if (distance < 0 || distance > openLength) return -1;
    const end = distance + length;
    if (end <= openLength) return openStart + distance;
    if (end > WRITE_BYTES_MAX) return -1;
    if (openStart + end > this.#limitOf(openStart)) return -1;
    if (this.#overlaps(offsetBytes, length)) return -1;
    this.#length[slot] = end;
    return openStart + distance;
  }

  /** End of the free staging behind a write that starts at `start`. */
  #limitOf(start: number): number {
    const oldestStart = at(this.#start, this.#oldest);
    // The oldest write itself, or those behind it up to the end of staging.
    if (start >= oldestStart) return this.#stagingStart + STAGING_BYTES;
    return oldestStart;
  }

  /** Start of `length` free bytes of staging, or -1. */
  #room(length: number): number {
    assert(length <= STAGING_BYTES, "payload fits into staging");
    if (this.#count === 0) return this.#stagingStart;
    if (this.#count === WRITE_COUNT_MAX) return -1;
    const newest = (this.#oldest + this.#count - 1) % WRITE_COUNT_MAX;
    const begin = at(this.#start, newest) + at(this.#length, newest);
    if (begin + length <= this.#limitOf(at(this.#start, newest))) return begin;
    // Around the end, if the newest does not lie in front of the oldest.
    const oldestStart = at(this.#start, this.#oldest);
    if (at(this.#start, newest) < oldestStart) return -1;
    const isFree = this.#stagingStart + length <= oldestStart;
    return isFree ? this.#stagingStart : -1;
  }

  /** Whether a write in flight (not the open one) shares a byte with these. */
  #overlaps(offsetBytes: number, length: number): boolean {
    if (!this.#mayOverlap(offsetBytes, length)) return false;
    const endBytes = offsetBytes + length;
    for (let index = 0; index < this.#count; index++) {
      const slot = (this.#oldest + index) % WRITE_COUNT_MAX;
      if (slot === this.#open || this.#isDone[slot] === 1) continue;
      const begin = at(this.#offsetBytes, slot);
      if (begin < endBytes && offsetBytes < begin + at(this.#length, slot)) {
        return true;
      }
    }
    return false;
  }

  #mayOverlap(offsetBytes: number, length: number): boolean {
    const first = Math.floor(offsetBytes / REGION_BYTES);
    const last = Math.floor((offsetBytes + length - 1) / REGION_BYTES);
    for (let region = first; region <= last; region++) {
      if (at(this.#regionCounts, region % REGION_COUNT) !== 0) return true;
    }
    return false;
  }

  #countRegions(slot: number, change: number): void {
    const offsetBytes = at(this.#offsetBytes, slot);
    const endBytes = offsetBytes + at(this.#length, slot);
    const first = Math.floor(offsetBytes / REGION_BYTES);
    const last = Math.floor((endBytes - 1) / REGION_BYTES);
    for (let region = first; region <= last; region++) {
      const index = region % REGION_COUNT;
      this.#regionCounts[index] = at(this.#regionCounts, index) + change;
    }
  }

  #copy(bytes: Uint8Array, start: number, length: number, to: number): void {
    const staging = this.#memory.bytes;
    if (bytes === staging) staging.copyWithin(to, start, start + length);
    else staging.set(bytes.subarray(start, start + length), to);
  }

  #write(slot: number): void {
    const start = at(this.#start, slot);
    const length = at(this.#length, slot);
    const offsetBytes = at(this.#offsetBytes, slot);
    this.#disk.write(
      this.#memory,
      start,
      length,
      offsetBytes,
      this.#onWritten,
      slot,
    );
  }

  #written(result: number, slot: number): void {
    if (result < 0) {
      this.#diskErrno = -result;
      if (!this.#isAbandoned) {
        this.#io.timer(RETRY_PAUSE_MS, this.#onPause, slot);
        this.#onChange();
        return;
      }
      this.#hasLost = true;
    } else {
      this.#diskErrno = 0;
    }
    this.#finish(slot);
  }

  #repeat(slot: number): void {
    if (!this.#isAbandoned) return this.#write(slot);
    this.#hasLost = true;
    this.#finish(slot);
  }

  #finish(slot: number): void {
    assert(this.#isDone[slot] === 0, "a write is done once");
    this.#isDone[slot] = 1;
    this.#countRegions(slot, -1);
    while (this.#count > 0 && this.#isDone[this.#oldest] === 1) {
      this.#oldest = (this.#oldest + 1) % WRITE_COUNT_MAX;
      this.#count--;
    }
    this.#onChange();
  }
}

/** An element that is known to exist. */
function at(
  numbers: Float64Array | Uint32Array | Uint16Array,
  index: number,
): number {
  return numbers[index] ?? 0;
}
