/**
 * Files that are neither links nor logs: what housekeeping clears away, what
 * `cat` shows, units of systemd. Paths are absolute.
 */
import { dirname } from "@std/path";
import { asMarsError, codeOf, isMissing } from "../tree/scan.ts";

/** What stands in a directory. */
export interface FileEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "link" | "other";
}

/** All throw a MarsError where the system refuses. */
export interface FileShelf {
  /** Of a directory, sorted; none if there is no such directory. */
  readonly list: (directory: string) => readonly FileEntry[];
  /** Text of a file, links followed; undefined if there is none. */
  readonly read: (path: string) => string | undefined;
  /** Target of a link; undefined if there is none. */
  readonly readLink: (path: string) => string | undefined;
  /**
   * When the entry itself changed last, milliseconds since 1970; undefined if
   * there is none. Not the modification time: of a link that is a stamp.
   */
  readonly changedAtMs: (path: string) => number | undefined;
  /** Puts a complete file in place; makes its directory. */
  readonly write: (path: string, text: string, mode: number) => void;
  /** Gives a file a new modification time; makes what is missing. */
  readonly touch: (path: string) => void;
  /** Removes a file, a link or an empty directory. False if it did not. */
  readonly remove: (path: string) => boolean;
  /** Removes a directory and everything in it. */
  readonly removeAll: (path: string) => void;
}

/** Temporary names of this program, of the original, and of its daemon. */
export const TEMPORARY = /^\.tmp[-.]/;

/** The files of this machine. */
export const systemFileShelf: FileShelf = {
  list: (directory) =>
    missingAs(
      [],
      "read directory",
      directory,
      () =>
        [...Deno.readDirSync(directory)].map(entryOf)
          .sort((left, right) => left.name < right.name ? -1 : 1),
    ),
  read: (path) =>
    missingAs(undefined, "read", path, () => Deno.readTextFileSync(path)),
  readLink: (path) =>
    missingAs(undefined, "read link", path, () => {
      const isLink = Deno.lstatSync(path).isSymlink;
      return isLink ? Deno.readLinkSync(path) : undefined;
    }),
  changedAtMs: (path) =>
    missingAs(
      undefined,
      "look at",
      path,
      () => Deno.lstatSync(path).ctime?.getTime(),
    ),
  write: writeWhole,
  touch: (path) =>
    failingAs("touch", path, () => {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      using file = Deno.openSync(path, { write: true, create: true });
      const now = new Date();
      file.utimeSync(now, now);
    }),
  remove: (path) =>
    missingAs(false, "remove", path, () => {
      try {
        Deno.removeSync(path);
        return true;
      } catch (error) {
        if (codeOf(error) === "ENOTEMPTY") return false;
        throw error;
      }
    }),
  removeAll: (path) =>
    missingAs(undefined, "remove", path, () => {
      Deno.removeSync(path, { recursive: true });
    }),
};

function entryOf(entry: Deno.DirEntry): FileEntry {
  const { name } = entry;
  if (entry.isSymlink) return { name, kind: "link" };
  if (entry.isDirectory) return { name, kind: "directory" };
  return { name, kind: entry.isFile ? "file" : "other" };
}

/** A reader sees the old file or the new one, complete. */
function writeWhole(path: string, text: string, mode: number): void {
  const directory = dirname(path);
  const name = path.slice(directory.length + 1);
  const temporary = `${directory}/.tmp.${Deno.pid}.${name}`;
  failingAs("write", path, () => {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
    Deno.writeTextFileSync(temporary, text, { mode });
    // The mode given above counts only for new files, and less the umask.
    Deno.chmodSync(temporary, mode);
    Deno.renameSync(temporary, path);
  });
}

/** What is not there may have gone since it was listed. */
function missingAs<Value>(
  missing: Value,
  operation: string,
  path: string,
  act: () => Value,
): Value {
  try {
    return act();
  } catch (error) {
    if (isMissing(error)) return missing;
    throw asMarsError(operation, path, error);
  }
}

function failingAs(operation: string, path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw asMarsError(operation, path, error);
  }
}
