/**
 * io_uring from TypeScript: the production `Io`.
 *
 * Operations are written straight into the mapped submission queue; one system
 * call per turn hands all of them over and waits. The worker's loop is
 *
 *   for (;;) { …; ring.enter(1); ring.reap(); }
 *
 * Rules
 *   (1) One thread: SINGLE_ISSUER and DEFER_TASKRUN. Completions appear only
 *       inside our own `enter`, hence plain loads behind it are sound.
 *   (2) Callbacks run inside `reap` only, after all completions of the turn
 *       were collected, so that a callback may start operations freely.
 *   (3) What can be done at once without sleeping (an append to the page cache,
 *       a send into a socket with room) is done by a direct system call at
 *       submission; its completion joins the others in the next `reap`.
 *   (4) Nothing is allocated per operation: slots are made beforehand, and
 *       user_data is the index of the slot.
 *   (5) A full submission queue is submitted early. More operations than slots
 *       grow the slots up to SLOT_COUNT_MAX, beyond which the program errs.
 *
 * Interrupted operations are started again, incomplete sends continued; every
 * other result reaches its completion as the kernel gave it.
 *
 * Needs Linux 6.1. Source: include/uapi/linux/io_uring.h.
 */
import { assert } from "../base/assert.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { removeIfThere } from "../base/remove.ts";
import type { Shim } from "../../ffi/shim.ts";
import { MemoryMap } from "./buffers.ts";
import type {
  CommandIo,
  Completion,
  Memory,
  OpenMode,
  SocketIo,
} from "./io.ts";
import { listenAt, openFile, sizeOfFile, truncateFile } from "./files.ts";
import { ENTER_GETEVENTS, FLAG, OP, OPEN_FLAGS } from "./layout.ts";
import { Queues } from "./queues.ts";
import {
  ignore,
  ReadyList,
  type Slot,
  SLOT_COUNT_FIRST,
  SLOT_COUNT_MAX,
  Slots,
} from "./slots.ts";

// Prescribed by Linux.
const TIMESPEC_BYTES = 16;
// Ours.
/**
 * Turns that may pass without a system call while direct operations complete;
 * then the kernel is asked anyway, so that nobody starves.
 */
const DIRECT_TURNS_MAX = 8;

export class Ring implements SocketIo, CommandIo {
  readonly #shim: Shim;
  readonly #fd: number;
  readonly #maps: MemoryMap;
  readonly #queues: Queues;
  readonly #slots = new Slots();
  readonly #timespecs: Memory;
  readonly #timespecWords: Uint32Array;
  readonly #eventValue: Memory;
  /** Completions to deliver, and those being delivered. */
  #ready = new ReadyList();
  #delivering = new ReadyList();
  #directTurns = 0;
  /** The clock of this turn; -1 until somebody looks at it. */
  #nowMs = -1;
  #isEnded = false;

  /** Makes a ring with `entries` (a power of two) submission entries. */
  static create(options: { shim: Shim; entries: number }): Ring {
    return new Ring(options.shim, options.entries);
  }

