// Pure
/**
 * Batch: records on their way to the log, one behind the other as in the file.
 *
 * Memory is taken once. Beside the bytes stands what the dirty map needs to know
 * about each record when all of them are in the log.
 */
import { assert } from "../base/assert.ts";
import { viewOf } from "../base/bytes.ts";
import type { Crc32c } from "../log/checksum.ts";
import {
  encodeRecordInto,
  HEADER_BYTES,
  RECORD_OVERHEAD_BYTES,
  type RecordFields,
  TRAILER,
  TRAILER_BYTES,
} from "../log/record.ts";
import type { Io, Memory } from "../ring/io.ts";
import type { DirtyMap } from "./dirty_map.ts";

// Ours. Larger batches gained nothing, they leave the cache of the CPU; see
// tests/bench/logger.ts.
const BATCH_BYTES_MAX = 256 * 1024;
export const BATCH_RECORDS_MAX = 512;

export class Batch {
  readonly memory: Memory;
  lengthBytes = 0;
  recordCount = 0;
  readonly #view: DataView;
  readonly #offsetBytes = new Float64Array(BATCH_RECORDS_MAX);
  readonly #payloadAt = new Int32Array(BATCH_RECORDS_MAX);
  readonly #payloadLength = new Int32Array(BATCH_RECORDS_MAX);

  constructor(io: Io) {
    this.memory = io.allocate(BATCH_BYTES_MAX);
    this.#view = viewOf(this.memory.bytes);
  }

  hasRoomFor(payloadLength: number): boolean {
    return this.recordCount < BATCH_RECORDS_MAX &&
      this.lengthBytes + RECORD_OVERHEAD_BYTES + payloadLength <=
        BATCH_BYTES_MAX;
  }

  /**
   * Appends a record; here the data are copied.
   *
   * @param source undefined for zeroes
   * @returns length of the record
   */
  append(
    source: Uint8Array | undefined,
    start: number,
    payloadLength: number,
    fields: RecordFields,
    crc: Crc32c,
  ): number {
    const at = this.lengthBytes;
    const payloadAt = at + HEADER_BYTES;
    const { bytes } = this.memory;
    if (source === undefined) {
      bytes.fill(0, payloadAt, payloadAt + payloadLength);
    } else {
      bytes.set(source.subarray(start, start + payloadLength), payloadAt);
    }
    const totalLength = encodeRecordInto(
      bytes,
      this.#view,
      at,
      fields,
      payloadLength,
      crc,
    );
    assert(this.recordCount < BATCH_RECORDS_MAX, "the batch has room");
    this.#offsetBytes[this.recordCount] = fields.offsetBytes;
    this.#payloadAt[this.recordCount] = payloadAt;
    this.#payloadLength[this.recordCount] = payloadLength;
    this.recordCount++;
    this.lengthBytes += totalLength;
    return totalLength;
  }

  /** Tells where the data are, now that the batch begins at `position`. */
  noteIn(dirty: DirtyMap, position: number): void {
    for (let index = 0; index < this.recordCount; index++) {
      dirty.note(
        this.offsetBytes(index),
        this.payloadLength(index),
        position + this.payloadAt(index),
      );
    }
  }

  /**
   * Numbers the records anew, for another log.
   *
   * @param sequence number of the record before the first
   * @returns number of the last one
   */
  renumber(sequence: number): number {
    for (let index = 1; index <= this.recordCount; index++) {
      const endAt = index < this.recordCount
        ? this.payloadAt(index) - HEADER_BYTES
        : this.lengthBytes;
      const sequenceAt = endAt - TRAILER_BYTES + TRAILER.sequence;
      this.#view.setUint32(sequenceAt, sequence + index, true);
    }
    return sequence + this.recordCount;
  }

  // `??` only pleases the compiler: indices are below the count.

  /** Where in the device the data of a record belong. */
  offsetBytes(index: number): number {
    return this.#offsetBytes[index] ?? 0;
  }

  /** Where in `memory` they begin. */
  payloadAt(index: number): number {
    return this.#payloadAt[index] ?? 0;
  }

  payloadLength(index: number): number {
    return this.#payloadLength[index] ?? 0;
  }

  clear(): void {
    this.lengthBytes = 0;
    this.recordCount = 0;
  }
}
