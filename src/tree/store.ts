/**
 * The tree on disk: a symbolic link per key, its target the value, its own
 * modification time the Lamport stamp.
 *
 *   write   local changes, with a new stamp or a given one
 *   apply   foreign changes, merged, with the sender's stamp
 *   rescan  what others wrote: the original's tool, `ln -s`, our command line
 *   look    the same, where a watch has seen something
 *
 * How it is read: see `reading.ts`. Rules:
 *   (1) A write looks at the link on disk first and moves the Lamport clock
 *       past it (I9). A command does that however far it is: what it replaces
 *       must not come back from others as the newer one.
 *   (2) A regular file is replaced by a foreign link only if it is a log, the
 *       link is a tombstone, and this host has replayed that log (I7).
 *   (3) What others say newer about this host is never taken; it is stated
 *       again, as it is here, and deleted if it is not here. But what has no
 *       use any more they may delete: see `#isOver`.
 *
 * Source: MARS symlink tree 0.1; (2) and (3) are ours.
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { parseLogFileName } from "../base/names.ts";
import type { Shim } from "../../ffi/shim.ts";
import { lazySnapshot } from "./lazy.ts";
import { type FileStatus, type LinkDisk, LinkFiles } from "./link_files.ts";
import { mergeLink, objectionTo } from "./merge.ts";
import {
  directoryOf,
  isLegalPath,
  linkPath,
  matchPath,
  nameOf,
} from "./path.ts";
import { Complaints, type FarStamps, TreeReading } from "./reading.ts";
import { pathOnDisk } from "./scan.ts";
import { isSameLink, type Link, type Snapshot } from "./snapshot.ts";
import { TreeIndex } from "./tree_index.ts";
import { isStorableValue, parseReplay, TOMBSTONE } from "./values.ts";
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
  /** Whether `objectionTo` has found nothing against the links already. */
  readonly isChecked: boolean;
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
  /**
   * Goes on where the clock of `host` was when it told that it lives, however
   * far from the wall clock that is: a host that begins with a wrong clock must
   * not write what is older than what it has told. If the wall clock is right
   * nevertheless, peers will agree with it, and the clock falls back.
   */
  resumeClock(host: string): void;
}

// Ours. For fewer links a directory of their own costs more than it saves.
const FRESH_LINKS_MIN = 4;

/** The tree as symbolic links below `root`. */
export class LinkTree implements TreeStore {
  readonly root: string;
  readonly #lamport: LamportClock;
  readonly #files: LinkDisk;
  readonly #index = new TreeIndex();
  readonly #complaints = new Complaints();
  readonly #reading: TreeReading;
  readonly #farStamps: FarStamps;