  private constructor(shim: Shim, entries: number) {
    this.#shim = shim;
    this.#maps = new MemoryMap(shim);
    this.#queues = new Queues(shim, this.#maps, {
      entries,
      completions: Math.max(entries * 4, SLOT_COUNT_FIRST),
    });
    this.#fd = this.#queues.fd;
    this.#timespecs = this.allocate(SLOT_COUNT_MAX * TIMESPEC_BYTES);
    const { buffer, byteOffset, byteLength } = this.#timespecs.bytes;
    this.#timespecWords = new Uint32Array(buffer, byteOffset, byteLength / 4);
    this.#eventValue = this.allocate(8);
  }

  /** Operations started and not yet delivered. */
  get inFlightCount(): number {
    return this.#slots.takenCount + this.#ready.count;
  }

  /** Whether `reap` will call somebody back, whatever the kernel does. */
  get hasReady(): boolean {
    return this.#ready.count > 0;
  }

  /**
   * Submits everything prepared and waits for a completion if `waitCount` is 1
   * and none is there already. May return without one when interrupted.
   */
  enter(waitCount: 0 | 1): void {
    const { hasReady } = this;
    if (hasReady && this.#directTurns < DIRECT_TURNS_MAX) {
      this.#directTurns++;
      return;
    }
    this.#directTurns = 0;
    this.#nowMs = -1;
    const isWaiting = waitCount === 1 && !hasReady &&
      !this.#queues.hasCompletion();
    this.#submit(isWaiting ? 1 : 0, ENTER_GETEVENTS);
  }

  /** Calls back everything that has completed; returns how many. */
  reap(): number {
    this.#collect();
    const list = this.#ready;
    this.#ready = this.#delivering;
    this.#delivering = list;
    const { count } = list;
    list.deliver();
    return count;
  }

  /**
   * Ends the ring and gives its memory back. What is in flight is canceled or,
   * where that is impossible, waited for; no completion is delivered any more.
   * Standing commands cannot be canceled one by one: the kernel ends them with
   * the ring.
   */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const cancel = this.#take(OP.ASYNC_CANCEL, -1, ignore, 0);
    cancel.opFlags = FLAG.CANCEL_ANY;
    this.#prepare(cancel);
    const slots = this.#slots;
    while (slots.takenCount > slots.standingCount) {
      this.#submit(this.#queues.hasCompletion() ? 0 : 1, ENTER_GETEVENTS);
      this.#collect();
    }
    this.#shim.mars_file_close(this.#fd);
    this.#maps.free();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  read(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    const slot = this.#onMemory(OP.READ, fd, memory, start, length, done, tag);
    slot.offset = offsetBytes;
    this.#prepare(slot);
  }

  write(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    const slot = this.#onMemory(OP.WRITE, fd, memory, start, length, done, tag);
    slot.offset = offsetBytes;
    this.#prepare(slot);
  }

  append(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    assert(start + length <= memory.bytes.length, "Append is inside memory");
    const { bytes } = memory;
    let result: number;
    do {
      result = this.#shim.mars_file_write(
        fd,
        bytes,
        start,
        length,
        offsetBytes,
      );
    } while (result === -ERRNO.EINTR);
    this.#ready.add(done, tag, result);
  }

  flush(fd: number, done: Completion, tag: number): void {
    const slot = this.#take(OP.FSYNC, fd, done, tag);
    slot.opFlags = FLAG.FSYNC_DATASYNC;
    this.#prepare(slot);
  }

  zero(
    fd: number,
    offsetBytes: number,
    length: number,
    mayFree: boolean,
    done: Completion,
    tag: number,
  ): void {
    const slot = this.#take(OP.FALLOCATE, fd, done, tag);
    slot.offset = offsetBytes;
    // The length travels in the address, the mode in the length.
    slot.address = length;
    slot.length = FLAG.FALLOC_KEEP_SIZE |
      (mayFree ? FLAG.FALLOC_PUNCH_HOLE : FLAG.FALLOC_ZERO_RANGE);
    this.#prepare(slot);
  }

  timer(durationMs: number, done: Completion, tag: number): void {
    assert(durationMs >= 0, "Duration is not negative");
    const slot = this.#take(OP.TIMEOUT, -1, done, tag);
    const seconds = Math.floor(durationMs / 1000);
    const startBytes = slot.index * TIMESPEC_BYTES;
    this.#timespecWords[startBytes / 4] = seconds;
    this.#timespecWords[startBytes / 4 + 2] = Math.floor(
      (durationMs - seconds * 1000) * 1_000_000,
    );
    slot.address = this.#timespecs.address + startBytes;
    slot.length = 1;
    this.#prepare(slot);
  }

  command(
    fd: number,
    operation: number,
    command: Uint32Array,
    done: Completion,
    tag: number,
  ): void {
    this.#command(this.#take(OP.URING_CMD, fd, done, tag), operation, command);
  }

  standingCommand(
    fd: number,
    operation: number,
    command: Uint32Array,
    done: Completion,
    tag: number,
  ): void {
    const slot = this.#standing(OP.URING_CMD, fd, done, tag);
    this.#command(slot, operation, command);
  }

  claim(path: Memory, done: Completion, tag: number): void {
    const slot = this.#standing(OP.OPENAT, FLAG.AT_FDCWD, done, tag);
    slot.address = path.address;
    slot.opFlags = OPEN_FLAGS.claim;
    slot.sqeFlags = FLAG.IOSQE_ASYNC;
    this.#prepare(slot);
  }

  #command(slot: Slot, operation: number, command: Uint32Array): void {
    // Its number stands where others have their offset.
    slot.offset = operation;
    if (this.#queues.freeCount === 0) this.#submit(0, 0);
    this.#queues.push(slot, command);
  }

  /** Calls back once after somebody added to `eventfd`, and resets it. */
  pollEvent(eventfd: number, done: Completion, tag: number): void {
    // A chain must reach the kernel in one submission.
    if (this.#queues.freeCount < 2) this.#submit(0, 0);
    const poll = this.#take(OP.POLL_ADD, eventfd, ignore, 0);
    poll.opFlags = FLAG.POLLIN;
    poll.sqeFlags = FLAG.IOSQE_IO_LINK;
    this.#prepare(poll);
    // Nobody wants the value, so that any number of reads may share its place.
    const value = this.#eventValue;
    this.#prepare(
      this.#onMemory(OP.READ, eventfd, value, 0, value.bytes.length, done, tag),
    );
  }

  monotonicMs(): number {
    if (this.#nowMs < 0) this.#nowMs = performance.now();
    return this.#nowMs;
  }

  map(fd: number, offsetBytes: number, lengthBytes: number): Memory {
    return this.#maps.shown(fd, offsetBytes, lengthBytes);
  }

  release(memory: Memory): void {
    this.#maps.release(memory);
  }

  allocate(lengthBytes: number): Memory {
    return this.#maps.anonymous(lengthBytes);
  }

  open(path: string, mode: OpenMode): number {
    return openFile(this.#shim, this.#maps, path, mode);
  }

  size(fd: number): number {
    return sizeOfFile(this.#shim, fd);
  }

  truncate(fd: number, lengthBytes: number): void {
    truncateFile(this.#shim, fd, lengthBytes);
  }

  close(fd: number): void {
    this.#shim.mars_file_close(fd);
  }

  listen(path: string): number {
    return listenAt(this.#shim, path);
  }

  accept(fd: number, done: Completion, tag: number): void {
    const slot = this.#take(OP.ACCEPT, fd, done, tag);
    slot.opFlags = FLAG.SOCK_CLOEXEC;
    this.#prepare(slot);
  }

  receive(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
    tag: number,
  ): void {
    this.#prepare(
      this.#onMemory(OP.RECV, fd, memory, start, length, done, tag),
    );
  }

  send(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
    tag: number,
  ): void {
    assert(length > 0, "Send is not empty");
    assert(start + length <= memory.bytes.length, "Send is inside memory");
    const result = this.#shim.mars_socket_send(fd, memory.bytes, start, length);
    const mayGoOn = result === -ERRNO.EAGAIN || result === -ERRNO.EINTR;
    if (result === length || (result < 0 && !mayGoOn)) {
      this.#ready.add(done, tag, result);
      return;
    }
    const sentBytes = Math.max(0, result);
    const slot = this.#onMemory(
      OP.SEND,
      fd,
      memory,
      start + sentBytes,
      length - sentBytes,
      done,
      tag,
    );
    slot.sentBytes = sentBytes;
    slot.opFlags = FLAG.MSG_WAITALL | FLAG.MSG_NOSIGNAL;
    this.#prepare(slot);
  }

  shutdown(fd: number): void {
    // ENOTCONN: the other side was faster. The socket has ended either way.
    this.#shim.mars_socket_shutdown(fd);
  }

  unlisten(fd: number, path: string): void {
    this.shutdown(fd);
    removeIfThere(path);
  }

  #onMemory(
    opcode: number,
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
    tag: number,
  ): Slot {
    assert(length > 0, "Operation is not empty");
    assert(start >= 0, "Operation starts inside memory");
    assert(start + length <= memory.bytes.length, "Operation is inside memory");
    const slot = this.#take(opcode, fd, done, tag);
    slot.address = memory.address + start;
    slot.length = length;
    return slot;
  }

  #take(opcode: number, fd: number, done: Completion, tag: number): Slot {
    const slot = this.#slots.take();
    slot.opcode = opcode;
    slot.fd = fd;
    slot.done = done;
    slot.tag = tag;
    slot.sqeFlags = 0;
    slot.address = 0;
    slot.length = 0;
    slot.offset = 0;
    slot.opFlags = 0;
    slot.sentBytes = 0;
    return slot;
  }

  /** Nobody waits for it when the ring ends. */
  #standing(opcode: number, fd: number, done: Completion, tag: number): Slot {
    const slot = this.#take(opcode, fd, done, tag);
    slot.isStanding = true;
    this.#slots.standingCount++;
    return slot;
  }

  #prepare(slot: Slot): void {
    if (this.#queues.freeCount === 0) this.#submit(0, 0);
    this.#queues.push(slot);
  }

  #submit(waitCount: number, flags: number): void {
    for (;;) {
      const result = this.#queues.enter(waitCount, flags);
      if (result === 0) return;
      switch (-result) {
        // A signal; whoever waits comes again.
        case ERRNO.EINTR:
          return;
        // Completions must be taken first; collecting them makes room.
        case ERRNO.EBUSY:
        case ERRNO.EAGAIN:
          this.#collect();
          flags = ENTER_GETEVENTS;
          waitCount = 0;
          break;
        default:
          throw new SyscallError("enter", "io_uring", -result);
      }
    }
  }

  /** Moves all completions of the kernel's queue to the ready ones. */
  #collect(): void {
    const queues = this.#queues;
    while (queues.shift()) {
      const slot = this.#slots.at(queues.index);
      let { result } = queues;
      if (this.#isUnfinished(slot, result)) continue;
      if (result > 0) result += slot.sentBytes;
      if (slot.opcode === OP.TIMEOUT && result === -ERRNO.ETIME) result = 0;
      this.#ready.add(slot.done, slot.tag, result);
      this.#slots.give(slot);
    }
  }

  /** Starts an interrupted or incomplete operation again. */
  #isUnfinished(slot: Slot, result: number): boolean {
    const isShort = slot.opcode === OP.SEND && result > 0 &&
      result < slot.length;
    const isAgain = result === -ERRNO.EINTR && slot.opcode !== OP.URING_CMD;
    if (!isShort && !isAgain) return false;
    if (this.#isEnded) return false;
    if (isShort) {
      slot.address += result;
      slot.length -= result;
      slot.sentBytes += result;
    }
    this.#prepare(slot);
    return true;
  }
}
