/**
 * The file system of a simulated host: links, logs and disks.
 *
 * Names have a journal: when the power fails, the changes after a certain one
 * are lost, but none that was flushed or is older than a few seconds. As
 * journals do, flushing a file that is new, cut or deleted makes all earlier
 * changes durable. The bytes of files are volatile on their own; see
 * `volatile_file.ts`.
 *
 * Everything is done at once, like a system call. `asSeenBy()` gives what a
 * process uses: there, calls that may wait take time.
 */
import { ERRNO, MarsError, SyscallError } from "../../src/base/errors.ts";
import {
  logFileName,
  type LogName,
  parseLogFileName,
} from "../../src/base/names.ts";
import { NS_PER_MS } from "../../src/base/time.ts";
import type { LogDirectory, LogFile } from "../../src/log/files.ts";
import type {
  FileOpener,
  OpenMode,
  RandomFile,
} from "../../src/transfer/file.ts";
import type { FileStatus, LinkDisk } from "../../src/tree/link_files.ts";
import { directoryOf, nameOf, pathIn } from "../../src/tree/path.ts";
import type { Listing } from "../../src/tree/scan.ts";
import { type Link, Snapshot } from "../../src/tree/snapshot.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";
import { keyedDigests } from "../support/keyed_digest.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual_time.ts";
import { VolatileFile } from "./volatile_file.ts";

/** Where every host has its tree. */
export const ROOT = "/mars";

type Entry =
  | { readonly kind: "link"; readonly value: string; readonly stampNs: bigint }
  | { readonly kind: "file"; readonly file: VolatileFile; changedAtMs: number }
  | {
    readonly kind: "directory";
    stampNs: bigint;
    readonly names: Set<string>;
  };

/** Journals are written so often even if nobody flushes. */
const JOURNAL_MS = 5_000;

/** How long a call that may wait takes. */
const FLUSH_MS = { least: 0.1, span: 3 };
const ACCESS_MS = { least: 0.01, span: 0.2 };

/** Of an empty file system. */
const SIZE_BYTES = 2 ** 30;
/** Each of the four reserves that daemons keep. */
export const RESERVE_BYTES = 2 ** 23;

export class SimFileSystem {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  readonly #disks = new Map<string, VolatileFile>();
  /** Undoes changes since the last flush, oldest first. */
  readonly #journal: { readonly atMs: number; readonly undo: () => void }[] =
    [];
  /** What the tree may take, as chaos sets it. */
  roomBytes = SIZE_BYTES;
  /** What a byte of a log takes of that; 0: they do not count. */
  logWeight = 0;
  /** Errno of every change of the tree, as of one that is read-only; or 0. */
  refusal = 0;
  #totalBytes = SIZE_BYTES;
  #lastStampNs = 0n;
  #snapshot = new Snapshot([]);
  /** Names that changed since then. */
  readonly #changed = new Set<string>();
  /** Whose files are open, once for each. */
  readonly #open = new Map<symbol, Life>();
  /** Links that were written, for the world to watch. */
  onLink: (path: string, value: string, stampNs: bigint) => void = () => {};

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
    this.#entries.set("", this.#newDirectory());
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get freeBytes(): number {
    const takenBytes = this.logWeight === 0
      ? 0
      : this.logWeight * this.#logBytesSum();
    return Math.max(0, this.roomBytes - takenBytes);
  }

  /** Makes it as large as that, with nothing but logs in it. */
  setSize(bytes: number): void {
    this.#totalBytes = bytes;
    this.roomBytes = bytes;
  }

  /** Files that living processes have open. */
  get openCount(): number {
    for (const [handle, life] of this.#open) {
      if (life.isOver) this.#open.delete(handle);
    }
    return this.#open.size;
  }

  /** Why no file of the tree can grow; if it is full links still can be made. */
  get growthErrno(): number {
    if (this.refusal !== 0) return this.refusal;
    return this.freeBytes === 0 ? ERRNO.ENOSPC : 0;
  }

