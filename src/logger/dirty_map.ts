// Pure
/**
 * Dirty map: where in the log the newest data not yet on the disk lie.
 *
 * The value of an extent is a stream position (see `commit.ts`) of its payload.
 * The log file, hot in the page cache, is the dirty buffer; memory grows with
 * the number of extents, which is bounded: at the bound writers wait until the
 * writeback has made room. A record takes two extents at most, so a record may
 * be collected only if two for it and for each one before it are free.
 */
import { assert } from "../base/assert.ts";
import {
  ExtentMap,
  EXTENTS_PER_INSERT_MAX,
  REGION_BYTES,
} from "../block/extent_map.ts";

// Ours. 512 MiB of 4 KiB writes; the map takes 36 bytes each.
export const DIRTY_EXTENTS_MAX = 128 * 1024;

export class DirtyMap {
  readonly #extents: ExtentMap;
  readonly #regions: Float64Array;
  #regionCount = 0;

  constructor(extentsMax: number) {
    this.#extents = new ExtentMap(extentsMax);
    this.#regions = new Float64Array(extentsMax);
  }

  get count(): number {
    return this.#extents.count;
  }

  /** More than half of the bound is used: the writeback must hurry. */
  get isPressed(): boolean {
    return 2 * this.#extents.count > this.#extents.extentsMax;
  }

  /** Whether so many records can be noted without exceeding the bound. */
  hasRoomFor(recordCount: number): boolean {
    const needed = EXTENTS_PER_INSERT_MAX * recordCount;
    return this.#extents.count + needed <= this.#extents.extentsMax;
  }

  /** The newest data of this range lie in the log from `position` on. */
  note(offsetBytes: number, lengthBytes: number, position: number): void {
    this.#extents.insert(offsetBytes, lengthBytes, position);
  }

  /**
   * Finds the piece that begins at `offsetBytes`: true if it is dirty, false if
   * the disk has it. See `pieceEndBytes` and `position` for the rest.
   */
  seek(offsetBytes: number, endBytes: number): boolean {
    return this.#extents.seek(offsetBytes, endBytes);
  }

  get pieceEndBytes(): number {
    return this.#extents.pieceEndBytes;
  }

  /** Stream position of the dirty piece that was found last. */
  get position(): number {
    return this.#extents.pieceValue;
  }

  /** Notes which regions are dirty now, in disk order; returns their count. */
  listRegions(): number {
    this.#regionCount = this.#extents.listRegions(this.#regions);
    this.#regions.subarray(0, this.#regionCount).sort();
    return this.#regionCount;
  }

  /** Where the region with this index of the list begins. */
  regionStartBytes(index: number): number {
    assert(index < this.#regionCount, "the region is in the list");
    return (this.#regions[index] ?? 0) * REGION_BYTES;
  }

  /** Forgets what lies before `positionEnd` in a region of the list. */
  clean(index: number, positionEnd: number): void {
    assert(index < this.#regionCount, "the region is in the list");
    this.#extents.removeBelow(this.#regions[index] ?? 0, positionEnd);
  }

  /** Forgets everything: all of it is on the disk. */
  clear(): void {
    for (let index = this.listRegions() - 1; index >= 0; index--) {
      this.clean(index, Infinity);
    }
  }
}
