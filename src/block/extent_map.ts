// Pure
/**
 * Extent map: byte ranges of a disk to positions of their newest data.
 *
 * An extent is a range with the value of its first byte; the value of a byte
 * behind it is as much larger. Inserting a range cuts away what it overlaps:
 * what is left of an older extent keeps the values of its bytes.
 *
 *   insert [0, 8) -> 100      [0, 8) -> 100
 *   insert [2, 4) -> 200      [0, 2) -> 100, [2, 4) -> 200, [4, 8) -> 104
 *
 * Ranges consist of sectors and never cross a boundary of a region (64 KiB).
 * A region is a sorted list of a few extents; an open-addressing table finds
 * the first one. All memory is taken at construction, about 36 bytes per extent
 * of the bound: at the bound an insertion is a programmer's error.
 *
 *   (1) Extents do not overlap, none is empty.
 *   (2) A region without extents has no entry in the table.
 */
import { assert } from "../base/assert.ts";

export const SECTOR_BYTES = 512;
/** Prescribed by MARS: no record crosses a boundary of this. */
export const REGION_BYTES = 65_536;
/** An insertion adds at most so many extents: it may split one. */
export const EXTENTS_PER_INSERT_MAX = 2;

const NONE = -1;
/** Golden ratio of 32 bits: spreads neighboring regions. */
const HASH_FACTOR = 0x9e3779b1;

/** Where the newest data of a disk's bytes are. */
export class ExtentMap {
  readonly #extentsMax: number;
  // One entry per extent; unused ones are linked through `#next`.
  readonly #next: Int32Array;
  readonly #startSector: Uint8Array;
  readonly #endSector: Uint8Array;
  readonly #value: Float64Array;
  readonly #region: Float64Array;
  #free = 0;
  #count = 0;
  // First extent of a region plus one, 0 if unused.
  readonly #table: Int32Array;
  readonly #tableMask: number;
  #pieceEndBytes = 0;
  #pieceValue = 0;

  constructor(extentsMax: number) {
    assert(extentsMax >= EXTENTS_PER_INSERT_MAX, "extent map has some room");
    this.#extentsMax = extentsMax;
    this.#next = new Int32Array(extentsMax);
    this.#startSector = new Uint8Array(extentsMax);
    this.#endSector = new Uint8Array(extentsMax);
    this.#value = new Float64Array(extentsMax);
    this.#region = new Float64Array(extentsMax);
    for (let node = 0; node < extentsMax; node++) {
      this.#next[node] = node + 1 < extentsMax ? node + 1 : NONE;
    }
    // At most half full, so that chains stay short.
    let tableSize = 4;
    while (tableSize < 2 * extentsMax) tableSize *= 2;
    this.#table = new Int32Array(tableSize);
    this.#tableMask = tableSize - 1;
  }

  get count(): number {
    return this.#count;
  }

  get extentsMax(): number {
    return this.#extentsMax;
  }