  /** @throws SyscallError if the tree takes no change */
  #mustTake(path: string): void {
    if (this.refusal === 0) return;
    throw new SyscallError("write", path, this.refusal);
  }

  #logBytesSum(): number {
    let sum = 0;
    for (const entry of this.#entries.values()) {
      if (entry.kind === "file") sum += entry.file.lengthBytes;
    }
    return sum;
  }

  addDisk(path: string, lengthBytes: number): VolatileFile {
    const disk = new VolatileFile(lengthBytes);
    this.#disks.set(path, disk);
    return disk;
  }

  disk(path: string): VolatileFile | undefined {
    return this.#disks.get(path);
  }

  log(resource: string, log: LogName): VolatileFile | undefined {
    const entry = this.#entries.get(
      `resource-${resource}/${logFileName(log)}`,
    );
    return entry?.kind === "file" ? entry.file : undefined;
  }

  /** The power fails: names, logs and disks keep what was durable, or more. */
  losePower(): void {
    const random = this.#random;
    this.#trimJournal();
    const keptCount = random.chance(0.3)
      ? this.#journal.length
      : random.below(this.#journal.length + 1);
    while (this.#journal.length > keptCount) this.#journal.pop()?.undo();
    this.#journal.length = 0;
    for (const entry of this.#entries.values()) {
      if (entry.kind === "file") entry.file.losePower(random);
    }
    for (const disk of this.#disks.values()) disk.losePower(random);
  }

  flushNames(): void {
    this.#journal.length = 0;
  }

  // ---- links --------------------------------------------------------------

  /** All links as they stand. */
  snapshot(): Snapshot {
    if (this.#changed.size === 0) return this.#snapshot;
    const gone: string[] = [];
    const links: Link[] = [];
    for (const path of this.#changed) {
      const entry = this.#entries.get(path);
      if (entry?.kind !== "link") gone.push(path);
      else links.push({ path, value: entry.value, stampNs: entry.stampNs });
    }
    this.#changed.clear();
    this.#snapshot = this.#snapshot.without(gone).with(links);
    return this.#snapshot;
  }

  links(life: Life): LinkDisk {
    const alive = <Args extends unknown[], Result>(
      call: (...args: Args) => Result,
    ) =>
    (...args: Args): Result => {
      life.check();
      return call(...args);
    };
    return {
      status: alive((path) => this.#status(path)),
      list: alive((directory) => this.#list(directory)),
      value: alive((path) => {
        const entry = this.#entries.get(path);
        return entry?.kind === "link" ? entry.value : undefined;
      }),
      replace: alive((path, value, stampNs) =>
        this.#replace(path, value, stampNs)
      ),
      // Link by link, then: there are more places to crash.
      createDirectory: alive(() => undefined),
      stamp: alive((path, stampNs) => {
        this.#mustTake(path);
        const entry = this.#entries.get(path);
        if (entry?.kind === "link") this.#set(path, { ...entry, stampNs });
      }),
      remove: alive((path) => {
        this.#mustTake(path);
        const entry = this.#entries.get(path);
        const isEmpty = entry?.kind !== "directory" || entry.names.size === 0;
        if (isEmpty) this.#set(path, undefined);
      }),
      check: alive(() => {}),
      flush: alive(() => this.#flushAll()),
    };
  }

  makeDirectory(path: string): boolean {
    if (path === "") return true;
    if (!this.makeDirectory(directoryOf(path))) return false;
    const entry = this.#entries.get(path);
    if (entry?.kind === "directory") return true;
    const isTombstone = entry?.kind === "link" && entry.value === TOMBSTONE;
    if (entry !== undefined && !isTombstone) return false;
    this.#set(path, this.#newDirectory());
    return true;
  }

  #status(path: string): FileStatus | undefined {
    const entry = this.#entries.get(path);
    if (entry === undefined) return undefined;
    const stampNs = entry.kind === "file"
      ? BigInt(Math.floor(entry.changedAtMs)) * NS_PER_MS
      : entry.stampNs;
    return { kind: entry.kind, stampNs };
  }

  #list(directory: string): Listing | undefined {
    const entry = this.#entries.get(directory);
    if (entry?.kind !== "directory") return undefined;
    const links: string[] = [];
    const directories: string[] = [];
    for (const name of entry.names) {
      const { kind } = this.#entries.get(pathIn(directory, name)) ?? {};
      if (kind === "link") links.push(name);
      if (kind === "directory") directories.push(name);
    }
    return { links, directories };
  }

  #replace(path: string, value: string, stampNs: bigint): boolean {
    this.#mustTake(path);
    if (!this.makeDirectory(directoryOf(path))) return false;
    const entry = this.#entries.get(path);
    if (entry?.kind === "directory" && entry.names.size > 0) return false;
    this.#set(path, { kind: "link", value, stampNs });
    this.onLink(path, value, stampNs);
    return true;
  }

  #flushAll(): void {
    this.#mustTake("");
    this.flushNames();
    for (const entry of this.#entries.values()) {
      if (entry.kind === "file") entry.file.flush();
    }
  }

  /** Changes what a name stands for, and the time of its directory. */
  #set(path: string, entry: Entry | undefined): void {
    const before = this.#entries.get(path);
    this.#put(path, entry);
    const undo = (): void => this.#put(path, before);
    this.#journal.push({ atMs: this.#time.nowMs, undo });
    if (this.#journal.length % 256 === 0) this.#trimJournal();
  }

  #trimJournal(): void {
    const sinceMs = this.#time.nowMs - JOURNAL_MS;
    const first = this.#journal.findIndex(({ atMs }) => atMs >= sinceMs);
    this.#journal.splice(0, first < 0 ? this.#journal.length : first);
  }

  #put(path: string, entry: Entry | undefined): void {
    const directory = this.#entries.get(directoryOf(path));
    this.#changed.add(path);
    if (entry === undefined) this.#entries.delete(path);
    else this.#entries.set(path, entry);
    if (directory?.kind !== "directory") return;
    if (entry === undefined) directory.names.delete(nameOf(path));
    else directory.names.add(nameOf(path));
    directory.stampNs = this.#nextStampNs();
  }

  #newDirectory(): Entry {
    return {
      kind: "directory",
      stampNs: this.#nextStampNs(),
      names: new Set(),
    };
  }

  /** The time of the kernel; two changes never have the same here. */
  #nextStampNs(): bigint {
    const nowNs = BigInt(Date.now()) * NS_PER_MS;
    this.#lastStampNs = nowNs > this.#lastStampNs
      ? nowNs
      : this.#lastStampNs + 1n;
    return this.#lastStampNs;
  }

  // ---- logs ---------------------------------------------------------------

  logDirectory(path: string, life: Life): LogDirectory {
    const directory = inTree(path);
    const slowly = <T>(work: () => T): Promise<T> =>
      life.guard(async () => {
        await this.#wait(FLUSH_MS);
        life.check();
        return work();
      });
    return {
      path,
      list: () =>
        life.guard(async () => {
          await this.#wait(ACCESS_MS);
          return this.listLogs(directory);
        }),
      create: (log) => slowly(() => this.createLog(directory, log)),
      truncate: (log, sizeBytes) =>
        slowly(() => this.truncateLog(directory, log, sizeBytes)),
      delete: (log) => slowly(() => this.deleteLog(directory, log)),
    };
  }

  listLogs(directory: string): LogFile[] {
    const entry = this.#entries.get(directory);
    if (entry?.kind !== "directory") return [];
    const files: LogFile[] = [];
    for (const name of entry.names) {
      const log = parseLogFileName(name);
      const found = this.#entries.get(pathIn(directory, name));
      if (log === undefined || found?.kind !== "file") continue;
      files.push({
        log,
        sizeBytes: found.file.lengthBytes,
        changedAtMs: found.changedAtMs,
      });
    }
    return files.sort((left, right) =>
      left.log.sequence - right.log.sequence ||
      (left.log.host < right.log.host ? -1 : 1)
    );
  }

  createLog(
    directory: string,
    log: LogName,
  ): "created" | "exists" | "tombstone" {
    const path = pathIn(directory, logFileName(log));
    const found = this.#entries.get(path);
    if (found !== undefined) {
      return found.kind === "file" ? "exists" : "tombstone";
    }
    if (this.#entries.get(directory)?.kind !== "directory") {
      throw new SyscallError("create", path, ERRNO.ENOENT);
    }
    this.#mustTake(path);
    this.#set(path, this.#newFile());
    this.flushNames();
    return "created";
  }

  deleteLog(directory: string, log: LogName): boolean {
    const path = pathIn(directory, logFileName(log));
    if (this.#entries.get(path)?.kind !== "file") return false;
    this.#mustTake(path);
    this.#set(path, undefined);
    this.flushNames();
    return true;
  }

  /** What is in a log, durable or not. */
  logBytes(directory: string, log: LogName): Uint8Array {
    const entry = this.#entries.get(pathIn(directory, logFileName(log)));
    if (entry?.kind !== "file") return new Uint8Array(0);
    const bytes = new Uint8Array(entry.file.lengthBytes);
    entry.file.read(bytes, 0);
    return bytes;
  }

  logChangedAtMs(directory: string, log: LogName): number | undefined {
    const entry = this.#entries.get(pathIn(directory, logFileName(log)));
    return entry?.kind === "file" ? entry.changedAtMs : undefined;
  }

  truncateLog(directory: string, log: LogName, sizeBytes: number): void {
    const path = pathIn(directory, logFileName(log));
    const entry = this.#entries.get(path);
    if (entry?.kind !== "file") {
      throw new SyscallError("open", path, ERRNO.ENOENT);
    }
    this.#mustTake(path);
    if (entry.file.lengthBytes > sizeBytes) entry.file.truncate(sizeBytes);
    this.flushNames();
  }

  #newFile(): Entry {
    return {
      kind: "file",
      file: new VolatileFile(),
      changedAtMs: Date.now(),
    };
  }

  // ---- files at offsets ---------------------------------------------------

  files(life: Life): FileOpener {
    return {
      open: (path, mode) =>
        life.guard(async () => {
          await this.#wait(ACCESS_MS);
          life.check();
          return this.#openFile(path, mode, life);
        }),
    };
  }

  #openFile(path: string, mode: OpenMode, life: Life): RandomFile {
    const disk = this.#disks.get(path);
    if (disk !== undefined) return this.#handle(path, disk, life);
    const name = inTree(path);
    if (mode === "create" && this.#entries.get(name) === undefined) {
      this.#mustTake(name);
      const parent = this.#entries.get(directoryOf(name));
      if (parent?.kind === "directory") this.#set(name, this.#newFile());
      this.flushNames();
    }
    const entry = this.#entries.get(name);
    if (entry?.kind !== "file") {
      const errno = entry === undefined ? ERRNO.ENOENT : ELOOP;
      throw new SyscallError("open", path, errno);
    }
    const { file } = entry;
    return this.#handle(path, file, life, (endBytes) => {
      this.#mustTake(path);
      if (this.growthErrno !== 0 && endBytes > file.lengthBytes) {
        throw new SyscallError("write", path, this.growthErrno);
      }
      entry.changedAtMs = Date.now();
    });
  }

  #handle(
    path: string,
    file: VolatileFile,
    life: Life,
    onWrite: (endBytes: number) => void = () => {},
  ): RandomFile {
    let isOpen = true;
    const handle = Symbol(path);
    this.#open.set(handle, life);
    const use = <T>(
      duration: typeof ACCESS_MS,
      begin: () => T,
    ): Promise<T> =>
      life.guard(async () => {
        if (!isOpen) throw new Error(`"${path}" is used after close`);
        await this.#wait(duration);
        life.check();
        if (!isOpen) throw new Error(`"${path}" is closed while in use`);
        return begin();
      });
    return {
      path,
      read: (target, offsetBytes) =>
        use(ACCESS_MS, () => file.read(target, offsetBytes)),
      write: (source, offsetBytes) =>
        use(ACCESS_MS, () => {
          onWrite(offsetBytes + source.length);
          file.write(source, offsetBytes);
        }),
      zero: (offsetBytes, lengthBytes) =>
        use(ACCESS_MS, () => {
          onWrite(offsetBytes + lengthBytes);
          file.write(new Uint8Array(lengthBytes), offsetBytes);
        }),
      // It has no holes to tell of.
      nextData: (offsetBytes) => use(ACCESS_MS, () => offsetBytes),
      forget: () => use(ACCESS_MS, () => {}),
      digest: ({ offsetBytes, lengthBytes }, blockBytes, seed) =>
        use(ACCESS_MS, () => {
          const bytes = new Uint8Array(lengthBytes);
          const count = file.read(bytes, offsetBytes);
          return keyedDigests(bytes.subarray(0, count), blockBytes, seed);
        }),
      flush: () => {
        const finish = file.beginFlush();
        return use(FLUSH_MS, finish);
      },
      truncate: (lengthBytes) =>
        use(FLUSH_MS, () => file.truncate(lengthBytes)),
      sizeBytes: () => file.lengthBytes,
      close: () => {
        life.check();
        if (!isOpen) throw new Error(`"${path}" is closed twice`);
        isOpen = false;
        this.#open.delete(handle);
      },
    };
  }

  #wait({ least, span }: typeof ACCESS_MS): Promise<void> {
    return this.#time.sleep(least + span * this.#random.next());
  }
}

/** Prescribed by Linux: a link where a file should be. */
const ELOOP = 40;

/** The path in the tree of a path on disk. */
function inTree(path: string): string {
  if (path.startsWith(`${ROOT}/`)) return path.slice(ROOT.length + 1);
  throw new MarsError(`"${path}" is not in the tree`);
}
