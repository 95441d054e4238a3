// Pure
/**
 * One writeback in flight: neighbors on the disk, read from the log, written
 * with one operation.
 *
 *   extents    disk  [0, 4096)  [4096, 8192)  [8192, 12288)
 *              log        48        4228            9000
 *   spans      read 4096 + 84 + 4096 bytes from 48; read 4096 bytes from 9000
 *   write      12288 bytes
 *
 * Extents that follow each other in the log are read as one span, overhead of
 * records included; then the payloads are moved together. Spans are read one
 * after the other into the place where they belong.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import type { Commit } from "./commit.ts";

// Ours. Twice the length of a region: what the elevator of a disk merges anyway.
const SLOT_BYTES_MAX = 128 * 1024;
const SLOT_EXTENTS_MAX = 256;
/** Room for the overhead of records between payloads of a full slot. */
const SLACK_BYTES = 8 * 1024;
/** Bytes that are read without need rather than split a span. */
const GAP_BYTES_MAX = 1024;

export class WritebackSlot {
  readonly #commit: Commit;
  readonly #disk: Disk;
  readonly #transfers: Transfers;
  readonly #index: number;
  readonly #onEnded: Completion;
  readonly #memory: Memory;
  readonly #length = new Int32Array(SLOT_EXTENTS_MAX);
  readonly #position = new Float64Array(SLOT_EXTENTS_MAX);
  #extentCount = 0;
  #startBytes = 0;
  #lengthBytes = 0;
  /** First extent that is not yet in memory, and end of the current span. */
  #extent = 0;
  #spanEnd = 0;
  /** Where in memory that extent belongs. */
  #at = 0;
  readonly #onRead: Completion;

  constructor(
    options: {
      readonly io: Io;
      readonly commit: Commit;
      readonly disk: Disk;
      readonly transfers: Transfers;
      readonly index: number;
      /** Called with 0 or a negative errno, and with `index`. */
      readonly onEnded: Completion;
    },
  ) {
    this.#commit = options.commit;
    this.#disk = options.disk;
    this.#transfers = options.transfers;
    this.#index = options.index;
    this.#onEnded = options.onEnded;
    this.#memory = options.io.allocate(SLOT_BYTES_MAX + SLACK_BYTES);
    this.#onRead = (result) => this.#readEnded(result);
  }

  get extentCount(): number {
    return this.#extentCount;
  }

  clear(): void {
    this.#extentCount = 0;
    this.#lengthBytes = 0;
  }

  /** Whether an extent continues what is here, and fits. */
  accepts(offsetBytes: number, lengthBytes: number): boolean {
    if (this.#extentCount === 0) return true;
    return offsetBytes === this.#startBytes + this.#lengthBytes &&
      this.#lengthBytes + lengthBytes <= SLOT_BYTES_MAX &&
      this.#extentCount < SLOT_EXTENTS_MAX;
  }

  /** Adds an extent whose data are at a position of the stream. */
  add(offsetBytes: number, lengthBytes: number, position: number): void {
    assert(this.accepts(offsetBytes, lengthBytes), "the extent is a neighbor");
    if (this.#extentCount === 0) this.#startBytes = offsetBytes;
    this.#length[this.#extentCount] = lengthBytes;
    this.#position[this.#extentCount] = position;
    this.#extentCount++;
    this.#lengthBytes += lengthBytes;
  }

  /** Reads and writes everything; may be called again after an error. */
  start(): void {
    assert(this.#extentCount > 0, "a writeback is not empty");
    this.#extent = 0;
    this.#at = 0;
    this.#readSpan();
  }

  #readSpan(): void {
    const first = this.#positionOf(this.#extent);
    const log = this.#commit.logs.at(first);
    const room = this.#memory.bytes.length - this.#at;
    let endPosition = first + this.#lengthOf(this.#extent);
    let next = this.#extent + 1;
    for (; next < this.#extentCount; next++) {
      const position = this.#positionOf(next);
      const gap = position - endPosition;
      if (gap < 0 || gap > GAP_BYTES_MAX) break;
      if (this.#commit.logs.at(position) !== log) break;
      const nextEnd = position + this.#lengthOf(next);
      if (nextEnd - first > room) break;
      endPosition = nextEnd;
    }
    this.#spanEnd = next;
    this.#transfers.read(
      log.fd,
      this.#memory,
      this.#at,
      endPosition - first,
      first - log.baseBytes,
      this.#onRead,
      0,
    );
  }

  #readEnded(result: number): void {
    if (result < 0) return this.#onEnded(result, this.#index);
    this.#compact();
    if (this.#extent < this.#extentCount) return this.#readSpan();
    this.#disk.writeBack(
      this.#memory,
      this.#lengthBytes,
      this.#startBytes,
      this.#onEnded,
      this.#index,
    );
  }

  /** Closes the gaps between the payloads of the span that was read. */
  #compact(): void {
    const spanAt = this.#at;
    const first = this.#positionOf(this.#extent);
    for (; this.#extent < this.#spanEnd; this.#extent++) {
      const length = this.#lengthOf(this.#extent);
      const from = spanAt + this.#positionOf(this.#extent) - first;
      if (from !== this.#at) {
        this.#memory.bytes.copyWithin(this.#at, from, from + length);
      }
      this.#at += length;
    }
  }

  // `??` only pleases the compiler: indices are below the count.
  #lengthOf(extent: number): number {
    return this.#length[extent] ?? 0;
  }
  #positionOf(extent: number): number {
    return this.#position[extent] ?? 0;
  }
}
