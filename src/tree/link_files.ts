/**
 * Links as files: look, replace, correct, remove. No rules of the tree.
 *
 * A replacement makes a temporary link in the same directory, stamps it, and
 * renames it into place; a reader sees the old link or the new one, complete. A
 * crash in between leaves a name with a leading dot, which every reader
 * ignores. The temporary name contains the process, because command line and
 * daemon may write one link at the same time.
 *
 * Stamps go through the shim: Deno cuts them to milliseconds.
 */
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import { NS_PER_S } from "../base/time.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import { directoryOf, nameOf, pathIn } from "./path.ts";
import {
  asMarsError,
  checkRoot,
  codeOf,
  isMissing,
  listDirectory,
  type Listing,
  pathOnDisk,
  readValue,
} from "./scan.ts";
import { TOMBSTONE } from "./values.ts";

/** What stands at a path, and its own modification time. */
export type FileStatus = {
  readonly kind: "link" | "file" | "directory" | "other";
  readonly stampNs: bigint;
};

// Prescribed by Linux.
const FORMAT_KINDS: Readonly<Record<number, FileStatus["kind"]>> = {
  0o040000: "directory",
  0o100000: "file",
  0o120000: "link",
};
const ENOTDIR = 20;
const EISDIR = 21;
const PATH_MAX_BYTES = 4096;
const O_DIRECTORY = 0o200000;

const RENAME_NOREPLACE = 1;

// Ours. A name that no reader looks at; only the daemon makes whole directories.
const STAGE = ".tmp-incoming";

// Prescribed by MARS: directories of the tree belong to root alone.
const DIRECTORY_MODE = 0o700;

/** A directory to be made with everything that is in it. */
export type FreshDirectory = {
  readonly directory: string;
  /** Names and what they have; at least one. */
  readonly links: readonly {
    readonly name: string;
    readonly value: string;
    readonly stampNs: bigint;
  }[];
  /** Called when it is complete, with its path before it gets its name. */
  readonly onStaged: (path: string) => void;
};

/**
 * Where links lie: the file system, or what a simulation has in its place. All
 * paths are relative to the root; every call may throw a `SyscallError`.
 */
export interface LinkDisk {
  /** What stands at `path`; undefined if nothing does. */
  status(path: string): FileStatus | undefined;
  /** Names in a directory; undefined if it is none. */
  list(directory: string): Listing | undefined;
  /** The value of a link, undefined if it is none, an error if it is no text. */
  value(path: string): string | Error | undefined;
  /** See `LinkFiles`. */
  replace(path: string, value: string, stampNs: bigint): boolean;
  /** See `LinkFiles`; a disk may decline it always. */
  createDirectory(fresh: FreshDirectory): bigint | undefined;
  /** Sets the stamp of what stands at `path`. */
  stamp(path: string, stampNs: bigint): void;
  /** Removes a link, a file or an empty directory, if there is one. */
  remove(path: string): void;
  /** Refuses a root that is missing. */
  check(): void;
  /** Makes everything durable that was written before. */
  flush(): void;
}

/** The links below one root, as files. */
export class LinkFiles implements LinkDisk {
  readonly #root: string;
  readonly #shim: Shim;
  readonly #encoder = new TextEncoder();
  readonly #pathBytes = new Uint8Array(PATH_MAX_BYTES + 1);
  readonly #stamp = new BigInt64Array(2);
  #isStampProven = false;

  constructor(root: string, shim: Shim) {
    this.#root = root;
    this.#shim = shim;
  }