  /** Maps a range to `value`; room for two more extents must be there. */
  insert(startBytes: number, lengthBytes: number, value: number): void {
    const region = Math.floor(startBytes / REGION_BYTES);
    const inRegion = startBytes - region * REGION_BYTES;
    assert(lengthBytes > 0, "an extent is not empty");
    assert(inRegion % SECTOR_BYTES === 0, "an extent starts at a sector");
    assert(lengthBytes % SECTOR_BYTES === 0, "an extent ends at a sector");
    assert(inRegion + lengthBytes <= REGION_BYTES, "extent is in one region");
    const start = inRegion / SECTOR_BYTES;
    const end = (inRegion + lengthBytes) / SECTOR_BYTES;

    const slot = this.#slotOf(region);
    const first = this.#firstAt(slot);
    let before = NONE;
    let node = first;
    while (node !== NONE && this.#endOf(node) <= start) {
      before = node;
      node = this.#nextOf(node);
    }
    if (node !== NONE && this.#startOf(node) < start) {
      // The front part of `node` stays; of the rear part what lies behind.
      if (this.#endOf(node) > end) this.#splitAt(node, end);
      this.#endSector[node] = start;
      before = node;
      node = this.#nextOf(node);
    }
    while (node !== NONE && this.#endOf(node) <= end) {
      const covered = node;
      node = this.#nextOf(node);
      this.#release(covered);
    }
    if (node !== NONE && this.#startOf(node) < end) this.#cutFront(node, end);

    const added = this.#take(region, start, end, value);
    this.#next[added] = node;
    if (before === NONE) {
      this.#table[slot] = added + 1;
    } else {
      this.#next[before] = added;
    }
  }

  /**
   * Finds the piece that begins at `offsetBytes`: true if it is mapped, false
   * if it is a gap. It ends at `pieceEndBytes`, at `endBytes` at the latest; a
   * mapped piece begins with `pieceValue`. Gaps may span regions.
   */
  seek(offsetBytes: number, endBytes: number): boolean {
    assert(offsetBytes < endBytes, "the range sought is not empty");
    let region = Math.floor(offsetBytes / REGION_BYTES);
    for (;;) {
      const baseBytes = region * REGION_BYTES;
      if (baseBytes >= endBytes) break;
      let node = this.#firstAt(this.#slotOf(region));
      for (; node !== NONE; node = this.#nextOf(node)) {
        const nodeEnd = baseBytes + this.#endOf(node) * SECTOR_BYTES;
        if (nodeEnd <= offsetBytes) continue;
        const nodeStart = baseBytes + this.#startOf(node) * SECTOR_BYTES;
        if (nodeStart > offsetBytes) {
          this.#pieceEndBytes = Math.min(nodeStart, endBytes);
          return false;
        }
        this.#pieceEndBytes = Math.min(nodeEnd, endBytes);
        this.#pieceValue = this.#valueOf(node) + (offsetBytes - nodeStart);
        return true;
      }
      region++;
    }
    this.#pieceEndBytes = endBytes;
    return false;
  }

  /** End of the piece that the last `seek` found. */
  get pieceEndBytes(): number {
    return this.#pieceEndBytes;
  }

  /** Value at the start of the piece that the last `seek` found mapped. */
  get pieceValue(): number {
    return this.#pieceValue;
  }

  /** Removes all extents of a region whose value is below `valueEnd`. */
  removeBelow(region: number, valueEnd: number): void {
    const slot = this.#slotOf(region);
    let before = NONE;
    let node = this.#firstAt(slot);
    if (node === NONE) return;
    while (node !== NONE) {
      const next = this.#nextOf(node);
      if (this.#valueOf(node) >= valueEnd) {
        before = node;
      } else {
        if (before === NONE) this.#table[slot] = next + 1;
        else this.#next[before] = next;
        this.#release(node);
      }
      node = next;
    }
    if (this.#table[slot] === 0) this.#closeHole(slot);
  }

  /**
   * Writes the numbers of all regions with extents into `target`, in no order.
   *
   * @param target room for as many as there are extents
   * @returns their count
   */
  listRegions(target: Float64Array): number {
    let count = 0;
    for (let slot = 0; slot < this.#table.length; slot++) {
      const first = this.#firstAt(slot);
      if (first === NONE) continue;
      target[count] = this.#regionOf(first);
      count++;
    }
    return count;
  }

  /** The slot of `region`, or the unused one where it belongs. */
  #slotOf(region: number): number {
    let slot = this.#homeOf(region);
    for (;;) {
      const first = this.#firstAt(slot);
      if (first === NONE || this.#regionOf(first) === region) return slot;
      slot = (slot + 1) & this.#tableMask;
    }
  }

  #homeOf(region: number): number {
    // Regions beyond 2^32 only share chains with lower ones.
    const hash = Math.imul(region % 0x1_0000_0000, HASH_FACTOR);
    return ((hash >>> 15) ^ hash) & this.#tableMask;
  }

  /** Moves later members of the chain up, so that none becomes unreachable. */
  #closeHole(emptySlot: number): void {
    let hole = emptySlot;
    let slot = hole;
    for (;;) {
      slot = (slot + 1) & this.#tableMask;
      const first = this.#firstAt(slot);
      if (first === NONE) return;
      const home = this.#homeOf(this.#regionOf(first));
      const distance = (slot - home) & this.#tableMask;
      if (distance < ((slot - hole) & this.#tableMask)) continue;
      this.#table[hole] = first + 1;
      this.#table[slot] = 0;
      hole = slot;
    }
  }

  /** Ends `node` at sector `end`; a new extent behind it takes the rest. */
  #splitAt(node: number, end: number): void {
    const skippedBytes = (end - this.#startOf(node)) * SECTOR_BYTES;
    const rear = this.#take(
      this.#regionOf(node),
      end,
      this.#endOf(node),
      this.#valueOf(node) + skippedBytes,
    );
    this.#next[rear] = this.#nextOf(node);
    this.#next[node] = rear;
    this.#endSector[node] = end;
  }

  #cutFront(node: number, start: number): void {
    const skippedBytes = (start - this.#startOf(node)) * SECTOR_BYTES;
    this.#value[node] = this.#valueOf(node) + skippedBytes;
    this.#startSector[node] = start;
  }

  #take(region: number, start: number, end: number, value: number): number {
    const node = this.#free;
    assert(node !== NONE, "the extent map has room");
    this.#free = this.#nextOf(node);
    this.#count++;
    this.#region[node] = region;
    this.#startSector[node] = start;
    this.#endSector[node] = end;
    this.#value[node] = value;
    return node;
  }

  #release(node: number): void {
    this.#next[node] = this.#free;
    this.#free = node;
    this.#count--;
  }

  // `??` only pleases the compiler: all indices lie inside.
  #firstAt(slot: number): number {
    return (this.#table[slot] ?? 0) - 1;
  }
  #nextOf(node: number): number {
    return this.#next[node] ?? NONE;
  }
  #startOf(node: number): number {
    return this.#startSector[node] ?? 0;
  }
  #endOf(node: number): number {
    return this.#endSector[node] ?? 0;
  }
  #valueOf(node: number): number {
    return this.#value[node] ?? 0;
  }
  #regionOf(node: number): number {
    return this.#region[node] ?? 0;
  }
}
