// Pure
/**
 * The backing disk of a resource, and transfers that are never short.
 *
 * Writeback goes past the page cache where the disk can do that: its data are in
 * the cache already, as part of the log. The kernel keeps both ways coherent.
 */
import { RefusedError, SyscallError } from "../base/errors.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import { Transfers } from "./transfers.ts";

/** What transfers past the page cache are multiples of. */
const DIRECT_BYTES = 4096;

/** An open disk. */
export class Disk {
  readonly fd: number;
  /** The same past the page cache; -1 where there is no such way. */
  readonly #directFd: number;
  #sizeBytes: number;
  readonly #io: Io;
  readonly #transfers: Transfers;

  private constructor(
    io: Io,
    fd: number,
    directFd: number,
    sizeBytes: number,
  ) {
    this.#directFd = directFd;
    this.#io = io;
    this.#transfers = new Transfers(io);
    this.fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Looks whether it has grown since it was opened; it never gets smaller. */
  measure(): void {
    this.#sizeBytes = Math.max(this.#sizeBytes, this.#io.size(this.fd));
  }

  /**
   * Opens the disk at `path`, which must hold at least `sizeBytesMin`.
   *
   * @throws SyscallError, RefusedError if it is too small
   */
  static open(io: Io, path: string, sizeBytesMin: number): Disk {
    const fd = io.open(path, "exclusive");
    const sizeBytes = io.size(fd);
    if (sizeBytes < sizeBytesMin) {
      io.close(fd);
      throw new RefusedError(`Cannot use disk "${path}"`, [
        `it has ${sizeBytes} bytes, ${sizeBytesMin} are needed`,
      ]);
    }
    return new Disk(io, fd, openDirectly(io, path), sizeBytes);
  }

  /** Whether `writeBack` waits for the disk itself. */
  get isDirect(): boolean {
    return this.#directFd >= 0;
  }

  /** The result is `length` or a negative errno. */
  read(
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#transfers.read(
      this.fd,
      memory,
      start,
      length,
      offsetBytes,
      done,
      tag,
    );
  }

  /** The result is `length` or a negative errno. */
  write(
    memory: Memory,
    start: number,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    this.#transfers.write(
      this.fd,
      memory,
      start,
      length,
      offsetBytes,
      done,
      tag,
    );
  }

  /**
   * As `write`, for data that are in the page cache already; `memory` begins at
   * a page.
   */
  writeBack(
    memory: Memory,
    length: number,
    offsetBytes: number,
    done: Completion,
    tag: number,
  ): void {
    const isAligned = length % DIRECT_BYTES === 0 &&
      offsetBytes % DIRECT_BYTES === 0;
    const fd = this.isDirect && isAligned ? this.#directFd : this.fd;
    this.#transfers.write(fd, memory, 0, length, offsetBytes, done, tag);
  }

  /** Makes everything written so far durable. */
  flush(done: Completion, tag: number): void {
    this.#io.flush(this.fd, done, tag);
  }

  /** No operation may be in flight. */
  close(): void {
    if (this.isDirect) this.#io.close(this.#directFd);
    this.#io.close(this.fd);
  }
}

/** -1 where a disk cannot be used that way. */
function openDirectly(io: Io, path: string): number {
  try {
    return io.open(path, "direct");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return -1;
  }
}
