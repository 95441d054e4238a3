/**
 * Reading the tree from disk: directories, values, errors of the system.
 *
 * Read are symbolic links up to three names deep. Ignored are names with a
 * leading dot (temporary ones of every writer), regular files (logs, status),
 * and the trees inside the tree that splits, merges and probes leave behind.
 *
 * Something that goes away while it is read counts as missing: other writers
 * rename and delete at any time.
 */
import { ERRNO, MarsError, messageOf, SyscallError } from "../base/errors.ts";
import { PATH_DEPTH_MAX, pathIn } from "./path.ts";

/** What a directory contains, as far as it concerns the tree. */
export type Listing = {
  /** Names of symbolic links. */
  readonly links: readonly string[];
  /** Names of directories that may contain links. */
  readonly directories: readonly string[];
};

/** Lists `directory`, relative to `root`; undefined if there is none. */
export function listDirectory(
  root: string,
  directory: string,
): Listing | undefined {
  const links: string[] = [];
  const directories: string[] = [];
  const depth = directory === "" ? 1 : directory.split("/").length + 1;
  try {
    for (const entry of Deno.readDirSync(pathOnDisk(root, directory))) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isSymlink) links.push(entry.name);
      const isRoom = entry.isDirectory && depth < PATH_DEPTH_MAX;
      if (isRoom && !isForeignTree(entry.name)) directories.push(entry.name);
    }
  } catch (error) {
    // Replaced by a tombstone or purged since its parent was listed.
    if (isMissing(error)) return undefined;
    throw asMarsError("read directory", pathOnDisk(root, directory), error);
  }
  return { links, directories };
}

/**
 * The value of a link: undefined if it is gone or no link any more, an error
 * if it is not text.
 */
export function readValue(
  root: string,
  path: string,
): string | Error | undefined {
  try {
    return Deno.readLinkSync(pathOnDisk(root, path));
  } catch (error) {
    if (isMissing(error) || codeOf(error) === "EINVAL") return undefined;
    if (error instanceof Deno.errors.InvalidData) return error;
    throw asMarsError("read link", pathOnDisk(root, path), error);
  }
}

/** Refuses a root that is missing or no directory. */
export function checkRoot(root: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = Deno.statSync(root).isDirectory;
  } catch (error) {
    throw asMarsError("read tree", root, error);
  }
  if (!isDirectory) {
    throw new MarsError(`Cannot read tree "${root}": it is not a directory`);
  }
}

/** Where a path of the tree lies in the file system. */
export function pathOnDisk(root: string, path: string): string {
  return pathIn(root, path);
}

/** The error of a Deno call as one of ours; others pass unchanged. */
export function asMarsError(
  operation: string,
  subject: string,
  error: unknown,
): unknown {
  if (error instanceof MarsError) return error;
  const code = codeOf(error);
  const errno = Object.entries(ERRNO).find(([name]) => name === code)?.[1];
  if (errno !== undefined) return new SyscallError(operation, subject, errno);
  const isForeseen = code !== undefined ||
    error instanceof Deno.errors.NotCapable;
  if (!isForeseen) return error;
  return new MarsError(
    `Cannot ${operation} "${subject}": ${messageOf(error)}`,
    { cause: error },
  );
}

/** The name of the errno behind an error of Deno, if there is one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether a call failed because nothing is there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** Whether a directory of this name is a tree of its own. */
export function isForeignTree(name: string): boolean {
  return name.startsWith("probe-") || name.startsWith("backups-") ||
    name === "lost+found";
}