  /** On the file system, or on `files` if they are given. */
  constructor(
    options:
      & {
        readonly root: string;
        readonly lamport: LamportClock;
        /** Is told which directories there are. */
        readonly watch?: DirectoryWatch | undefined;
        /** "correct" if not given. */
        readonly farStamps?: FarStamps;
      }
      & (
        | { readonly shim: Shim }
        | { readonly files: LinkDisk }
      ),
  ) {
    this.root = options.root;
    this.#lamport = options.lamport;
    this.#files = "files" in options
      ? options.files
      : new LinkFiles(options.root, options.shim);
    this.#farStamps = options.farStamps ?? "correct";
    this.#reading = new TreeReading({
      files: this.#files,
      lamport: this.#lamport,
      index: this.#index,
      complaints: this.#complaints,
      watch: options.watch,
      farStamps: this.#farStamps,
    });
  }

  snapshot(): Snapshot {
    return this.#index.snapshot();
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
      const status = this.#files.status(write.path);
      this.#observe(status);
      const isKept = status?.kind === "link" && this.#farStamps === "keep";
      if (isKept) this.#lamport.resume(status.stampNs);
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
      written.push(this.#index.record({ path, value, stampNs }));
    }
    return written;
  }

  /**
   * Offences are traced once per sender and path and change nothing. Throws a
   * `SyscallError` where the system refuses; links before are taken.
   */
  apply(links: Iterable<Link>, context: ApplyContext): Link[] {
    const taken: Link[] = [];
    for (const run of runsOf(links)) {
      for (const foreign of this.#applyFresh(run, context, taken)) {
        const known = this.#index.get(foreign.path);
        if (known !== undefined && isSameLink(known, foreign)) continue;
        const objection = this.#apply(foreign, context, taken);
        if (objection === undefined) continue;
        this.#complaints.tell(
          `${context.sender} ${foreign.path}`,
          "Link refused",
          {
            path: foreign.path,
            sender: context.sender,
            reason: objection,
          },
        );
      }
    }
    return taken;
  }

  /**
   * Takes links of a directory that is not here yet, all at once: that takes a
   * third of the time, and a large tree has thousands of such directories.
   *
   * @returns those that were not taken
   */
  #applyFresh(
    run: readonly Link[],
    context: ApplyContext,
    taken: Link[],
  ): readonly Link[] {
    const directory = directoryOf(run[0]?.path ?? "");
    const isWorthIt = run.length >= FRESH_LINKS_MIN && directory !== "";
    if (!isWorthIt || this.#files.status(directory) !== undefined) return run;
    const fresh = new Map<string, Link>();
    const rest: Link[] = [];
    for (const foreign of run) {
      const name = nameOf(foreign.path);
      const isGood = !fresh.has(name) &&
        objectionIn(context, foreign) === undefined &&
        this.#lamport.observe(foreign.stampNs) &&
        mergeLink(undefined, foreign, context) === "take";
      if (isGood) fresh.set(name, foreign);
      else rest.push(foreign);
    }
    if (fresh.size < FRESH_LINKS_MIN) return run;
    if (!this.#createDirectory(directory, fresh)) return run;
    for (const foreign of fresh.values()) {
      taken.push(this.#index.record(foreign));
    }
    return rest;
  }

  #createDirectory(
    directory: string,
    fresh: ReadonlyMap<string, Link>,
  ): boolean {
    let stage = "";
    const links = [...fresh].map(([name, { value, stampNs }]) => ({
      name,
      value,
      stampNs,
    }));
    try {
      const stampNs = this.#files.createDirectory({
        directory,
        links,
        onStaged: (path) => {
          stage = path;
          this.#reading.expect(path, directory);
        },
      });
      if (stampNs === undefined) return false;
      this.#reading.adopt(directory, stage, stampNs);
      stage = "";
      return true;
    } finally {
      if (stage !== "") this.#reading.dismiss(stage);
    }
  }

  /** Also if the link is not in the index; never removes a log. */
  unlink(path: string, value?: string): void {
    checkPath(path);
    // Somebody may have written another one since the tree was read.
    const isOther = value !== undefined &&
      this.#files.value(path) !== value;
    if (isOther) return;
    if (this.#files.status(path)?.kind === "link") this.#files.remove(path);
    this.#index.forget(path);
  }

  /** Makes everything durable that was written before. */
  flush(): void {
    this.#files.flush();
  }

  resumeClock(host: string): void {
    const status = this.#files.status(linkPath.global(host, "time"));
    if (status?.kind === "link") this.#lamport.resume(status.stampNs);
  }

  /** Takes one foreign link, or says why it is an offence. */
  #apply(
    foreign: Link,
    context: ApplyContext,
    taken: Link[],
  ): string | undefined {
    const objection = objectionIn(context, foreign);
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
      const verdict = mergeLink(own, foreign, {
        host: context.host,
        isOver: (path) => this.#isOver(path, context.host),
      });
      if (verdict === "keep") return undefined;
      if (verdict === "refuse") {
        return this.#stateAgain(own, foreign, {
          host: context.host,
          taken,
        });
      }
    }
    if (!this.#files.replace(foreign.path, foreign.value, foreign.stampNs)) {
      return "a directory or file is in the way";
    }
    taken.push(this.#index.record(foreign));
    return undefined;
  }

  /**
   * Others hold something else about this host, with a newer stamp: this host
   * has lost what it told them, or somebody else wrote it. Saying it again is
   * all that helps, since they would never take what is older (3).
   */
  #stateAgain(
    own: Link | undefined,
    foreign: Link,
    { host, taken }: { readonly host: string; readonly taken: Link[] },
  ): string | undefined {
    const { path } = foreign;
    const isSame = own?.value === foreign.value;
    const stampNs = isSame ? foreign.stampNs : this.#lamport.next();
    // Who deletes may know better that nothing runs here any more. But what is
    // copied, and from whom, is known here only: it was this host that had
    // deleted it, before a loss of power, or somebody stamped that anew. And
    // who deletes a version still in use has not heard that this host joined.
    const isDeletable = foreign.value === TOMBSTONE &&
      !isOfCopy(path, host) && matchPath(path)?.kind.value !== "version";
    const isStated = !isDeletable &&
      this.#files.replace(path, own?.value ?? TOMBSTONE, stampNs);
    if (isStated) {
      taken.push(this.#index.record({
        path,
        value: own?.value ?? TOMBSTONE,
        stampNs,
      }));
    }
    return isSame ? undefined : "it states what this host does";
  }

  /**
   * Whether a statement about this host may be deleted by others: it has left
   * the resource, however long ago, or it deleted an old version itself and has forgotten that
   * in a loss of power. Versions count from one log before the position on.
   */
  #isOver(path: string, host: string): boolean {
    const { resource, kind, sequence } = matchPath(path) ?? {};
    if (resource === undefined) return false;
    const device = this.#index.get(linkPath.device(resource, host));
    if ((device?.value ?? TOMBSTONE) === TOMBSTONE) return true;
    const value = this.#index.get(linkPath.replay(resource, host))?.value ?? "";
    const replay = parseReplay(value);
    return kind?.value === "version" && replay !== undefined &&
      Number(sequence) < replay.log.sequence - 1;
  }

  /** Why `foreign` must not replace the regular file of its name. */
  #obstacleToDeletion(foreign: Link, host: string): string | undefined {
    const { resource, kind } = matchPath(foreign.path) ?? {};
    const log = parseLogFileName(foreign.path.split("/").at(-1) ?? "");
    const isLog = kind?.value === "tombstone" && log !== undefined;
    if (!isLog || resource === undefined) return "a file is in the way";
    if (foreign.value !== TOMBSTONE) return "a log is in the way";
    const value = this.#index.get(linkPath.replay(resource, host))?.value ?? "";
    const replay = parseReplay(value);
    if (replay === undefined || log.sequence < replay.log.sequence) {
      return undefined;
    }
    return "this host still needs the log (I7)";
  }

  /** The link as it stands on disk, which may be newer than the index. */
  #linkOnDisk(path: string, status: FileStatus | undefined): Link | undefined {
    if (status?.kind !== "link") return undefined;
    const known = this.#index.get(path);
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
    return this.#reading.load();
  }

  /**
   * Reads the directories that changed; those in `directories`, relative to
   * the root, in any case, and without the others. Links that vanished are
   * missing in the next snapshot but not among the results.
   */
  rescan(directories?: Iterable<string>): Link[] {
    return this.#reading.rescan(directories);
  }

  /**
   * Looks at links, logs and directories that may have come, changed or gone.
   * Results as those of `rescan`.
   */
  look(paths: Iterable<string>): Link[] {
    return this.#reading.look(paths);
  }

  /**
   * A piece of `rescan`: the next few directories at the top, in turn. Called
   * again and again it finds in the end whatever a watch has missed.
   */
  sweep(topCount: number): Link[] {
    return this.#reading.sweep(topCount);
  }
}

/** The tree for commands that only look: no shim, stamps in milliseconds. */
export class ReadOnlyTree {
  /** Reads links when they are asked for; throws if the root is missing. */
  static read(root: string): Snapshot {
    return lazySnapshot(root);
  }
}

function objectionIn(context: ApplyContext, link: Link): string | undefined {
  return context.isChecked ? undefined : objectionTo(context.sender, link);
}

/** Links that stand beside each other and have one directory. */
function* runsOf(links: Iterable<Link>): Iterable<readonly Link[]> {
  let run: Link[] = [];
  let directory = "";
  for (const link of links) {
    const next = directoryOf(link.path);
    if (next !== directory && run.length > 0) {
      yield run;
      run = [];
    }
    directory = next;
    run.push(link);
  }
  if (run.length > 0) yield run;
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

/** Whether a link tells from whom `host` copies a disk, or has. */
function isOfCopy(path: string, host: string): boolean {
  const resource = matchPath(path)?.resource ?? "";
  return path === linkPath.syncFrom(resource, host) ||
    path === linkPath.syncPos(resource, host);
}
