/**
 * Reading the tree into the index: what others wrote.
 *
 *   load     everything, however old
 *   rescan   directories that changed
 *   look     names that a watch has reported
 *   sweep    directories that changed, a few at a time
 *
 * Rules:
 *   (1) A directory is read again if its modification time changed. Own writes
 *       change it too: something else may have changed at the same time.
 *   (2) A directory that changed just before it was read is read once more: two
 *       changes within one tick of the kernel's clock have one time.
 *   (3) A stamp too far in the future is corrected where it is found; but not
 *       by commands, which know nothing of the time but the wall clock.
 *   (4) Illegal links stay on disk and are reported once.
 */
import type { LamportClock } from "../base/lamport.ts";
import { NS_PER_MS, systemClock } from "../base/time.ts";
import { trace, type TraceValues } from "../base/trace.ts";
import type { TreeIndex } from "./tree_index.ts";
import type { LinkDisk } from "./link_files.ts";
import {
  classify,
  directoryOf,
  isLegalPath,
  nameOf,
  PATH_DEPTH_MAX,
  pathIn,
} from "./path.ts";
import { isForeignTree } from "./scan.ts";
import { isSameLink, type Link, type Snapshot } from "./snapshot.ts";
import { isStorableValue, isValueOf } from "./values.ts";
import type { DirectoryWatch } from "./watch.ts";

// Ours. The kernel's clock ticks every 10 ms or less.
const DIRECTORY_QUIET_NS = 50n * NS_PER_MS;
/** What was known of a directory when it was read last. */
type KnownDirectory = {
  /** Undefined: read again in any case. */
  readonly stampNs: bigint | undefined;
  /** Names of the directories in it. */
  readonly directories: readonly string[];
};

export type ReadingOptions = {
  readonly files: LinkDisk;
  readonly lamport: LamportClock;
  readonly index: TreeIndex;
  readonly complaints: Complaints;
  /** Is told which directories there are. */
  readonly watch: DirectoryWatch | undefined;
  readonly farStamps: FarStamps;
};

/** What becomes of stamps too far in the future. */
export type FarStamps = "correct" | "keep";

export class TreeReading {
  readonly #files: LinkDisk;
  readonly #lamport: LamportClock;
  readonly #index: TreeIndex;
  readonly #farStamps: FarStamps;
  readonly #complaints: Complaints;
  readonly #watch: DirectoryWatch | undefined;
  readonly #known = new Map<string, KnownDirectory>();
  /** Nothing was unread in the directory that is about to get one more. */
  #isParentKnown = false;
  /** Directories at the top that are still to be swept. */
  #unswept: string[] = [];

