/**
 * Files in memory that know what is durable, and fail as told.
 *
 * `capacityBytes` bounds the sum of all files; a write beyond it is cut short
 * and fails with ENOSPC, as on a real disk.
 */
import { ERRNO, SyscallError } from "../../src/base/errors.ts";
import type { Extent } from "../../src/transfer/digest.ts";
import { isZero, keyedDigests } from "./keyed_digest.ts";
import type {
  FileOpener,
  OpenMode,
  RandomFile,
} from "../../src/transfer/file.ts";

type Content = {
  bytes: Uint8Array;
  durable: Uint8Array;
};

export class MemoryFiles implements FileOpener {
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** Errno of the next flushes; 0 lets them succeed. */
  flushErrno = 0;
  writeErrno = 0;
  readErrno = 0;
  writeCount = 0;
  readBytes = 0;
  /** Bytes that were made zero without being written. */
  zeroedBytes = 0;
  /** Ranges of so many zeroes, aligned, are told to be holes. */
  holeBytes = 64 * 1024;
  flushCount = 0;
  openCount = 0;
  /** Before each flush; lets a test hold one back. */
  onFlush: () => Promise<void> = () => Promise.resolve();
  /** Before each write, likewise. */
  onWrite: () => Promise<void> = () => Promise.resolve();
  readonly #contents = new Map<string, Content>();

  set(path: string, bytes: Uint8Array): void {
    this.#contents.set(path, { bytes: bytes.slice(), durable: bytes.slice() });
  }

  get(path: string): Uint8Array {
    return this.#content(path).bytes;
  }

  /** What would be left after the loss of power. */
  durable(path: string): Uint8Array {
    return this.#content(path).durable;
  }

  open(path: string, mode: OpenMode): Promise<RandomFile> {
    if (mode === "create" && !this.#contents.has(path)) {
      this.set(path, new Uint8Array(0));
    }
    if (!this.#contents.has(path)) {
      return Promise.reject(new SyscallError("open", path, ERRNO.ENOENT));
    }
    this.openCount++;
    return Promise.resolve(new MemoryFile(this, this.#content(path), path));
  }

  /** Bytes that a write of `lengthBytes` more may still take. */
  roomBytes(): number {
    let usedBytes = 0;
    for (const { bytes } of this.#contents.values()) usedBytes += bytes.length;
    return Math.max(0, this.capacityBytes - usedBytes);
  }

  #content(path: string): Content {
    const content = this.#contents.get(path);
    if (content === undefined) {
      throw new SyscallError("open", path, ERRNO.ENOENT);
    }
    return content;
  }
}

class MemoryFile implements RandomFile {
  readonly path: string;
  readonly #files: MemoryFiles;
  readonly #content: Content;
  #isOpen = true;

  constructor(files: MemoryFiles, content: Content, path: string) {
    this.#files = files;
    this.#content = content;
    this.path = path;
  }

  async read(target: Uint8Array, offsetBytes: number): Promise<number> {
    await this.#turn();
    const { readErrno } = this.#files;
    if (readErrno !== 0) throw new SyscallError("read", this.path, readErrno);
    this.#files.readBytes += target.length;
    const bytes = this.#content.bytes.subarray(
      offsetBytes,
      offsetBytes + target.length,
    );
    target.set(bytes);
    return bytes.length;
  }

  async write(source: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#turn();
    await this.#files.onWrite();
    await this.#turn();
    const { writeErrno } = this.#files;
    if (writeErrno !== 0) {
      throw new SyscallError("write", this.path, writeErrno);
    }
    this.#files.writeCount++;
    const growthBytes = Math.max(
      0,
      offsetBytes + source.length - this.#content.bytes.length,
    );
    const missingBytes = Math.max(0, growthBytes - this.#files.roomBytes());
    const written = source.subarray(0, source.length - missingBytes);
    this.#put(written, offsetBytes);
    if (missingBytes > 0) {
      throw new SyscallError("write", this.path, ERRNO.ENOSPC);
    }
  }

  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.#files.zeroedBytes += lengthBytes;
    await this.write(new Uint8Array(lengthBytes), offsetBytes);
    this.#files.writeCount--;
  }

  async nextData(offsetBytes: number): Promise<number> {
    await this.#turn();
    const { bytes } = this.#content;
    const granule = this.#files.holeBytes;
    let at = offsetBytes;
    while (at < bytes.length) {
      const endBytes = Math.min(bytes.length, at - at % granule + granule);
      if (!isZero(bytes.subarray(at, endBytes))) return at;
      at = endBytes;
    }
    return Math.max(offsetBytes, bytes.length);
  }

  async digest(
    { offsetBytes, lengthBytes }: Extent,
    blockBytes: number,
    seed: Uint8Array,
  ): Promise<Uint8Array> {
    const bytes = new Uint8Array(lengthBytes);
    const count = await this.read(bytes, offsetBytes);
    return keyedDigests(bytes.subarray(0, count), blockBytes, seed);
  }

  async forget(): Promise<void> {
    await this.#turn();
  }

  async flush(): Promise<void> {
    await this.#turn();
    const bytes = this.#content.bytes.slice();
    await this.#files.onFlush();
    await this.#turn();
    const { flushErrno } = this.#files;
    if (flushErrno !== 0) {
      throw new SyscallError("flush", this.path, flushErrno);
    }
    this.#files.flushCount++;
    this.#content.durable = bytes;
  }

  async truncate(lengthBytes: number): Promise<void> {
    await this.#turn();
    this.#content.bytes = this.#content.bytes.slice(0, lengthBytes);
    this.#content.durable = this.#content.durable.slice(0, lengthBytes);
  }

  sizeBytes(): number {
    return this.#content.bytes.length;
  }

  close(): void {
    if (!this.#isOpen) throw new Error("closed twice");
    this.#isOpen = false;
    this.#files.openCount--;
  }

  #put(source: Uint8Array, offsetBytes: number): void {
    const endBytes = offsetBytes + source.length;
    if (endBytes > this.#content.bytes.length) {
      const grown = new Uint8Array(endBytes);
      grown.set(this.#content.bytes);
      this.#content.bytes = grown;
    }
    this.#content.bytes.set(source, offsetBytes);
  }

  /** A file that was closed while somebody used it is a bug of the user. */
  async #turn(): Promise<void> {
    if (!this.#isOpen) throw new Error("used after close");
    await Promise.resolve();
    if (!this.#isOpen) throw new Error("closed while in use");
  }
}
