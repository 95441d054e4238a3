/**
 * The tree on disk: a symbolic link per key, its target the value, its own
 * modification time the Lamport stamp.
 *
 *   write   local changes, with a new stamp or a given one
 *   apply   foreign changes, merged, with the sender's stamp
 *   rescan  what others wrote: the original's tool, `ln -s`, our command line
 *   look    the same, where a watch has seen something
 *
 * The index is what was last read or written here. Rules:
 *   (1) A write looks at the link on disk first and moves the Lamport clock
 *       past it (I9).
 *   (2) A directory is read again if its modification time changed. Own writes
 *       change it too: something else may have changed at the same time.
 *   (3) A directory that changed just before it was read is read once more: two
 *       changes within one tick of the kernel's clock have one time.
 *   (4) A stamp too far in the future is corrected where it is found.
 *   (5) A regular file is replaced by a foreign link only if it is a log, the
 *       link is a tombstone, and this host has replayed that log (I7).
 *   (6) Illegal links stay on disk and are reported once.
 *   (7) What others say newer about this host is never taken; it is stated
 *       again, as it is here, and deleted if it is not here.
 *
 * Source: MARS symlink tree 0.1; (2), (3), (5) and (7) are ours.
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { parseLogFileName } from "../base/names.ts";
import { NS_PER_MS, systemClock } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { Shim } from "../../ffi/shim.ts";
import { lazySnapshot } from "./lazy.ts";
import { type FileStatus, type LinkDisk, LinkFiles } from "./link_files.ts";
import { mergeLink, objectionTo } from "./merge.ts";
import {
  classify,
  directoryOf,
  isLegalPath,
  linkPath,
  matchPath,
  nameOf,
  PATH_DEPTH_MAX,
  pathIn,
} from "./path.ts";
import { isForeignTree, pathOnDisk } from "./scan.ts";
import { isSameLink, type Link, Snapshot } from "./snapshot.ts";
import {
  isStorableValue,
  isValueOf,
  parseReplay,
  TOMBSTONE,
} from "./values.ts";
import type { DirectoryWatch } from "./watch.ts";

/** A local change. */
export interface LinkWrite {
  readonly path: string;
  /** `TOMBSTONE` deletes. */
  readonly value: string;
  /** Undefined: now. Given: ignored where a newer link exists. */
  readonly stampNs?: bigint | undefined;
}

/** Who sent foreign links, and who receives them. */
export interface ApplyContext {
  /** The local host. */
  readonly host: string;
  readonly sender: string;
}

/** The replicated memory. */
export interface TreeStore {
  readonly root: string;
  /** All links as known now. */
  snapshot(): Snapshot;
  /** Writes links; those without a stamp share one. Returns what changed. */
  write(links: Iterable<LinkWrite>): Link[];
  /** Merges foreign links; returns those that were taken. */
  apply(links: Iterable<Link>, context: ApplyContext): Link[];
  /**
   * Removes a link physically, without a tombstone; if `value` is given, only
   * while the link still has it.
   */
  unlink(path: string, value?: string): void;
  /** Looks for changes that others made; returns new and changed links. */
  rescan(directories?: Iterable<string>): Link[];
  /** Makes everything durable that was written before. */
  flush(): void;
}

// Ours. The kernel's clock ticks every 10 ms or less.
const DIRECTORY_QUIET_NS = 50n * NS_PER_MS;
/** Complaints that are remembered so that they are not repeated. */
const COMPLAINTS_MAX = 1_000;

/** What was known of a directory when it was read last. */
type KnownDirectory = {
  /** Undefined: read again in any case. */
  readonly stampNs: bigint | undefined;
  /** Names of the directories in it. */
  readonly directories: readonly string[];
};

/** The tree as symbolic links below `root`. */
export class LinkTree implements TreeStore {
  readonly root: string;
  readonly #lamport: LamportClock;
  readonly #files: LinkDisk;
  readonly #watch: DirectoryWatch | undefined;
  #snapshot = new Snapshot([]);
  /** Changes since the snapshot; undefined means removed. */
  readonly #changes = new Map<string, Link | undefined>();
  readonly #known = new Map<string, KnownDirectory>();
  readonly #complaints = new Set<string>();
  /** Directories at the top that are still to be swept. */
  #unswept: string[] = [];

