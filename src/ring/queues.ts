/**
 * The two queues that a process shares with io_uring.
 *
 * Submission entries are written in place; `enter` hands them over. Completions
 * are taken with `shift`. Both queues belong to the thread that made them.
 */
import { assert } from "../base/assert.ts";
import { SyscallError } from "../base/errors.ts";
import type { Shim } from "../../ffi/shim.ts";
import type { MemoryMap } from "./buffers.ts";
import type { Memory } from "./io.ts";
import {
  AT,
  CQE_BYTES,
  MAP_CQ,
  MAP_ENTRIES,
  MAP_SQ,
  PARAMS_BYTES,
  SETUP,
  SQE_BYTES,
  SQE_PLAIN_BYTES,
} from "./layout.ts";

const HALF = 0x1_0000_0000;
const SQE_WORDS = SQE_BYTES / 4;
const CQE_WORDS = CQE_BYTES / 4;

/** What one submission entry says. 64-bit fields are below 2^53. */
export interface Entry {
  readonly index: number;
  readonly opcode: number;
  readonly sqeFlags: number;
  readonly fd: number;
  readonly offset: number;
  readonly address: number;
  readonly length: number;
  readonly opFlags: number;
}

export class Queues {
  readonly fd: number;
  readonly #shim: Shim;

  readonly #sqTail: Uint32Array;
  readonly #sqMask: number;
  readonly #sqCount: number;
  readonly #sqes: Uint32Array;
  #tail = 0;
  #preparedCount = 0;

  readonly #cqHead: Uint32Array;
  readonly #cqTail: Uint32Array;
  readonly #cqMask: number;
  readonly #cqes: Int32Array;
  /** Of the completion that `shift` took last. */
  index = 0;
  result = 0;

  constructor(
    shim: Shim,
    maps: MemoryMap,
    size: { entries: number; completions: number },
  ) {
    this.#shim = shim;
    const params = new Uint32Array(PARAMS_BYTES / 4);
    params[AT.params.cqEntries / 4] = size.completions;
    params[AT.params.flags / 4] = SETUP.CQSIZE | SETUP.SUBMIT_ALL |
      SETUP.SQE128 |
      SETUP.SINGLE_ISSUER | SETUP.DEFER_TASKRUN;
    this.fd = shim.mars_ring_setup(size.entries, params);
    if (this.fd < 0) throw new SyscallError("set up", "io_uring", -this.fd);

    const word = (offset: number): number => params[offset / 4] ?? 0;
    const sqAt = (field: number): number => word(AT.params.sqOff + field);
    const cqAt = (field: number): number => word(AT.params.cqOff + field);
    const sqCount = word(AT.params.sqEntries);
    const cqCount = word(AT.params.cqEntries);

    const sq = maps.file(this.fd, MAP_SQ, sqAt(AT.sq.array) + sqCount * 4);
    this.#sqCount = sqCount;
    this.#sqTail = wordsOf(sq, sqAt(AT.sq.tail), 1);
    this.#sqMask = wordsOf(sq, sqAt(AT.sq.ringMask), 1)[0] ?? 0;
    // The kernel's indirection is not needed: entry n is entry n.
    const order = wordsOf(sq, sqAt(AT.sq.array), sqCount);
    for (let index = 0; index < sqCount; index++) order[index] = index;
    const entries = maps.file(this.fd, MAP_ENTRIES, sqCount * SQE_BYTES);
    this.#sqes = wordsOf(entries, 0, sqCount * SQE_WORDS);

    const cqesAt = cqAt(AT.cq.cqes);
    const cq = maps.file(this.fd, MAP_CQ, cqesAt + cqCount * CQE_BYTES);
    this.#cqHead = wordsOf(cq, cqAt(AT.cq.head), 1);
    this.#cqTail = wordsOf(cq, cqAt(AT.cq.tail), 1);
    this.#cqMask = wordsOf(cq, cqAt(AT.cq.ringMask), 1)[0] ?? 0;
    const cqes = wordsOf(cq, cqesAt, cqCount * CQE_WORDS);
    this.#cqes = new Int32Array(cqes.buffer, cqes.byteOffset, cqes.length);
  }

  /** Entries that can be written before `enter` must be called. */
  get freeCount(): number {
    return this.#sqCount - this.#preparedCount;
  }

  /**
   * Writes the next submission entry. There must be a free one.
   *
   * @param command what a driver is told, at most 80 bytes
   */
  push(entry: Entry, command?: Uint32Array): void {
    assert(this.#preparedCount < this.#sqCount, "Submission queue has room");
    const words = this.#sqes;
    const word = (this.#tail & this.#sqMask) * SQE_WORDS;
    const offsetHigh = Math.floor(entry.offset / HALF);
    const addressHigh = Math.floor(entry.address / HALF);
    words[word] = entry.opcode | entry.sqeFlags << 8;
    words[word + 1] = entry.fd;
    words[word + 2] = entry.offset - offsetHigh * HALF;
    words[word + 3] = offsetHigh;
    words[word + 4] = entry.address - addressHigh * HALF;
    words[word + 5] = addressHigh;
    words[word + 6] = entry.length;
    words[word + 7] = entry.opFlags;
    words[word + 8] = entry.index;
    const rest = word + AT.sqe.command / 4;
    if (command !== undefined) words.set(command, rest);
    else {
      // What a command left in the first half of the entry means something to
      // other operations. A loop is quicker than `fill`.
      const end = word + SQE_PLAIN_BYTES / 4;
      for (let index = rest; index < end; index++) words[index] = 0;
    }
    this.#tail = (this.#tail + 1) >>> 0;
    this.#preparedCount++;
  }

  /**
   * Hands all written entries over and waits for `waitCount` completions.
   *
   * @returns 0, or the negative errno of a call that handed nothing over
   */
  enter(waitCount: number, flags: number): number {
    this.#sqTail[0] = this.#tail;
    const result = this.#shim.mars_ring_enter(
      this.fd,
      this.#preparedCount,
      waitCount,
      flags,
    );
    if (result < 0) return result;
    this.#preparedCount -= result;
    assert(this.#preparedCount >= 0, "Kernel takes what is there");
    return 0;
  }

  hasCompletion(): boolean {
    return this.#cqHead[0] !== this.#cqTail[0];
  }

  /** Takes the next completion into `index` and `result`. */
  shift(): boolean {
    const head = this.#cqHead[0] ?? 0;
    if (head === this.#cqTail[0]) return false;
    const word = (head & this.#cqMask) * CQE_WORDS;
    this.index = this.#cqes[word] ?? 0;
    this.result = this.#cqes[word + 2] ?? 0;
    this.#cqHead[0] = head + 1;
    return true;
  }
}

function wordsOf(memory: Memory, start: number, count: number): Uint32Array {
  const { buffer, byteOffset } = memory.bytes;
  return new Uint32Array(buffer, byteOffset + start, count);
}
