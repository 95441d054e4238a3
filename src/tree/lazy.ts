/**
 * A snapshot that reads the disk when it is asked: a command that shows one
 * resource must not pay for a tree of a quarter of a million links.
 *
 *   root, then a directory   listed when something in it is asked for
 *   value, stamp             read when they are asked for
 *
 * Rules:
 *   (1) What was listed or read once stays as it was: within one command a
 *       link does not change, and a snapshot is never read twice.
 *   (2) A link that went away between its listing and its reading, or that is
 *       not text, counts as deleted.
 *   (3) Stamps are cut to milliseconds, because no shim is needed.
 *
 * What is read later may be newer than what was read before: whoever relies on
 * an order reads in that order.
 */
import { NS_PER_MS } from "../base/time.ts";
import { isLegalPath, pathIn } from "./path.ts";
import {
  asMarsError,
  checkRoot,
  isMissing,
  listDirectory,
  type Listing,
  pathOnDisk,
  readValue,
} from "./scan.ts";
import {
  type Directories,
  type Link,
  type Lookup,
  type Names,
  Snapshot,
} from "./snapshot.ts";
import { TOMBSTONE } from "./values.ts";

/** The links below `root`, for who only looks. @throws if it is missing */
export function lazySnapshot(root: string): Snapshot {
  checkRoot(root);
  return Snapshot.over(topsOf(new Disk(root)));
}

/** Every directory is listed at most once. */
class Disk {
  readonly root: string;
  readonly #listings = new Map<string, Listing>();
  readonly #names = new Map<string, Names>();

  constructor(root: string) {
    this.root = root;
  }

  list(directory: string): Listing {
    let listing = this.#listings.get(directory);
    if (listing === undefined) {
      listing = listDirectory(this.root, directory) ?? NOTHING;
      this.#listings.set(directory, listing);
    }
    return listing;
  }

  names(directory: string): Names {
    let names = this.#names.get(directory);
    if (names === undefined) {
      names = this.#read(directory);
      this.#names.set(directory, names);
    }
    return names;
  }

  #read(directory: string): Names {
    const names = new Map<string, Link>();
    for (const name of this.list(directory).links) {
      const path = pathIn(directory, name);
      // The names of nearly all links are plain, and there are many.
      const isPlain = PLAIN_NAME.test(name) && path.length <= PLAIN_PATH_MAX;
      if (isPlain || isLegalPath(path)) {
        names.set(name, new DiskLink(this, path));
      }
    }
    return names;
  }
}

const NOTHING: Listing = { links: [], directories: [] };
const PLAIN_NAME = /^[-\w][-\w.]*$/;
const PLAIN_PATH_MAX = 200;

class DiskLink implements Link {
  readonly path: string;
  readonly #disk: Disk;
  #value: string | undefined;
  #stampNs: bigint | undefined;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.path = path;
  }

  get value(): string {
    if (this.#value === undefined) {
      const value = readValue(this.#disk.root, this.path);
      this.#value = typeof value === "string" ? value : TOMBSTONE;
    }
    return this.#value;
  }

  get stampNs(): bigint {
    return this.#stampNs ??= stampOf(pathOnDisk(this.#disk.root, this.path));
  }
}

function stampOf(onDisk: string): bigint {
  try {
    const milliseconds = Deno.lstatSync(onDisk).mtime?.getTime() ?? 0;
    return BigInt(milliseconds) * NS_PER_MS;
  } catch (error) {
    if (isMissing(error)) return 0n;
    throw asMarsError("read stamp of", onDisk, error);
  }
}

/** Directories under their names, opened when they are asked for. */
class Rooms<Room> implements Lookup<Room> {
  readonly #options: RoomsOptions<Room>;
  readonly #opened = new Map<string, Room>();
  #names: ReadonlySet<string> | undefined;

  constructor(options: RoomsOptions<Room>) {
    this.#options = options;
  }

  get(name: string): Room | undefined {
    const opened = this.#opened.get(name);
    if (opened !== undefined || !this.#all().has(name)) return opened;
    const room = this.#options.open(name);
    this.#opened.set(name, room);
    return room;
  }

  *keys(): Iterable<string> {
    for (const name of this.#all()) {
      if (this.#options.hasLinks(name)) yield name;
    }
  }

  *values(): Iterable<Room> {
    for (const [, room] of this) yield room;
  }

  *[Symbol.iterator](): Iterator<[string, Room]> {
    for (const name of this.keys()) {
      const room = this.get(name);
      if (room !== undefined) yield [name, room];
    }
  }

  #all(): ReadonlySet<string> {
    return this.#names ??= new Set(this.#options.names());
  }
}

type RoomsOptions<Room> = {
  /** All that could be opened. */
  readonly names: () => Iterable<string>;
  readonly open: (name: string) => Room;
  /** A room without links is no key, as in a snapshot in memory. */
  readonly hasLinks: (name: string) => boolean;
};

/** Names at the top; that of the root itself is "". */
function topsOf(disk: Disk): Lookup<Directories> {
  return new Rooms({
    names: () => ["", ...disk.list("").directories],
    open: (top) => directoriesOf(disk, top),
    hasLinks: (top) =>
      directoriesIn(disk, top).some((each) => disk.names(each).size > 0),
  });
}

function directoriesOf(disk: Disk, top: string): Directories {
  return new Rooms({
    names: () => directoriesIn(disk, top),
    open: (directory) => disk.names(directory),
    hasLinks: (directory) => disk.names(directory).size > 0,
  });
}

/** A top directory and those in it; there are no deeper ones. */
function directoriesIn(disk: Disk, top: string): string[] {
  if (top === "") return [""];
  const inside = disk.list(top).directories;
  return [top, ...inside.map((name) => pathIn(top, name))];
}
