/**
 * Watching the tree: the kernel says which names came, went or were touched.
 *
 * One watch per directory. Reported are links, logs and directories that were
 * created, renamed, deleted, or whose stamp was set; not that a log was
 * written, which happens all the time. Names with a leading dot do not count,
 * so of an own write only the final rename is seen.
 *
 * Rules:
 *   (1) A directory is watched before it is read: nothing falls in between.
 *   (2) A report names paths, not what happened: look at what is there now.
 *   (3) Where the kernel refuses a watch, or had to drop reports, the tree must
 *       be read instead; `isComplete` and "overflow" say so.
 *
 * Waiting costs nothing: a thread of the pool sleeps in `read`.
 *
 * Source: inotify(7).
 */
import { ERRNO, errnoText, SyscallError } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import { pathIn } from "./path.ts";
import { pathOnDisk } from "./scan.ts";

/** What `LinkTree` tells about directories. */
export interface DirectoryWatch {
  /** Before a directory is read. */
  add(directory: string): void;
  /** Whether changes in it are noticed. */
  has(directory: string): boolean;
  /** It is gone, or of no interest any more. */
  remove(directory: string): void;
}

export type WatchReport =
  /** Look at these; "" is the root. */
  | { readonly kind: "paths"; readonly paths: ReadonlySet<string> }
  /** Look at everything. */
  | { readonly kind: "overflow" };

/** What whoever keeps the tree in memory needs of a watch. */
export interface TreeSight {
  /** Whether every directory is watched; else the tree must be polled. */
  readonly isComplete: boolean;
  /** Waits for changes; undefined after `close`. @throws SyscallError */
  next(): Promise<WatchReport | undefined>;
  /** Ends the wait. */
  close(): Promise<void>;
}

// Prescribed by Linux.
const IN_ATTRIB = 0x4;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const IN_ONLYDIR = 0x0100_0000;
const IN_DONT_FOLLOW = 0x0200_0000;
const CHANGES = IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE;
const HEAD_BYTES = 16;
const DOT = ".".charCodeAt(0);

// Ours. About 1,500 events; more are read in the next turn.
const BUFFER_BYTES = 65_536;

export class TreeWatch implements DirectoryWatch, TreeSight {
  readonly #root: string;
  readonly #shim: Shim;
  readonly #fd: number;
  /** Never reports anything; its removal wakes whoever waits. */
  readonly #bell: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  readonly #decoder = new TextDecoder();
  readonly #directories = new Map<number, string>();
  readonly #watches = new Map<string, number>();
  readonly #unwatched = new Set<string>();
  #reading: Promise<number> | undefined;
  #isClosed = false;
  #hasComplained = false;

  private constructor(
    options: { root: string; shim: Shim; fd: number; bell: number },
  ) {
    this.#root = options.root;
    this.#shim = options.shim;
    this.#fd = options.fd;
    this.#bell = options.bell;
  }

  /** Undefined where the kernel has no watch to spare. */
  static open(
    options: { readonly root: string; readonly shim: Shim },
  ): TreeWatch | undefined {
    const { shim } = options;
    const fd = shim.mars_watch_create();
    if (fd < 0) {
      complain("/", fd);
      return undefined;
    }
    const bell = shim.mars_watch_add(fd, cString("/"), IN_DELETE_SELF);
    if (bell < 0) {
      complain("/", bell);
      shim.mars_file_close(fd);
      return undefined;
    }
    return new TreeWatch({ ...options, fd, bell });
  }

  get isComplete(): boolean {
    return this.#unwatched.size === 0;
  }

  add(directory: string): void {
    if (this.#isClosed || this.#watches.has(directory)) return;
    const onDisk = pathOnDisk(this.#root, directory);
    const watch = this.#shim.mars_watch_add(
      this.#fd,
      cString(onDisk),
      CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW,
    );
    if (watch < 0) {
      const isGone = watch === -ERRNO.ENOENT || watch === -ENOTDIR;
      if (isGone) return;
      this.#unwatched.add(directory);
      if (!this.#hasComplained) complain(onDisk, watch);
      this.#hasComplained = true;
      return;
    }
    this.#unwatched.delete(directory);
    // A directory that was renamed still has the watch of its old name.
    const oldName = this.#directories.get(watch);
    if (oldName !== undefined) this.#watches.delete(oldName);
    this.#directories.set(watch, directory);
    this.#watches.set(directory, watch);
  }

  has(directory: string): boolean {
    return this.#watches.has(directory);
  }

  remove(directory: string): void {
    this.#unwatched.delete(directory);
    const watch = this.#watches.get(directory);
    if (watch === undefined) return;
    this.#watches.delete(directory);
    this.#directories.delete(watch);
    // The kernel has removed it already if the directory was deleted.
    if (!this.#isClosed) this.#shim.mars_watch_remove(this.#fd, watch);
  }

  /** One caller at a time. @throws SyscallError */
  async next(): Promise<WatchReport | undefined> {
    while (!this.#isClosed) {
      this.#reading = this.#shim.mars_watch_read_later(
        this.#fd,
        this.#buffer,
        BUFFER_BYTES,
      );
      const count = await this.#reading;
      this.#reading = undefined;
      if (this.#isClosed) break;
      if (count === -ERRNO.EINTR) continue;
      if (count < 0) throw new SyscallError("watch", this.#root, -count);
      const report = this.#reportOf(count);
      if (report.kind === "overflow" || report.paths.size > 0) return report;
    }
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#shim.mars_watch_remove(this.#fd, this.#bell);
    await this.#reading;
    this.#shim.mars_file_close(this.#fd);
  }

  #reportOf(length: number): WatchReport {
    const paths = new Set<string>();
    let hasOverflown = false;
    for (let at = 0; at < length;) {
      const watch = this.#view.getInt32(at, true);
      const mask = this.#view.getUint32(at + 4, true);
      const nameBytes = this.#view.getUint32(at + 12, true);
      const start = at + HEAD_BYTES;
      at = start + nameBytes;
      if ((mask & IN_Q_OVERFLOW) !== 0) hasOverflown = true;
      const directory = this.#directories.get(watch);
      if (directory === undefined) continue;
      if ((mask & IN_IGNORED) !== 0) {
        // Deleted; by now there may be another one of its name.
        this.#directories.delete(watch);
        this.#watches.delete(directory);
        paths.add(directory);
      } else if (nameBytes > 0 && this.#buffer[start] !== DOT) {
        paths.add(pathIn(directory, this.#nameAt(start, nameBytes)));
      }
    }
    return hasOverflown ? { kind: "overflow" } : { kind: "paths", paths };
  }

  /** Names are filled up with zeros. */
  #nameAt(start: number, length: number): string {
    const end = this.#buffer.indexOf(0, start);
    return this.#decoder.decode(
      this.#buffer.subarray(start, Math.min(end, start + length)),
    );
  }
}

const ENOTDIR = 20;

function complain(path: string, result: number): void {
  trace.warn("tree", "Cannot watch the tree; it is read now and then instead", {
    path,
    error: errnoText(-result),
  });
}
