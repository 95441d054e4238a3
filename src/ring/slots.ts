// Pure
/** Operations in flight and completions to deliver, in memory used again. */
import { assert } from "../base/assert.ts";
import type { Completion } from "./io.ts";

/** Operations in flight; a program that reaches this has lost its bounds. */
export const SLOT_COUNT_MAX = 1 << 16;
export const SLOT_COUNT_FIRST = 512;

/** One operation in flight, complete enough to be started again. */
export class Slot {
  opcode = 0;
  sqeFlags = 0;
  fd = -1;
  address = 0;
  length = 0;
  offset = 0;
  opFlags = 0;
  done: Completion = ignore;
  tag = 0;
  /** Bytes of a send that earlier rounds have sent. */
  sentBytes = 0;
  /** A driver keeps it as long as it likes. */
  isStanding = false;
  nextFree = -1;
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** All slots; more are made when all are taken. */
export class Slots {
  takenCount = 0;
  standingCount = 0;
  readonly #slots: Slot[] = [];
  #free = -1;

  constructor() {
    this.#add(SLOT_COUNT_FIRST);
  }

  /** A slot as the one before left it; `index` finds it again. */
  take(): Slot {
    if (this.#free < 0) this.#add(this.#slots.length);
    const slot = this.at(this.#free);
    this.#free = slot.nextFree;
    this.takenCount++;
    return slot;
  }

  give(slot: Slot): void {
    slot.done = ignore;
    slot.nextFree = this.#free;
    this.#free = slot.index;
    this.takenCount--;
    if (slot.isStanding) this.standingCount--;
    slot.isStanding = false;
  }

  at(index: number): Slot {
    const slot = this.#slots[index];
    assert(slot !== undefined, "Slot exists");
    return slot;
  }

  #add(count: number): void {
    const first = this.#slots.length;
    assert(first + count <= SLOT_COUNT_MAX, "Operations in flight are bounded");
    for (let index = first + count - 1; index >= first; index--) {
      const slot = new Slot(index);
      slot.nextFree = this.#free;
      this.#free = index;
      this.#slots[index] = slot;
    }
  }
}

/** Completions in order of arrival, in arrays that are used again. */
export class ReadyList {
  count = 0;
  readonly #done: Completion[] = [];
  readonly #tags: number[] = [];
  readonly #results: number[] = [];

  add(done: Completion, tag: number, result: number): void {
    const index = this.count++;
    this.#done[index] = done;
    this.#tags[index] = tag;
    this.#results[index] = result;
  }

  /** Calls everyone back and empties the list; nobody adds to it meanwhile. */
  deliver(): void {
    const { count } = this;
    for (let index = 0; index < count; index++) {
      const done = this.#done[index] ?? ignore;
      done(this.#results[index] ?? 0, this.#tags[index] ?? 0);
    }
    this.count = 0;
  }
}

/** For whom nobody waits. */
export function ignore(): void {}