  /** On the file system, or on `files` if they are given. */
  constructor(
    options:
      & {
        readonly root: string;
        readonly lamport: LamportClock;
        /** Is told which directories there are. */
        readonly watch?: DirectoryWatch | undefined;
      }
      & (
        | { readonly shim: Shim }
        | { readonly files: LinkDisk }
      ),
  ) {
    this.root = options.root;
    this.#lamport = options.lamport;
    this.#watch = options.watch;
    this.#files = "files" in options
      ? options.files
      : new LinkFiles(options.root, options.shim);
  }

  snapshot(): Snapshot {
    if (this.#changes.size === 0) return this.#snapshot;
    const removed: string[] = [];
    const changed: Link[] = [];
    for (const [path, link] of this.#changes) {
      if (link === undefined) removed.push(path);
      else changed.push(link);
    }
    this.#snapshot = this.#snapshot.without(removed).with(changed);
    this.#changes.clear();
    return this.#snapshot;
  }

  // ---- writing ------------------------------------------------------------

  /**
   * Throws a `SyscallError` where the system refuses, a `MarsError` for an
   * illegal path or value; links before the failing one are written.
   */
  write(links: Iterable<LinkWrite>): Link[] {
    const wanted = [...links];
    for (const write of wanted) {
      checkWrite(write);
      this.#observe(this.#files.status(write.path));
    }
    const written: Link[] = [];
    let sharedNs: bigint | undefined;
    for (const { path, value, stampNs: givenNs } of wanted) {
      const stampNs = givenNs === undefined
        ? sharedNs ??= this.#lamport.next()
        : this.#believed(givenNs);
      if (givenNs !== undefined && this.#isNewerOnDisk(path, stampNs)) continue;
      if (!this.#files.replace(path, value, stampNs)) {
        throw new MarsError(
          `Cannot write link "${pathOnDisk(this.root, path)}": ` +
            `a directory or file is in the way`,
        );
      }
      written.push(this.#record({ path, value, stampNs }));
    }
    return written;
  }

  /**
   * Offences are traced once per sender and path and change nothing. Throws a
   * `SyscallError` where the system refuses; links before are taken.
   */
  apply(links: Iterable<Link>, context: ApplyContext): Link[] {
    const taken: Link[] = [];
    for (const foreign of links) {
      const known = this.#get(foreign.path);
      if (known !== undefined && isSameLink(known, foreign)) continue;
      const objection = this.#apply(foreign, context, taken);
      if (objection === undefined) continue;
      this.#complain(`${context.sender} ${foreign.path}`, "Link refused", {
        path: foreign.path,
        sender: context.sender,
        reason: objection,
      });
    }
    return taken;
  }

  /** Also if the link is not in the index; never removes a log. */
  unlink(path: string, value?: string): void {
    checkPath(path);
    // Somebody may have written another one since the tree was read.
    const isOther = value !== undefined &&
      this.#files.value(path) !== value;
    if (isOther) return;
    if (this.#files.status(path)?.kind === "link") this.#files.remove(path);
    this.#forget(path);
  }

  /** Makes everything durable that was written before. */
  flush(): void {
    this.#files.flush();
  }

  /** Takes one foreign link, or says why it is an offence. */
  #apply(
    foreign: Link,
    context: ApplyContext,
    taken: Link[],
  ): string | undefined {
    const objection = objectionTo(context.sender, foreign);
    if (objection !== undefined) return objection;
    if (!this.#lamport.observe(foreign.stampNs)) {
      return "its stamp is too far in the future";
    }
    const status = this.#files.status(foreign.path);
    this.#observe(status);
    if (status?.kind === "file") {
      const obstacle = this.#obstacleToDeletion(foreign, context.host);
      if (obstacle !== undefined) return obstacle;
      if (status.stampNs >= foreign.stampNs) return undefined;
    } else {
      const own = this.#linkOnDisk(foreign.path, status);
      const verdict = mergeLink(own, foreign, context);
      if (verdict === "keep") return undefined;
      if (verdict === "refuse") {
        return this.#stateAgain(own, foreign, taken);
      }
    }
    if (!this.#files.replace(foreign.path, foreign.value, foreign.stampNs)) {
      return "a directory or file is in the way";
    }
    taken.push(this.#record(foreign));
    return undefined;
  }

  /**
   * Others hold something else about this host, with a newer stamp: this host
   * has lost what it told them, or somebody else wrote it. Saying it again is
   * all that helps, since they would never take what is older (7).
   */
  #stateAgain(
    own: Link | undefined,
    foreign: Link,
    taken: Link[],
  ): string | undefined {
    const { path } = foreign;
    const isSame = own?.value === foreign.value;
    const stampNs = isSame ? foreign.stampNs : this.#lamport.next();
    // Who deletes may know better that nothing runs here any more.
    const isStated = foreign.value !== TOMBSTONE &&
      this.#files.replace(path, own?.value ?? TOMBSTONE, stampNs);
    if (isStated) {
      taken.push(this.#record({
        path,
        value: own?.value ?? TOMBSTONE,
        stampNs,
      }));
    }
    return isSame ? undefined : "it states what this host does";
  }

  /** Why `foreign` must not replace the regular file of its name. */
  #obstacleToDeletion(foreign: Link, host: string): string | undefined {
    const { resource, kind } = matchPath(foreign.path) ?? {};
    const log = parseLogFileName(foreign.path.split("/").at(-1) ?? "");
    const isLog = kind?.value === "tombstone" && log !== undefined;
    if (!isLog || resource === undefined) return "a file is in the way";
    if (foreign.value !== TOMBSTONE) return "a log is in the way";
    const value = this.#get(linkPath.replay(resource, host))?.value ?? "";
    const replay = parseReplay(value);
    if (replay === undefined || log.sequence < replay.log.sequence) {
      return undefined;
    }
    return "this host still needs the log (I7)";
  }

  /** The link as it stands on disk, which may be newer than the index. */
  #linkOnDisk(path: string, status: FileStatus | undefined): Link | undefined {
    if (status?.kind !== "link") return undefined;
    const known = this.#get(path);
    if (known?.stampNs === status.stampNs) return known;
    const value = this.#files.value(path);
    // What cannot be read is worth as much as nothing, but has its stamp.
    return typeof value === "string"
      ? { path, value, stampNs: status.stampNs }
      : { path, value: "", stampNs: status.stampNs };
  }

  #isNewerOnDisk(path: string, stampNs: bigint): boolean {
    const status = this.#files.status(path);
    return status?.kind === "link" && status.stampNs > stampNs;
  }

  #observe(status: FileStatus | undefined): void {
    // Logs are written all the time; their times are no Lamport stamps.
    if (status?.kind === "link") this.#lamport.observe(status.stampNs);
  }

  /** `stampNs`, or the next own stamp if it is too far in the future. */
  #believed(stampNs: bigint): bigint {
    return this.#lamport.observe(stampNs) ? stampNs : this.#lamport.next();
  }

  // ---- reading ------------------------------------------------------------

  /**
   * Reads everything, however old. Finds also what `rescan` cannot see: stamps
   * that were changed in place. Throws if the root is missing.
   *
   * @returns links that are new or differ from what was known
   */
  load(): Link[] {
    for (const directory of this.#known.keys()) this.#distrust(directory);
    return this.#scan([""]);
  }

  /**
   * Reads the directories that changed; those in `directories`, relative to
   * the root, in any case, and without the others. Links that vanished are
   * missing in the next snapshot but not among the results.
   */
  rescan(directories?: Iterable<string>): Link[] {
    if (directories === undefined) return this.#scan([""]);
    const asked = [...directories];
    for (const directory of asked) this.#distrust(directory);
    return this.#scan(asked);
  }

  /**
   * Looks at links, logs and directories that may have come, changed or gone.
   * Results as those of `rescan`.
   */
  look(paths: Iterable<string>): Link[] {
    const index = this.snapshot();
    const changed: Link[] = [];
    for (const path of paths) this.#lookAt(path, index, changed);
    return changed;
  }

  #lookAt(path: string, index: Snapshot, changed: Link[]): void {
    if (path === "") return this.#visitAgain(path, index, changed);
    const kind = this.#files.status(path)?.kind;
    if (kind === "directory" && isRoom(path)) {
      // It may have taken the place of a tombstone.
      this.#forget(path);
      this.#note(path);
      return this.#visitAgain(path, index, changed);
    }
    if (this.#known.has(path)) this.#forgetDirectory(path, index);
    const link = kind === "link" ? this.#readLink(path) : undefined;
    if (link === undefined) return this.#forget(path);
    const old = this.#get(path);
    if (old !== undefined && isSameLink(old, link)) return;
    this.#checkDecodable(link);
    changed.push(this.#record(link));
  }

  #visitAgain(directory: string, index: Snapshot, changed: Link[]): void {
    this.#distrust(directory);
    this.#visit(directory, index, changed);
  }

  /** Adds a directory to those that its parent is known to have. */
  #note(directory: string): void {
    const parent = this.#known.get(directoryOf(directory));
    const name = nameOf(directory);
    if (parent === undefined || parent.directories.includes(name)) return;
    this.#known.set(directoryOf(directory), {
      ...parent,
      directories: [...parent.directories, name],
    });
  }

  /**
   * A piece of `rescan`: the next few directories at the top, in turn. Called
   * again and again it finds in the end whatever a watch has missed.
   */
  sweep(topCount: number): Link[] {
    const index = this.snapshot();
    const changed: Link[] = [];
    if (this.#unswept.length === 0) {
      this.#unswept = [
        ...this.#visitAlone("", index, changed)?.directories ?? [],
      ];
    }
    for (const top of this.#unswept.splice(0, topCount)) {
      this.#visit(top, index, changed);
    }
    return changed;
  }

  /** Lets the next scan read `directory` in any case. */
  #distrust(directory: string): void {
    const known = this.#known.get(directory);
    if (known === undefined) return;
    this.#known.set(directory, { ...known, stampNs: undefined });
  }

  #scan(directories: readonly string[]): Link[] {
    const index = this.snapshot();
    const changed: Link[] = [];
    for (const directory of directories) this.#visit(directory, index, changed);
    return changed;
  }

  /** Reads `directory` if it changed, then the directories in it. */
  #visit(directory: string, index: Snapshot, changed: Link[]): void {
    const known = this.#visitAlone(directory, index, changed);
    for (const name of known?.directories ?? []) {
      this.#visit(pathIn(directory, name), index, changed);
    }
  }

  #visitAlone(
    directory: string,
    index: Snapshot,
    changed: Link[],
  ): KnownDirectory | undefined {
    const status = this.#files.status(directory);
    if (status?.kind !== "directory") {
      // A tree that went away as a whole must not look like an empty one.
      if (directory === "") this.#files.check();
      this.#forgetDirectory(directory, index);
      return undefined;
    }
    const known = this.#known.get(directory);
    return known === undefined || known.stampNs !== status.stampNs
      ? this.#read(directory, status.stampNs, index, changed)
      : known;
  }

  #read(
    directory: string,
    stampNs: bigint,
    index: Snapshot,
    changed: Link[],
  ): KnownDirectory | undefined {
    const quietNs = systemClock.realNs() - DIRECTORY_QUIET_NS;
    this.#watch?.add(directory);
    const listing = this.#files.list(directory);
    if (listing === undefined) {
      this.#forgetDirectory(directory, index);
      return undefined;
    }
    const present = new Set<string>();
    for (const name of listing.links) {
      const path = pathIn(directory, name);
      const link = this.#readLink(path);
      if (link === undefined) continue;
      present.add(path);
      const old = index.get(path);
      if (old !== undefined && isSameLink(old, link)) continue;
      this.#checkDecodable(link);
      changed.push(this.#record(link));
    }
    for (const link of index.children(directory)) {
      if (!present.has(link.path)) this.#forget(link.path);
    }
    for (const name of this.#known.get(directory)?.directories ?? []) {
      if (listing.directories.includes(name)) continue;
      this.#forgetDirectory(pathIn(directory, name), index);
    }
    const known = {
      stampNs: stampNs < quietNs ? stampNs : undefined,
      directories: listing.directories,
    };
    this.#known.set(directory, known);
    return known;
  }

  /** The link on disk; undefined if it is gone or cannot be in the index. */
  #readLink(path: string): Link | undefined {
    // Deno puts U+FFFD where a name is not UTF-8; it cannot be opened then.
    if (!isLegalPath(path) || path.includes("\ufffd")) {
      this.#complain(path, "Link ignored", { path, reason: "illegal name" });
      return undefined;
    }
    const status = this.#files.status(path);
    if (status?.kind !== "link") return undefined;
    const value = this.#files.value(path);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      this.#complain(path, "Link ignored", { path, reason: value.message });
      return undefined;
    }
    if (this.#lamport.observe(status.stampNs)) {
      return { path, value, stampNs: status.stampNs };
    }
    const stampNs = this.#lamport.next();
    trace.warn("tree", "Stamp in the future corrected", { path });
    this.#files.stamp(path, stampNs);
    return { path, value, stampNs };
  }

  #checkDecodable(link: Link): void {
    const kind = classify(link.path)?.value;
    const isGood = isStorableValue(link.value) &&
      (kind === undefined || isValueOf(kind, link.value));
    if (isGood) return;
    this.#complain(link.path, "Link cannot be decoded", {
      path: link.path,
      value: link.value,
    });
  }

  // ---- index --------------------------------------------------------------

  #get(path: string): Link | undefined {
    return this.#changes.has(path)
      ? this.#changes.get(path)
      : this.#snapshot.get(path);
  }

  #record(link: Link): Link {
    const { path, value, stampNs } = link;
    const own = { path, value, stampNs };
    this.#changes.set(path, own);
    return own;
  }

  #forget(path: string): void {
    if (this.#get(path) !== undefined) this.#changes.set(path, undefined);
  }

  #forgetDirectory(directory: string, index: Snapshot): void {
    for (const link of index.under(directory)) this.#forget(link.path);
    const inside = this.#known.get(directory)?.directories ?? [];
    this.#known.delete(directory);
    this.#watch?.remove(directory);
    for (const name of inside) {
      this.#forgetDirectory(pathIn(directory, name), index);
    }
  }

  #complain(
    key: string,
    sentence: string,
    values: Readonly<Record<string, unknown>>,
  ): void {
    if (this.#complaints.has(key)) return;
    if (this.#complaints.size >= COMPLAINTS_MAX) this.#complaints.clear();
    this.#complaints.add(key);
    trace.warn("tree", sentence, values);
  }
}

/** The tree for commands that only look: no shim, stamps in milliseconds. */
export class ReadOnlyTree {
  /** Reads links when they are asked for; throws if the root is missing. */
  static read(root: string): Snapshot {
    return lazySnapshot(root);
  }
}

/** Whether a directory of this path may contain links. */
function isRoom(path: string): boolean {
  const names = path.split("/");
  return names.length < PATH_DEPTH_MAX &&
    !names.some((name) => name.startsWith(".") || isForeignTree(name));
}

function checkWrite(write: LinkWrite): void {
  checkPath(write.path);
  if (isStorableValue(write.value)) return;
  throw new MarsError(
    `Cannot write link "${write.path}": its value is empty or too long`,
  );
}

function checkPath(path: string): void {
  if (isLegalPath(path)) return;
  throw new MarsError(`Cannot use link "${path}": its path is illegal`);
}
