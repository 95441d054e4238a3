// Pure
/**
 * Direct writes: to the disk without a log.
 *
 *   write ──► in flight ──► acknowledged
 *                   └──► one flush in flight ──► acknowledged    (durable ones)
 *
 * Writes that overlap are never in flight together, so that the later one wins:
 * the caller asks `hasRoomFor` and starts them in order. At most DIRECT_MAX are
 * in flight. One flush at a time answers everybody who waited when it began.
 *
 * An error is the error of the request, as with any disk: nothing else holds
 * its data.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import type { Acknowledge } from "../block/request.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import { AckQueue } from "./ack_queue.ts";

// Ours. A disk with a queue wants several; each is compared with all others.
const DIRECT_MAX = 64;
const ZERO_BYTES = 256 * 1024;

interface Slot {
  /** Undefined for zeroes. */
  memory: Memory | undefined;
  offsetBytes: number;
  endBytes: number;
  doneBytes: number;
  mustBeDurable: boolean;
  /** Undefined while the slot is free. */
  acknowledge: Acknowledge | undefined;
}

export class Direct {
  readonly #io: Io;
  readonly #disk: Disk;
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];
  /** Taken once, when zeroes are written for the first time. */
  #zeroes: Memory | undefined = undefined;
  /** Who waits for a flush; the first ones for the one that is running. */
  readonly #unflushed = new AckQueue();
  #coveredCount = 0;
  #isFlushing = false;
  #errno = 0;
  readonly #onWritten: Completion;
  readonly #onFlushed: Completion;

  constructor(options: { readonly io: Io; readonly disk: Disk }) {
    this.#io = options.io;
    this.#disk = options.disk;
    this.#onWritten = (result, tag) => this.#writeEnded(result, tag);
    this.#onFlushed = (result) => this.#flushEnded(result);
  }

  /** 0, or why the disk did not take what was written last. */
  get errno(): number {
    return this.#errno;
  }

  /** Acknowledgements that are owed. */
  get activeCount(): number {
    return this.#slots.length - this.#free.length + this.#unflushed.count;
  }

  /** Whether a write can start: there is a slot, and nothing it overlaps. */
  hasRoomFor(offsetBytes: number, lengthBytes: number): boolean {
    if (this.#free.length === 0 && this.#slots.length === DIRECT_MAX) {
      return false;
    }
    const endBytes = offsetBytes + lengthBytes;
    for (const slot of this.#slots) {
      const overlaps = slot.acknowledge !== undefined &&
        offsetBytes < slot.endBytes && slot.offsetBytes < endBytes;
      if (overlaps) return false;
    }
    return true;
  }

  /** Starts a write; `hasRoomFor` must have held. */
  write(
    memory: Memory,
    start: number,
    lengthBytes: number,
    offsetBytes: number,
    mustBeDurable: boolean,
    acknowledge: Acknowledge,
  ): void {
    const index = this.#take(
      memory,
      lengthBytes,
      offsetBytes,
      mustBeDurable,
      acknowledge,
    );
    this.#disk.write(
      memory,
      start,
      lengthBytes,
      offsetBytes,
      this.#onWritten,
      index,
    );
  }

  /** The same with zeroes, piece by piece. */
  writeZeroes(
    lengthBytes: number,
    offsetBytes: number,
    mustBeDurable: boolean,
    acknowledge: Acknowledge,
  ): void {
    this.#writePiece(
      this.#take(
        undefined,
        lengthBytes,
        offsetBytes,
        mustBeDurable,
        acknowledge,
      ),
    );
  }

  /** Acknowledges when everything acknowledged so far is durable. */
  flush(acknowledge: Acknowledge): void {
    this.#unflushed.push(acknowledge, 0);
  }

  /** Once per turn: starts a flush if somebody waits for one. */
  advance(): void {
    if (this.#isFlushing || this.#unflushed.count === 0) return;
    this.#isFlushing = true;
    this.#coveredCount = this.#unflushed.count;
    this.#disk.flush(this.#onFlushed, 0);
  }

  #take(
    memory: Memory | undefined,
    lengthBytes: number,
    offsetBytes: number,
    mustBeDurable: boolean,
    acknowledge: Acknowledge,
  ): number {
    assert(this.hasRoomFor(offsetBytes, lengthBytes), "the write may start");
    const fields = {
      memory,
      offsetBytes,
      endBytes: offsetBytes + lengthBytes,
      doneBytes: 0,
      mustBeDurable,
      acknowledge,
    };
    const index = this.#free.pop();
    if (index === undefined) return this.#slots.push(fields) - 1;
    Object.assign(this.#slotAt(index), fields);
    return index;
  }

  #writePiece(index: number): void {
    const slot = this.#slotAt(index);
    const startBytes = slot.offsetBytes + slot.doneBytes;
    this.#zeroes ??= this.#io.allocate(ZERO_BYTES);
    this.#disk.write(
      this.#zeroes,
      0,
      Math.min(ZERO_BYTES, slot.endBytes - startBytes),
      startBytes,
      this.#onWritten,
      index,
    );
  }

  #writeEnded(result: number, index: number): void {
    const slot = this.#slotAt(index);
    const { acknowledge } = slot;
    assert(acknowledge !== undefined, "a write was in flight");
    if (result > 0) {
      slot.doneBytes += result;
      const isDone = slot.offsetBytes + slot.doneBytes === slot.endBytes;
      if (!isDone) return this.#writePiece(index);
    }
    slot.acknowledge = undefined;
    slot.memory = undefined;
    this.#free.push(index);
    this.#errno = result < 0 ? -result : 0;
    if (result < 0) acknowledge(-result);
    else if (slot.mustBeDurable) this.#unflushed.push(acknowledge, 0);
    else acknowledge(0);
  }

  #flushEnded(result: number): void {
    assert(this.#isFlushing, "a flush was in flight");
    this.#isFlushing = false;
    this.#errno = result < 0 ? -result : 0;
    for (; this.#coveredCount > 0; this.#coveredCount--) {
      this.#unflushed.shift()(this.#errno);
    }
  }

  #slotAt(index: number): Slot {
    const slot = this.#slots[index];
    assert(slot !== undefined, "the slot exists");
    return slot;
  }
}