  constructor(options: ReadingOptions) {
    this.#files = options.files;
    this.#lamport = options.lamport;
    this.#index = options.index;
    this.#farStamps = options.farStamps;
    this.#complaints = options.complaints;
    this.#watch = options.watch;
  }

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
    const index = this.#index.snapshot();
    const changed: Link[] = [];
    for (const path of paths) this.#lookAt(path, index, changed);
    return changed;
  }

  #lookAt(path: string, index: Snapshot, changed: Link[]): void {
    if (path === "") return this.#visitAgain(path, index, changed);
    const kind = this.#files.status(path)?.kind;
    if (kind === "directory" && isRoom(path)) {
      // It may have taken the place of a tombstone.
      this.#index.forget(path);
      this.#note(path);
      return this.#visitAgain(path, index, changed);
    }
    if (this.#known.has(path)) this.#forgetDirectory(path, index);
    const link = kind === "link" ? this.#readLink(path) : undefined;
    if (link === undefined) return this.#index.forget(path);
    const old = this.#index.get(path);
    if (old !== undefined && isSameLink(old, link)) return;
    this.#checkDecodable(link);
    changed.push(this.#index.record(link));
  }

  #visitAgain(directory: string, index: Snapshot, changed: Link[]): void {
    // What is watched and has its old time is what was put there from here.
    if (this.#watch?.has(directory) !== true) this.#distrust(directory);
    this.#visit(directory, index, changed);
  }

  /** Watches a directory that is about to get its name. */
  expect(stage: string, directory: string): void {
    this.#watch?.add(stage);
    const parent = directoryOf(directory);
    const stampNs = this.#known.get(parent)?.stampNs;
    // Else something is there that was not read yet.
    this.#isParentKnown = this.#watch?.has(parent) === true &&
      stampNs !== undefined && stampNs === this.#files.status(parent)?.stampNs;
  }

  /**
   * Knows a directory that was put in place with what is in the index already.
   */
  adopt(directory: string, stage: string, stampNs: bigint): void {
    this.#watch?.add(directory);
    this.#watch?.remove(stage);
    const isWatched = this.#watch?.has(directory) === true;
    this.#known.set(directory, {
      stampNs: isWatched ? stampNs : undefined,
      directories: [],
    });
    this.#note(directory);
    const parent = directoryOf(directory);
    const known = this.#known.get(parent);
    if (!this.#isParentKnown || known === undefined) return;
    const parentStampNs = this.#files.status(parent)?.stampNs;
    this.#known.set(parent, { ...known, stampNs: parentStampNs });
  }

  /** Nothing came of it. */
  dismiss(stage: string): void {
    this.#watch?.remove(stage);
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
    const index = this.#index.snapshot();
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
    const index = this.#index.snapshot();
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
    const before = index.names(directory);
    let presentCount = 0;
    for (const name of listing.links) {
      const path = pathIn(directory, name);
      const link = this.#readLink(path);
      if (link === undefined) {
        this.#index.forget(path);
        continue;
      }
      const old = before.get(name);
      if (old !== undefined) presentCount++;
      if (old !== undefined && isSameLink(old, link)) continue;
      this.#checkDecodable(link);
      changed.push(this.#index.record(link));
    }
    if (presentCount < before.size) {
      const names = new Set(listing.links);
      for (const [name, { path }] of before) {
        if (!names.has(name)) this.#index.forget(path);
      }
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
      this.#complaints.tell(path, "Link ignored", {
        path,
        reason: "illegal name",
      });
      return undefined;
    }
    const status = this.#files.status(path);
    if (status?.kind !== "link") return undefined;
    const value = this.#files.value(path);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      this.#complaints.tell(path, "Link ignored", {
        path,
        reason: value.message,
      });
      return undefined;
    }
    if (this.#lamport.observe(status.stampNs)) {
      return { path, value, stampNs: status.stampNs };
    }
    if (this.#farStamps === "keep") {
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
    this.#complaints.tell(link.path, "Link cannot be decoded", {
      path: link.path,
      value: link.value,
    });
  }

  #forgetDirectory(directory: string, index: Snapshot): void {
    for (const link of index.under(directory)) this.#index.forget(link.path);
    const inside = this.#known.get(directory)?.directories ?? [];
    this.#known.delete(directory);
    this.#watch?.remove(directory);
    for (const name of inside) {
      this.#forgetDirectory(pathIn(directory, name), index);
    }
  }
}

/** Whether a directory of this path may contain links. */
function isRoom(path: string): boolean {
  const names = path.split("/");
  return names.length < PATH_DEPTH_MAX &&
    !names.some((name) => name.startsWith(".") || isForeignTree(name));
}

/** Complaints that are remembered so that they are not repeated. */
const COMPLAINTS_MAX = 1_000;

/** What is wrong with links, told once. */
export class Complaints {
  readonly #told = new Set<string>();

  tell(key: string, sentence: string, values: TraceValues): void {
    if (this.#told.has(key)) return;
    if (this.#told.size >= COMPLAINTS_MAX) this.#told.clear();
    this.#told.add(key);
    trace.warn("tree", sentence, values);
  }
}
