/**
 * Files and disks, read and written at offsets without blocking the main
 * thread.
 *
 * Every operation is one system call of the shim on a thread of the pool, hence
 * several may be in flight on one file and each error keeps its errno. Deno's
 * own files have one position per file and would need a seek before each call.
 */
import { ERRNO, SyscallError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import type { Extent } from "./digest.ts";
import { DIGEST_BYTES } from "./digest.ts";

/** An open file or disk. Who opened it closes it, with nothing in flight. */
export interface RandomFile {
  readonly path: string;

  /**
   * Fills `target` from `offsetBytes`.
   *
   * @returns count of bytes, less than asked for only at the end of the file
   * @throws SyscallError
   */
  read(target: Uint8Array, offsetBytes: number): Promise<number>;

  /** Writes all of `source`, which stays unchanged meanwhile. @throws SyscallError */
  write(source: Uint8Array, offsetBytes: number): Promise<void>;

  /**
   * Makes a range read as zeroes, and gives its storage back where that is
   * possible. @throws SyscallError
   */
  zero(offsetBytes: number, lengthBytes: number): Promise<void>;

  /**
   * Where the next byte is, from `offsetBytes` on, that may not be zero; the
   * size if there is none. Never more than it knows: a disk without holes gives
   * `offsetBytes`. @throws SyscallError
   */
  nextData(offsetBytes: number): Promise<number>;

  /**
   * Digests of the blocks of a range, DIGEST_BYTES each, the last block may be
   * shorter. Two different blocks are alike with a chance of 2^-63 for who does
   * not know the seed; a block of zeroes has a digest of zeroes.
   *
   * @param blockBytes a multiple of 1024, at most 1 MiB
   * @param seed 32 bytes
   * @returns fewer only at the end of the file
   * @throws SyscallError
   */
  digest(
    extent: Extent,
    blockBytes: number,
    seed: Uint8Array,
  ): Promise<Uint8Array>;

  /** Later reads of what is durable ask the disk itself. @throws SyscallError */
  forget(offsetBytes: number, lengthBytes: number): Promise<void>;

  /** Makes everything durable whose write has returned. @throws SyscallError */
  flush(): Promise<void>;

  /** Cuts the file, durably. @throws SyscallError */
  truncate(lengthBytes: number): Promise<void>;

  /** @throws SyscallError */
  sizeBytes(): number;

  close(): void;
}

/**
 * "read"    an existing file or disk
 * "update"  an existing file or disk, to be read and written
 * "create"  like update; a missing file is created, readable by its owner only,
 *           and its name is durable; a symbolic link is refused
 */
export type OpenMode = "read" | "update" | "create";

/** Where files come from; tests give their own. */
export interface FileOpener {
  /** @throws SyscallError */
  open(path: string, mode: OpenMode): Promise<RandomFile>;
}

// Prescribed by Linux.
const O_RDONLY = 0;
const O_RDWR = 0o2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;

const MODE_OWNER_ONLY = 0o600;

// Ours. Zeroes are written in such pieces where they cannot be had cheaper.
const ZEROES = new Uint8Array(1024 * 1024);

// What says that a disk or file system knows no holes, in any wording.
const WITHOUT_HOLES: readonly number[] = [
  ERRNO.EOPNOTSUPP,
  ERRNO.EINVAL,
  ERRNO.ENOSYS,
];

/** The files of this machine. */
export function systemFiles(shim: Shim): FileOpener {
  const keys = new DigestKeys();
  return {
    async open(path: string, mode: OpenMode): Promise<RandomFile> {
      const fd = mode === "create"
        ? await openOrCreate(shim, path)
        : await openPath(shim, path, mode === "read" ? O_RDONLY : O_RDWR);
      if (fd < 0) throw new SyscallError("open", path, -fd);
      return new SystemFile(shim, { path, fd, keys });
    },
  };
}

async function openOrCreate(shim: Shim, path: string): Promise<number> {
  const fd = await openPath(shim, path, O_RDWR | O_NOFOLLOW);
  if (fd !== -ERRNO.ENOENT) return fd;
  const created = await openPath(
    shim,
    path,
    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  );
  if (created < 0) return created;
  const result = await flushDirectoryOf(shim, path);
  if (result >= 0) return created;
  shim.mars_file_close(created);
  return result;
}

/** A file whose name is lost with the power was never durable. */
async function flushDirectoryOf(shim: Shim, path: string): Promise<number> {
  const slash = path.lastIndexOf("/");
  const directory = slash <= 0 ? (slash < 0 ? "." : "/") : path.slice(0, slash);
  const fd = await openPath(shim, directory, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return fd;
  const result = await shim.mars_file_flush_later(fd);
  shim.mars_file_close(fd);
  return result;
}

async function openPath(
  shim: Shim,
  path: string,
  flags: number,
): Promise<number> {
  const name = cString(path);
  const fd = await shim.mars_file_open_later(name, flags, MODE_OWNER_ONLY);
  // Also keeps the buffer alive while the system call reads it.
  assert(name.length > 0, "a path has a terminating zero");
  return fd;
}

// Prescribed by the shim: what it takes as key.
const DIGEST_KEY_BYTES = 8 * (128 + 2048);
// Ours. As many peers copy or compare at a time, and more.
const DIGEST_KEYS_MAX = 16;
const KEY_ALGORITHM = "AES-CTR";

/** Keys of digests, made of their seeds. */
class DigestKeys {
  readonly #keys = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

  of(seed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const name = toHex(seed);
    let key = this.#keys.get(name);
    if (key === undefined) {
      if (this.#keys.size === DIGEST_KEYS_MAX) this.#keys.clear();
      key = expanded(seed);
      this.#keys.set(name, key);
    }
    return key;
  }
}

async function expanded(seed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey(
    "raw",
    owned(seed),
    KEY_ALGORITHM,
    false,
    ["encrypt"],
  );
  const bytes = await crypto.subtle.encrypt(
    { name: KEY_ALGORITHM, counter: new Uint8Array(16), length: 64 },
    key,
    new Uint8Array(DIGEST_KEY_BYTES),
  );
  return new Uint8Array(bytes);
}

class SystemFile implements RandomFile {
  readonly path: string;
  readonly #shim: Shim;
  readonly #fd: number;
  readonly #keys: DigestKeys;

  constructor(
    shim: Shim,
    file: { path: string; fd: number; keys: DigestKeys },
  ) {
    this.#shim = shim;
    this.path = file.path;
    this.#fd = file.fd;
    this.#keys = file.keys;
  }

  async digest(
    { offsetBytes, lengthBytes }: Extent,
    blockBytes: number,
    seed: Uint8Array,
  ): Promise<Uint8Array> {
    const key = await this.#keys.of(seed);
    const count = Math.ceil(lengthBytes / blockBytes);
    const digests = new Uint8Array(count * DIGEST_BYTES);
    const result = await this.#shim.mars_file_digest_later(
      this.#fd,
      offsetBytes,
      lengthBytes,
      blockBytes,
      key,
      digests,
    );
    if (result < 0) throw new SyscallError("read", this.path, -result);
    // Also keeps the key alive while it is used.
    assert(key.length === DIGEST_KEY_BYTES, "a key has its length");
    const doneCount = result === lengthBytes
      ? count
      : Math.floor(result / blockBytes);
    return digests.subarray(0, doneCount * DIGEST_BYTES);
  }

  async read(target: Uint8Array, offsetBytes: number): Promise<number> {
    let count = 0;
    while (count < target.length) {
      const result = await this.#shim.mars_file_read_later(
        this.#fd,
        owned(target),
        count,
        target.length - count,
        offsetBytes + count,
      );
      if (result < 0) throw new SyscallError("read", this.path, -result);
      if (result === 0) break;
      count += result;
    }
    return count;
  }

  async write(source: Uint8Array, offsetBytes: number): Promise<void> {
    let count = 0;
    while (count < source.length) {
      const result = await this.#shim.mars_file_write_later(
        this.#fd,
        owned(source),
        count,
        source.length - count,
        offsetBytes + count,
      );
      if (result < 0) throw new SyscallError("write", this.path, -result);
      // Prescribed by POSIX only for lengths of 0; without this an endless loop.
      if (result === 0) throw new SyscallError("write", this.path, ERRNO.EIO);
      count += result;
    }
  }

  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    const result = await this.#shim.mars_file_punch_later(
      this.#fd,
      offsetBytes,
      lengthBytes,
    );
    if (result === 0) return;
    if (!WITHOUT_HOLES.includes(-result)) {
      throw new SyscallError("zero", this.path, -result);
    }
    for (let count = 0; count < lengthBytes; count += ZEROES.length) {
      const piece = ZEROES.subarray(0, lengthBytes - count);
      await this.write(piece, offsetBytes + count);
    }
  }

  async nextData(offsetBytes: number): Promise<number> {
    const result = await this.#shim.mars_file_data_later(this.#fd, offsetBytes);
    if (result >= 0) return result;
    if (-result === ERRNO.ENXIO) return Math.max(offsetBytes, this.sizeBytes());
    if (WITHOUT_HOLES.includes(-result)) return offsetBytes;
    throw new SyscallError("seek", this.path, -result);
  }

  async forget(offsetBytes: number, lengthBytes: number): Promise<void> {
    const result = await this.#shim.mars_file_forget_later(
      this.#fd,
      offsetBytes,
      lengthBytes,
    );
    if (result < 0) throw new SyscallError("forget", this.path, -result);
  }

  async flush(): Promise<void> {
    const result = await this.#shim.mars_file_flush_later(this.#fd);
    if (result < 0) throw new SyscallError("flush", this.path, -result);
  }

  async truncate(lengthBytes: number): Promise<void> {
    const result = await this.#shim.mars_file_truncate_later(
      this.#fd,
      lengthBytes,
    );
    if (result < 0) throw new SyscallError("truncate", this.path, -result);
    await this.flush();
  }

  sizeBytes(): number {
    const result = this.#shim.mars_file_size(this.#fd);
    if (result < 0) throw new SyscallError("stat", this.path, -result);
    return result;
  }

  close(): void {
    this.#shim.mars_file_close(this.#fd);
  }
}

/** What `Deno` wants to see; frames and buffers are never shared memory. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  assert(bytes.buffer instanceof ArrayBuffer, "a buffer is not shared");
  // The assertion above says so; the type has no narrower for it.
  return bytes as Uint8Array<ArrayBuffer>;
}
