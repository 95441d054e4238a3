/**
 * Hooks as files: where they are, and whether they may be run.
 *
 *   DIRECTORY/hook-pre          executable
 *   DIRECTORY/hook-pre.d/*      executables, sorted by name
 *
 * A hook runs with all rights of its caller, so it is trusted only if nobody
 * but root and the caller can have made or changed it: it and every directory
 * above it belong to root or the caller, and others may not write to them
 * (directories like /tmp, where nobody can remove what is another's, excepted,
 * unless the hook lies in one immediately). Links are followed first.
 *
 * Files that are not executable, hidden ones and what editors and package
 * managers leave behind are no hooks.
 */
import { basename, dirname, resolve } from "@std/path";
import { MarsError } from "../base/errors.ts";

/** Paths of the hooks of this name, in the order in which they are run. */
export function findHooks(
  directories: readonly string[],
  name: string,
): string[] {
  return directories.flatMap((directory) => {
    const path = resolve(directory, name);
    const below = namesIn(`${path}.d`).filter(isHookName).sort();
    return [path, ...below.map((entry) => `${path}.d/${entry}`)]
      .filter(isExecutable);
  });
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw cannotRead(directory, error);
  }
}

function isHookName(name: string): boolean {
  return !/^\.|~$|\.(?:bak|orig|rej|dpkg-\w+|rpm\w+)$/.test(name);
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & EXECUTE_BITS) !== 0;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw cannotRead(path, error);
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** Somebody who wants hooks to be run must not lose them silently. */
function cannotRead(path: string, cause: unknown): MarsError {
  return new MarsError(
    `Cannot look for hooks in "${path}": ${
      cause instanceof Error ? cause.message : cause
    }`,
    { cause },
  );
}

// Prescribed by Linux.
const EXECUTE_BITS = 0o111;
const WRITE_BY_OTHERS_BITS = 0o022;
const STICKY_BIT = 0o1000;
const ROOT_UID = 0;

/** Prescribed by Linux: more links in a row are not followed. */
const LINKS_MAX = 40;

/** Why this hook is not to be run; undefined if it may be. */
export function distrustOf(path: string): string | undefined {
  let at = path;
  for (let count = 0; count < LINKS_MAX; count++) {
    const directory = Deno.realPathSync(dirname(at));
    const distrust = distrustOfDirectory(directory);
    if (distrust !== undefined) return distrust;
    at = resolve(directory, basename(at));
    if (!Deno.lstatSync(at).isSymlink) return distrustOfOne(at, "strict");
    at = resolve(directory, Deno.readLinkSync(at));
  }
  return `"${path}" is a link without end`;
}

/** Nobody else may change what lies in it, or exchange one above it. */
function distrustOfDirectory(directory: string): string | undefined {
  const strict = distrustOfOne(directory, "strict");
  if (strict !== undefined) return strict;
  for (let at = directory; at !== "/";) {
    at = dirname(at);
    const distrust = distrustOfOne(at, "sticky-is-safe");
    if (distrust !== undefined) return distrust;
  }
  return undefined;
}

function distrustOfOne(
  path: string,
  rule: "strict" | "sticky-is-safe",
): string | undefined {
  const { uid, mode } = Deno.statSync(path);
  if (uid !== ROOT_UID && uid !== Deno.uid()) {
    return `"${path}" belongs to user ${uid}`;
  }
  const bits = mode ?? 0;
  const isSafe = rule === "sticky-is-safe" && (bits & STICKY_BIT) !== 0;
  if ((bits & WRITE_BY_OTHERS_BITS) === 0 || isSafe) return undefined;
  return `others may write to "${path}"; type chmod go-w ${path}`;
}
