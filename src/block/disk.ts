// Pure
/**
 * The backing disk of a resource, and transfers that are never short.
 */
import { RefusedError } from "../base/errors.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import { Transfers } from "./transfers.ts";

/** An open disk. */
export class Disk {
  readonly fd: number;
  #sizeBytes: number;
  readonly #io: Io;
  readonly #transfers: Transfers;

  private constructor(io: Io, fd: number, sizeBytes: number) {
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
    return new Disk(io, fd, sizeBytes);
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

  /** Makes everything written so far durable. */
  flush(done: Completion, tag: number): void {
    this.#io.flush(this.fd, done, tag);
  }

  /** No operation may be in flight. */
  close(): void {
    this.#io.close(this.fd);
  }
}
