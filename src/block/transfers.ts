// Pure
/**
 * Transfers that are never short.
 *
 * A read or write of `Io` may end early; here the rest is asked for until
 * everything is done or an error comes. Interrupted operations are repeated a
 * bounded number of times. A read at the end of a file is EIO: whoever reads
 * here knows how much there is.
 *
 * Operations live in slots; the tables grow with the number in flight and are
 * reused, so that nothing is allocated per operation.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";

/** Ours. Beyond it EINTR or EAGAIN is the result. */
const REPEATS_MAX = 16;

interface Slot {
  isWrite: boolean;
  fd: number;
  memory: Memory | undefined;
  start: number;
  length: number;
  offsetBytes: number;
  doneBytes: number;
  repeats: number;
  done: Completion;
  tag: number;
}

/** Reads and writes whole ranges of any file. */
export class Transfers {
  readonly #io: Io;
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];
  readonly #onDone: Completion;

  constructor(io: Io) {
    this.#io = io;
    this.#onDone = (result, tag) => this.#complete(result, tag);
  }

  /** The result is `length` or a negative errno. */
  read(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#begin(false, fd, memory, start, length, offsetBytes, done, tag);
  }

  /** The result is `length` or a negative errno. */
  write(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#begin(true, fd, memory, start, length, offsetBytes, done, tag);
  }

  #begin(
    isWrite: boolean,
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    assert(length > 0, "a transfer is not empty");
    assert(start + length <= memory.bytes.length, "a transfer fits its memory");
    const index = this.#free.pop() ?? this.#grow(done);
    const slot = this.#slot(index);
    slot.isWrite = isWrite;
    slot.fd = fd;
    slot.memory = memory;
    slot.start = start;
    slot.length = length;
    slot.offsetBytes = offsetBytes;
    slot.doneBytes = 0;
    slot.repeats = 0;
    slot.done = done;
    slot.tag = tag;
    this.#issue(slot, index);
  }

  #issue(slot: Slot, index: number): void {
    const { memory } = slot;
    assert(memory !== undefined, "a transfer in flight has memory");
    const start = slot.start + slot.doneBytes;
    const length = slot.length - slot.doneBytes;
    const offset = slot.offsetBytes + slot.doneBytes;
    if (slot.isWrite) {
      this.#io.write(
        slot.fd,
        memory,
        start,
        length,
        offset,
        this.#onDone,
        index,
      );
    } else {
      this.#io.read(
        slot.fd,
        memory,
        start,
        length,
        offset,
        this.#onDone,
        index,
      );
    }
  }

  #complete(result: number, index: number): void {
    const slot = this.#slot(index);
    assert(slot.memory !== undefined, "a completed transfer was in flight");
    let final = result;
    if (result > 0) {
      slot.doneBytes += result;
      assert(slot.doneBytes <= slot.length, "a transfer is not too long");
      if (slot.doneBytes < slot.length) return this.#issue(slot, index);
      final = slot.length;
    } else if (result === -ERRNO.EINTR || result === -ERRNO.EAGAIN) {
      slot.repeats++;
      if (slot.repeats <= REPEATS_MAX) return this.#issue(slot, index);
    } else if (result === 0) {
      final = -ERRNO.EIO;
    }
    const { done, tag } = slot;
    slot.memory = undefined;
    this.#free.push(index);
    done(final, tag);
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    assert(slot !== undefined, "a transfer's slot exists");
    return slot;
  }

  #grow(done: Completion): number {
    this.#slots.push({
      isWrite: false,
      fd: -1,
      memory: undefined,
      start: 0,
      length: 0,
      offsetBytes: 0,
      doneBytes: 0,
      repeats: 0,
      done,
      tag: 0,
    });
    return this.#slots.length - 1;
  }
}
