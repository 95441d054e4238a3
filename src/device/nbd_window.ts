// Pure
/**
 * Requests of one connection and the room for their replies.
 *
 * A slot is a request of the client, or one piece of a long one. Whoever gets a
 * reply has room for it reserved in the order of arrival, as in a ring:
 *
 *     oldest                                  newest
 *     | sent | ready | ready | pending | ready |          |
 *
 * Neighbours that are ready are sent together; room is freed from the oldest
 * on. So nothing is allocated per request, memory is bounded by construction,
 * and when there is neither slot nor room the connection stops receiving.
 */
import type { Memory } from "../ring/io.ts";
import type { BlockRequest } from "../block/request.ts";
import { assert } from "../base/assert.ts";
import { viewOf } from "../base/bytes.ts";

/**
 * What is sent when the request is done.
 *
 *   "none"    a piece of a write: its group is told
 *   "simple"  16 bytes
 *   "data"    16 bytes and the data read
 *   "rest"    data alone, behind an earlier "data"
 *   "chunk"   header, offset and data read; the last one of its request
 *   "part"    the same, but others of the same request follow
 *   "end"     a chunk without content, the last one of its request
 *   "raw"     bytes that are there already
 */
export type Reply =
  | "none"
  | "simple"
  | "data"
  | "rest"
  | "chunk"
  | "part"
  | "end"
  | "raw";

/** A request, or a piece of one. */
export class Slot implements BlockRequest {
  kind: BlockRequest["kind"] = "flush";
  offsetBytes = 0;
  lengthBytes = 0;
  memory: Memory;
  start = 0;
  forceUnitAccess = false;

  reply: Reply = "none";
  cookieHigh = 0;
  cookieLow = 0;
  replyStart = 0;
  replyBytes = 0;
  state: "free" | "pending" | "ready" | "sending" | "sent" = "free";
  /** Part of the receive buffer that holds the payload, or -1. */
  segment = -1;
  errno = 0;
  /** The request that this is a piece of. */
  group: Slot | undefined = undefined;
  /** Pieces not yet acknowledged, plus one while more will come. */
  piecesLeft = 0;

  readonly acknowledge: (errno: number) => void;

  constructor(memory: Memory, done: (slot: Slot, errno: number) => void) {
    this.memory = memory;
    this.acknowledge = (errno): void => done(this, errno);
  }
}

export class Window {
  readonly memory: Memory;
  readonly view: DataView;
  readonly #sizeBytes: number;
  readonly #free: Slot[] = [];
  readonly #order: (Slot | undefined)[];
  readonly #slotCount: number;
  #oldest = 0;
  #count = 0;
  /** Where the next reply goes. */
  #next = 0;
  #sendIndex = 0;
  #sendCount = 0;
  /** Of the run that `nextRun` found. */
  runStart = 0;
  runBytes = 0;

  constructor(
    memory: Memory,
    slotCount: number,
    done: (slot: Slot, errno: number) => void,
  ) {
    this.memory = memory;
    this.view = viewOf(memory.bytes);
    this.#sizeBytes = memory.bytes.length;
    this.#slotCount = slotCount;
    this.#order = new Array<Slot | undefined>(slotCount).fill(undefined);
    for (let index = 0; index < slotCount; index++) {
      this.#free.push(new Slot(memory, done));
    }
  }

  /** Replies that are reserved and not yet sent. */
  get count(): number {
    return this.#count;
  }

  get freeSlotCount(): number {
    return this.#free.length;
  }

  /** Whether `reserve(replyBytes)` would succeed. */
  hasRoom(replyBytes: number): boolean {
    return this.#placeOf(replyBytes) >= 0;
  }

  /** Takes a slot without room for a reply. There must be a free one. */
  take(): Slot {
    const slot = this.#free.pop();
    assert(slot !== undefined, "Slot is free");
    slot.state = "pending";
    slot.reply = "none";
    slot.replyBytes = 0;
    slot.errno = 0;
    slot.segment = -1;
    slot.group = undefined;
    slot.piecesLeft = 0;
    slot.forceUnitAccess = false;
    return slot;
  }

  /** Gives back a slot that has no reply. */
  release(slot: Slot): void {
    assert(slot.state !== "free", "Slot is released once");
    slot.state = "free";
    slot.group = undefined;
    this.#free.push(slot);
  }

  /** Reserves the next place in order. There must be room. */
  reserve(slot: Slot, replyBytes: number): void {
    const place = this.#placeOf(replyBytes);
    assert(place >= 0, "There is room for the reply");
    assert(replyBytes > 0, "Reply is not empty");
    slot.replyStart = place;
    slot.replyBytes = replyBytes;
    this.#next = place + replyBytes;
    this.#order[(this.#oldest + this.#count) % this.#slotCount] = slot;
    this.#count++;
  }

  /**
   * Finds replies to send together, into `runStart` and `runBytes`.
   *
   * @param isStrict nothing may overtake the oldest one
   */
  nextRun(isStrict: boolean): boolean {
    assert(this.#sendCount === 0, "One run at a time");
    let index = 0;
    let slot = this.#at(index);
    while (slot !== undefined && slot.state !== "ready") {
      if (isStrict) return false;
      slot = this.#at(++index);
    }
    if (slot === undefined) return false;
    this.#sendIndex = index;
    this.runStart = slot.replyStart;
    let endBytes = slot.replyStart;
    while (
      slot !== undefined && slot.state === "ready" &&
      slot.replyStart === endBytes
    ) {
      slot.state = "sending";
      endBytes += slot.replyBytes;
      this.#sendCount++;
      slot = this.#at(++index);
    }
    this.runBytes = endBytes - this.runStart;
    return true;
  }

  /** The run was sent. */
  finishRun(): void {
    for (let count = 0; count < this.#sendCount; count++) {
      const slot = this.#at(this.#sendIndex + count);
      assert(slot !== undefined, "Slot was being sent");
      slot.state = "sent";
    }
    this.#sendCount = 0;
    for (;;) {
      const slot = this.#at(0);
      if (slot === undefined || slot.state !== "sent") break;
      this.#order[this.#oldest] = undefined;
      this.#oldest = (this.#oldest + 1) % this.#slotCount;
      this.#count--;
      this.release(slot);
    }
  }

  /** Where a reply of `replyBytes` would lie, or -1. */
  #placeOf(replyBytes: number): number {
    const oldest = this.#at(0);
    // From the start again, where the memory is warm.
    if (oldest === undefined) return replyBytes <= this.#sizeBytes ? 0 : -1;
    // Never up to the oldest, so that a full ring differs from an empty one.
    if (this.#next <= oldest.replyStart) {
      return this.#next + replyBytes < oldest.replyStart ? this.#next : -1;
    }
    if (this.#next + replyBytes <= this.#sizeBytes) return this.#next;
    return replyBytes < oldest.replyStart ? 0 : -1;
  }

  #at(index: number): Slot | undefined {
    if (index >= this.#count) return undefined;
    return this.#order[(this.#oldest + index) % this.#slotCount];
  }
}
