// Pure
/**
 * The receive buffer of one connection.
 *
 *     segment 0    | segment 1             | segment 2    | segment 3
 *     pinned       | pinned | to be parsed | room         | free, or pinned
 *                           ^ parsed       ^ filled
 *
 * Payload stays where it was received until its request is acknowledged: it
 * pins its segment. A message that does not fit into the rest of a segment is
 * moved to a free one, as far as it has come.
 */
import { assert } from "../base/assert.ts";
import { viewOf } from "../base/bytes.ts";
import type { Memory } from "../ring/io.ts";

/** With less room than this the next segment is taken. */
const ROOM_BYTES_MIN = 8192;

export class Intake {
  readonly memory: Memory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next message starts. */
  parsed = 0;
  /** End of what was received. */
  filled = 0;
  /** What is to be thrown away before the next message. */
  skipBytes = 0;
  readonly #segmentBytes: number;
  readonly #pins: number[];
  #segment = 0;

  constructor(memory: Memory, segmentCount: number) {
    this.memory = memory;
    this.bytes = memory.bytes;
    this.view = viewOf(memory.bytes);
    this.#segmentBytes = Math.floor(memory.bytes.length / segmentCount);
    assert(this.#segmentBytes > 2 * ROOM_BYTES_MIN, "Segments are large");
    this.#pins = new Array<number>(segmentCount).fill(0);
  }

  get availableBytes(): number {
    return this.filled - this.parsed;
  }

  /** How much may be received at `filled`. */
  get roomBytes(): number {
    return (this.#segment + 1) * this.#segmentBytes - this.filled;
  }

  /** Whether the current segment is used up, but for a rest. */
  get isFull(): boolean {
    return this.roomBytes < ROOM_BYTES_MIN;
  }

  /** Keeps the current segment until `unpin` with the returned number. */
  pin(): number {
    this.#pins[this.#segment] = (this.#pins[this.#segment] ?? 0) + 1;
    return this.#segment;
  }

  unpin(segment: number): void {
    const count = this.#pins[segment] ?? 0;
    assert(count > 0, "Segment is pinned");
    this.#pins[segment] = count - 1;
  }

  /** Throws away what is there; returns whether that was all. */
  skip(): boolean {
    const count = Math.min(this.skipBytes, this.availableBytes);
    this.parsed += count;
    this.skipBytes -= count;
    return this.skipBytes === 0;
  }

  /** Sees to it that there is room to receive; false if all is pinned. */
  makeRoom(): boolean {
    if (this.availableBytes === 0 && this.#pins[this.#segment] === 0) {
      // From the start again, where the memory is warm.
      this.parsed = this.#segment * this.#segmentBytes;
      this.filled = this.parsed;
      return true;
    }
    if (!this.isFull) return true;
    const free = this.#pins.indexOf(0);
    if (free < 0) return false;
    const start = free * this.#segmentBytes;
    this.bytes.copyWithin(start, this.parsed, this.filled);
    this.filled = start + this.availableBytes;
    this.parsed = start;
    this.#segment = free;
    assert(!this.isFull, "The rest of a message is short");
    return true;
  }
}