  status(path: string): FileStatus | undefined {
    const result = this.#shim.mars_link_stamp_read(
      this.#encode(path),
      this.#stamp,
    );
    if (result < 0) {
      if (result === -ERRNO.ENOENT || result === -ENOTDIR) return undefined;
      throw this.#failed("read stamp of", path, result);
    }
    const [seconds = 0n, nanoseconds = 0n] = this.#stamp;
    return {
      kind: FORMAT_KINDS[result] ?? "other",
      stampNs: seconds * NS_PER_S + nanoseconds,
    };
  }

  list(directory: string): Listing | undefined {
    return listDirectory(this.#root, directory);
  }

  value(path: string): string | Error | undefined {
    return readValue(this.#root, path);
  }

  check(): void {
    checkRoot(this.#root);
  }

  /**
   * Puts a link at `path`, in place of a link, a file or an empty directory;
   * creates missing directories, but never the root. Returns false, and changes
   * nothing, if a directory with content or a parent that is no directory is in
   * the way.
   */
  replace(path: string, value: string, stampNs: bigint): boolean {
    const name = `.tmp.${Deno.pid}.${nameOf(path)}`;
    const temporary = pathIn(directoryOf(path), name);
    if (!this.#create(temporary, value)) return false;
    try {
      this.stamp(temporary, stampNs);
      this.#proveStamp(temporary, stampNs);
      if (this.#rename(temporary, path)) return true;
    } catch (error) {
      this.remove(temporary);
      throw error;
    }
    this.remove(temporary);
    return false;
  }

  /**
   * Puts a directory with links where nothing is, complete or not at all: a
   * name for all of them instead of one after the other.
   *
   * @returns its modification time; undefined, and nothing is changed, where
   * this cannot be done
   */
  createDirectory(fresh: FreshDirectory): bigint | undefined {
    const { directory, links, onStaged } = fresh;
    const parent = directoryOf(directory);
    if (!this.#isStampProven) return undefined;
    if (this.status(parent)?.kind !== "directory") return undefined;
    this.#clearStage();
    Deno.mkdirSync(pathOnDisk(this.#root, STAGE), { mode: DIRECTORY_MODE });
    try {
      this.#fillStage(links);
      const stampNs = this.status(STAGE)?.stampNs;
      onStaged(STAGE);
      const result = this.#shim.mars_path_rename(
        cString(pathOnDisk(this.#root, STAGE)),
        this.#encode(directory),
        RENAME_NOREPLACE,
      );
      if (result >= 0) return stampNs;
    } catch (error) {
      this.#clearStage();
      throw error;
    }
    // Something is there already, or the file system cannot do it.
    this.#clearStage();
    return undefined;
  }

  #fillStage(links: FreshDirectory["links"]): void {
    const stamps = new BigInt64Array(2 * links.length);
    let strings = "";
    for (const [index, { name, value, stampNs }] of links.entries()) {
      strings += `${name}\0${value}\0`;
      stamps[2 * index] = stampNs / NS_PER_S;
      stamps[2 * index + 1] = stampNs % NS_PER_S;
    }
    const fd = this.#shim.mars_file_open(this.#encode(STAGE), O_DIRECTORY, 0);
    if (fd < 0) throw this.#failed("open", STAGE, fd);
    const result = this.#shim.mars_links_create(
      fd,
      this.#encoder.encode(strings),
      stamps,
      links.length,
    );
    this.#shim.mars_file_close(fd);
    if (result < 0) throw this.#failed("create links in", STAGE, result);
  }

  /** Also what a crash has left. */
  #clearStage(): void {
    try {
      Deno.removeSync(pathOnDisk(this.#root, STAGE), { recursive: true });
    } catch (error) {
      if (isMissing(error)) return;
      throw asMarsError("remove", pathOnDisk(this.#root, STAGE), error);
    }
  }

  stamp(path: string, stampNs: bigint): void {
    this.#stamp[0] = stampNs / NS_PER_S;
    this.#stamp[1] = stampNs % NS_PER_S;
    const result = this.#shim.mars_link_stamp_write(
      this.#encode(path),
      this.#stamp,
    );
    if (result < 0) throw this.#failed("stamp", path, result);
  }

  remove(path: string): void {
    try {
      Deno.removeSync(pathOnDisk(this.#root, path));
    } catch (error) {
      if (isMissing(error)) return;
      throw asMarsError("remove", pathOnDisk(this.#root, path), error);
    }
  }

  flush(): void {
    const fd = this.#shim.mars_file_open(cString(this.#root), O_DIRECTORY, 0);
    if (fd < 0) throw new SyscallError("open", this.#root, -fd);
    const result = this.#shim.mars_filesystem_flush(fd);
    this.#shim.mars_file_close(fd);
    if (result < 0) throw new SyscallError("flush", this.#root, -result);
  }

  #create(path: string, value: string): boolean {
    // Looked at first: a link to a directory elsewhere would be followed.
    const directory = directoryOf(path);
    const isReady = this.status(directory)?.kind === "directory" ||
      this.#makeDirectory(directory);
    if (!isReady) return false;
    const valueBytes = cString(value);
    let result = this.#shim.mars_link_create(valueBytes, this.#encode(path));
    if (result === -ERRNO.EEXIST) {
      // Left behind by a crash of a process of the same number.
      this.remove(path);
      result = this.#shim.mars_link_create(valueBytes, this.#encode(path));
    }
    if (result < 0) throw this.#failed("create link", path, result);
    return true;
  }

  /** Makes `directory` and its parents; false if something is in the way. */
  #makeDirectory(directory: string): boolean {
    checkRoot(this.#root);
    if (directory === "") return true;
    const parent = directoryOf(directory);
    if (parent !== "" && !this.#makeDirectory(parent)) return false;
    const status = this.status(directory);
    if (status?.kind === "directory") return true;
    if (status !== undefined) {
      // A tombstone replaced the directory when its last link was purged.
      const isTombstone = status.kind === "link" &&
        readValue(this.#root, directory) === TOMBSTONE;
      if (!isTombstone) return false;
      this.remove(directory);
    }
    const onDisk = pathOnDisk(this.#root, directory);
    try {
      Deno.mkdirSync(onDisk, { mode: DIRECTORY_MODE });
    } catch (error) {
      // Another process was faster; if it made no directory, creation says so.
      if (error instanceof Deno.errors.AlreadyExists) return true;
      throw asMarsError("create directory", onDisk, error);
    }
    return true;
  }

  #rename(temporary: string, path: string): boolean {
    const result = this.#shim.mars_path_rename(
      cString(pathOnDisk(this.#root, temporary)),
      this.#encode(path),
      0,
    );
    if (result >= 0) return true;
    if (result !== -EISDIR) throw this.#failed("replace link", path, result);
    const to = pathOnDisk(this.#root, path);
    try {
      Deno.removeSync(to);
      Deno.renameSync(pathOnDisk(this.#root, temporary), to);
      return true;
    } catch (error) {
      if (codeOf(error) === "ENOTEMPTY") return false;
      throw asMarsError("replace directory", to, error);
    }
  }

  /** A file system with whole seconds would lose the order of changes. */
  #proveStamp(path: string, stampNs: bigint): void {
    if (this.#isStampProven) return;
    if (this.status(path)?.stampNs !== stampNs) {
      throw new MarsError(
        `Cannot write to tree "${this.#root}": its file system does not keep ` +
          `nanoseconds; ext4 needs inodes of 256 bytes`,
      );
    }
    this.#isStampProven = stampNs % NS_PER_S !== 0n;
  }

  /** The path as C wants it; valid until the next call. */
  #encode(path: string): Uint8Array<ArrayBuffer> {
    const onDisk = pathOnDisk(this.#root, path);
    const { read, written } = this.#encoder.encodeInto(
      onDisk,
      this.#pathBytes.subarray(0, PATH_MAX_BYTES),
    );
    if (read < onDisk.length) {
      throw new MarsError(`Cannot use path "${onDisk}": it is too long`);
    }
    this.#pathBytes[written] = 0;
    return this.#pathBytes;
  }

  #failed(operation: string, path: string, result: number): SyscallError {
    const onDisk = pathOnDisk(this.#root, path);
    return new SyscallError(operation, onDisk, -result);
  }
}
