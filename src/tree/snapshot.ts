// Pure
/**
 * Immutable view of all links at one moment.
 *
 * Links are kept per directory and directories per top-level name, so that a
 * change copies the maps of one directory and shares all others:
 *
 *   "resource-x" → "resource-x"              → "size"   → Link
 *                → "resource-x/todo-alpha"   → "attach" → Link
 *   "ips"        → "ips"                     → ...
 *   ""           → ""                        → "uuid"   → Link
 *
 * A tombstone is a link like any other for `get`, and missing for `value`.
 */
import { directoryOf, linkPath, nameOf } from "./path.ts";
import { TOMBSTONE } from "./values.ts";

/** A key, its value and the Lamport stamp of its last change. */
export interface Link {
  /** Relative to the root of the tree. */
  readonly path: string;
  readonly value: string;
  readonly stampNs: bigint;
}

/** What a snapshot needs of a map; `lazy.ts` has one that reads the disk. */
export interface Lookup<Value> extends Iterable<[string, Value]> {
  get(name: string): Value | undefined;
  keys(): Iterable<string>;
  values(): Iterable<Value>;
}

/** Name in the directory to link. */
export type Names = ReadonlyMap<string, Link>;
/** Path of the directory to what is in it. */
export type Directories = Lookup<Names>;
type Tops = Lookup<Directories>;
/** Links below one top-level name; the same object until one changes. */
export type Subtree = Directories;

const NO_DIRECTORIES: Directories = new Map();
const NO_NAMES: Names = new Map();

/** All links at one moment; never changes. */
export class Snapshot {
  #tops: Tops;
  /** Undefined until it is asked for. */
  #size: number | undefined;

  constructor(links: Iterable<Link>) {
    const edit = new Edit(new Map());
    for (const link of links) edit.set(link);
    this.#tops = edit.tops;
    this.#size = edit.addedCount;
  }

  /** A snapshot of what others hold and will not change. */
  static over(tops: Lookup<Directories>): Snapshot {
    const snapshot = new Snapshot([]);
    snapshot.#tops = tops;
    snapshot.#size = undefined;
    return snapshot;
  }

  /** Number of links, tombstones included. */
  get size(): number {
    return this.#size ??= this.#count();
  }

  /** The link, also if it is a tombstone. */
  get(path: string): Link | undefined {
    return this.names(directoryOf(path)).get(nameOf(path));
  }

  /** The value; undefined if the link is missing or a tombstone. */
  value(path: string): string | undefined {
    const value = this.get(path)?.value;
    return value === TOMBSTONE ? undefined : value;
  }

  /** The stamp, also of a tombstone. */
  stampNs(path: string): bigint | undefined {
    return this.get(path)?.stampNs;
  }

  isTombstone(path: string): boolean {
    return this.get(path)?.value === TOMBSTONE;
  }

  /** Links directly in `directory`; the root is "". */
  children(directory: string): Iterable<Link> {
    return this.names(directory).values();
  }

  /** Links in `directory` and in directories below it; the root is "". */
  *under(directory: string): Iterable<Link> {
    if (directory === "") return yield* this.all();
    const directories = this.#tops.get(topOf(directory)) ?? NO_DIRECTORIES;
    for (const [name, names] of directories) {
      const isInside = name === directory || name.startsWith(`${directory}/`);
      if (isInside) yield* names.values();
    }
  }

