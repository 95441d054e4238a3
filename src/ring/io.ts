// Pure
/**
 * Io: the operations that cores may ask the world for.
 *
 * Production is `ring.ts`, simulation `tests/sim/io.ts`. Every asynchronous
 * operation ends in exactly one call of its completion, never before the method
 * has returned: completions are delivered by the worker's loop, from one place.
 * The synchronous ones are rare (opening a log, a size) and throw
 * `SyscallError`.
 */

/** Bytes at a fixed address, which the kernel may read and write. */
export interface Memory {
  readonly bytes: Uint8Array;
  /** Address of `bytes[0]`; 0 in a simulation. */
  readonly address: number;
}

/**
 * `result` is what the system call returned: a count, or a negative errno.
 * `tag` is the caller's, to tell completions apart without a closure.
 */
export type Completion = (result: number, tag: number) => void;

/** What is opened for what; see `Io.open`. */
export type OpenMode = "read" | "readwrite" | "exclusive" | "direct";

export interface Io {
  /** Reads `length` bytes at `offsetBytes` into `memory` from `start`. */
  read(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void;

  /** Writes; may be short, as `pwrite` may be. */
  write(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void;

  /**
   * The same as `write`, for log files, whose pages stay in the cache: may be
   * done at once, because handing so short a copy to another thread costs more
   * than the copy. The completion still comes later.
   */
  append(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void;

  /** Makes everything written so far to `fd` durable (fdatasync). */
  flush(fd: number, done: Completion, tag: number): void;

  /** Zeroes a range of a disk without data; frees it if `mayFree`. */
  zero(
    fd: number,
    offsetBytes: number,
    length: number,
    mayFree: boolean,
    done: Completion,
    tag: number,
  ): void;

  /** Calls back after `durationMs`. Cannot be canceled. */
  timer(durationMs: number, done: Completion, tag: number): void;

  /**
   * Milliseconds since an arbitrary point; never steps back. Looked at once per
   * turn, because where the kernel has to be asked that costs as much as a write.
   */
  monotonicMs(): number;

  /** Page-aligned memory; lives as long as the worker. */
  allocate(lengthBytes: number): Memory;

  /**
   * Opens an existing file or disk; "exclusive" is "readwrite" and refuses a
   * disk that is mounted or otherwise claimed (EBUSY). "direct" is "readwrite"
   * past the page cache, of disks only (else EINVAL): offsets, lengths and
   * addresses must be multiples of 4096. @throws SyscallError
   */
  open(path: string, mode: OpenMode): number;

  /** Bytes of a file or disk. @throws SyscallError */
  size(fd: number): number;

  /** Cuts a file to `lengthBytes` and makes that durable. @throws SyscallError */
  truncate(fd: number, lengthBytes: number): void;

  close(fd: number): void;
}

/** What front ends in the kernel need on top. */
export interface CommandIo extends Io {
  /**
   * Gives a driver a command of its own (IORING_OP_URING_CMD). The words are
   * copied at once. An interrupted command is not started again.
   */
  command(
    fd: number,
    operation: number,
    command: Uint32Array,
    done: Completion,
    tag: number,
  ): void;

  /**
   * The same for a command that the driver keeps until it has something to
   * tell: when the ring ends it is left to the kernel, as after a death.
   */
  standingCommand(
    fd: number,
    operation: number,
    command: Uint32Array,
    done: Completion,
    tag: number,
  ): void;

  /**
   * Opens a disk for reading, so that nobody else can mount or claim it; fails
   * with EBUSY if somebody has. Done by another thread, which may wait for I/O
   * of others. The result is the fd. When the ring ends it is left to the
   * kernel.
   *
   * @param path has a byte 0 at its end, and stays as it is until this is done
   */
  claim(path: Memory, done: Completion, tag: number): void;

  /** Memory that a driver shows; only to be read. @throws SyscallError */
  map(fd: number, offsetBytes: number, lengthBytes: number): Memory;

  /** Gives back what `map` or `allocate` has given. */
  release(memory: Memory): void;
}

/** What front ends on sockets need on top. */
export interface SocketIo extends Io {
  /** A listening unix socket; replaces a stale one. @throws SyscallError */
  listen(path: string): number;

  /** The result is the new connection's fd. */
  accept(fd: number, done: Completion, tag: number): void;

  /** The result is the count of bytes, 0 at the end. */
  receive(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
    tag: number,
  ): void;

  /** Sends everything, or fails. One at a time per socket. */
  send(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
    tag: number,
  ): void;

  /** Ends pending operations of the socket with an error or 0. */
  shutdown(fd: number): void;

  /** Shuts a listening socket down and removes its file; `fd` stays open. */
  unlisten(fd: number, path: string): void;
}