  /** Directories that contain links; the root is "". */
  *directories(): Iterable<string> {
    for (const directories of this.#tops.values()) yield* directories.keys();
  }

  /** What lies below a top-level name; undefined if nothing does. */
  subtree(top: string): Subtree | undefined {
    return this.#tops.get(top);
  }

  /** Top-level names below which something lies; that of the root is "". */
  tops(): Iterable<string> {
    return this.#tops.keys();
  }

  *all(): Iterable<Link> {
    for (const directories of this.#tops.values()) {
      for (const names of directories.values()) yield* names.values();
    }
  }

  /** This snapshot with links added or replaced. */
  with(changes: Iterable<Link>): Snapshot {
    const edit = new Edit(this.#tops);
    for (const link of changes) edit.set(link);
    return this.#changed(edit);
  }

  /** This snapshot without the links of these paths. */
  without(paths: Iterable<string>): Snapshot {
    const edit = new Edit(this.#tops);
    for (const path of paths) edit.remove(path);
    return this.#changed(edit);
  }

  /** Names of all resources, sorted; also of those that are all tombstones. */
  resources(): string[] {
    const prefix = linkPath.resource("");
    return [...this.#tops.keys()]
      .filter((top) => top.startsWith(prefix))
      .map((top) => top.slice(prefix.length)).sort();
  }

  /** Hosts with an address, sorted. */
  hosts(): string[] {
    return this.#liveSuffixes("ips", "ip-");
  }

  /** Hosts with a disk for `resource`, sorted. */
  members(resource: string): string[] {
    return this.#liveSuffixes(linkPath.resource(resource), "data-");
  }

  /** Hosts that shall have the device of `resource`, sorted. */
  users(resource: string): string[] {
    return this.#liveSuffixes(linkPath.resource(resource), "device-");
  }

  #changed(edit: Edit): Snapshot {
    if (edit.tops === this.#tops) return this;
    const changed = Snapshot.over(edit.tops);
    changed.#size = this.size + edit.addedCount;
    return changed;
  }

  #count(): number {
    let count = 0;
    for (const directories of this.#tops.values()) {
      for (const names of directories.values()) count += names.size;
    }
    return count;
  }

  /** Links in `directory` by name; the same object until one changes. */
  names(directory: string): Names {
    return this.#tops.get(topOf(directory))?.get(directory) ?? NO_NAMES;
  }

  #liveSuffixes(directory: string, prefix: string): string[] {
    const names = this.names(directory);
    // A directory has a thousand names and is asked for its members each time.
    let known = liveSuffixes.get(names);
    if (known === undefined) {
      known = new Map();
      liveSuffixes.set(names, known);
    }
    let suffixes = known.get(prefix);
    if (suffixes === undefined) {
      suffixes = liveSuffixesOf(names, prefix);
      known.set(prefix, suffixes);
    }
    return [...suffixes];
  }
}

/** By prefix, as long as a directory stays as it is. */
const liveSuffixes = new WeakMap<Names, Map<string, readonly string[]>>();

/** What follows `prefix` in the names of links that are not deleted; sorted. */
function liveSuffixesOf(names: Names, prefix: string): string[] {
  const suffixes: string[] = [];
  for (const [name, link] of names) {
    // The value only where it counts: a lazy one would be read.
    if (name.startsWith(prefix) && link.value !== TOMBSTONE) {
      suffixes.push(name.slice(prefix.length));
    }
  }
  return suffixes.sort();
}

/** Whether value and stamp are the same. */
export function isSameLink(left: Link, right: Link): boolean {
  return left.stampNs === right.stampNs && left.value === right.value;
}

/**
 * Whether two subtrees have the same links with the same values, whatever their
 * stamps. Costs little where they share directories.
 */
export function haveSameValues(
  left: Subtree | undefined,
  right: Subtree | undefined,
): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  for (const directory of left.keys()) {
    if (right.get(directory) === undefined) return false;
  }
  for (const [directory, names] of right) {
    const others = left.get(directory);
    if (others === names) continue;
    if (others?.size !== names.size) return false;
    for (const [name, link] of names) {
      if (others.get(name)?.value !== link.value) return false;
    }
  }
  return true;
}

/** The first name of a directory; empty for the root. */
function topOf(directory: string): string {
  const slash = directory.indexOf("/");
  return slash < 0 ? directory : directory.slice(0, slash);
}

/** Builds the maps of a changed snapshot, copying only what it changes. */
class Edit {
  tops: Tops;
  /** Links added minus links removed. */
  addedCount = 0;
  readonly #ownTops = new Map<string, Map<string, Names>>();
  readonly #ownNames = new Map<string, Map<string, Link>>();

  constructor(tops: Tops) {
    this.tops = tops;
  }

  set(link: Link): void {
    const directory = directoryOf(link.path);
    const name = nameOf(link.path);
    const old = this.tops.get(topOf(directory))?.get(directory)?.get(name);
    if (old !== undefined && isSameLink(old, link)) return;
    if (old === undefined) this.addedCount++;
    this.#namesOf(directory).set(name, link);
  }

  remove(path: string): void {
    const directory = directoryOf(path);
    const top = topOf(directory);
    if (!this.tops.get(top)?.get(directory)?.has(nameOf(path))) return;
    this.addedCount--;
    const names = this.#namesOf(directory);
    names.delete(nameOf(path));
    if (names.size > 0) return;
    // An empty directory would keep a deleted resource alive.
    const directories = this.#directoriesOf(top);
    directories.delete(directory);
    this.#ownNames.delete(directory);
    if (directories.size === 0) this.#topsToChange().delete(top);
    if (directories.size === 0) this.#ownTops.delete(top);
  }

  /** The names of a directory, copied at the first change. */
  #namesOf(directory: string): Map<string, Link> {
    const own = this.#ownNames.get(directory);
    if (own !== undefined) return own;
    const directories = this.#directoriesOf(topOf(directory));
    const names = new Map(directories.get(directory) ?? NO_NAMES);
    directories.set(directory, names);
    this.#ownNames.set(directory, names);
    return names;
  }

  #directoriesOf(top: string): Map<string, Names> {
    const own = this.#ownTops.get(top);
    if (own !== undefined) return own;
    const directories = new Map(this.tops.get(top) ?? NO_DIRECTORIES);
    this.#topsToChange().set(top, directories);
    this.#ownTops.set(top, directories);
    return directories;
  }

  #changedTops: Map<string, Directories> | undefined;

  #topsToChange(): Map<string, Directories> {
    this.#changedTops ??= new Map(this.tops);
    this.tops = this.#changedTops;
    return this.#changedTops;
  }
}
