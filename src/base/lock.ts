/**
 * Locks: two commands on one resource do not interleave.
 *
 * A lock is an advisory lock of the system on a file below the run directory;
 * it ends with the process, however that ends. The file says who holds it and
 * is never removed: whoever waits for a removed file would hold nothing.
 */
import { basename, dirname } from "@std/path";
import { MarsError, messageOf, RefusedError } from "./errors.ts";

/** Excludes commands on the whole cluster; no resource has such a name. */
export const CLUSTER_LOCK = ".cluster";

/** Held until it is disposed of. */
export type Lock = Disposable;

/**
 * `holder` is the command that wants the lock, as others shall read it.
 *
 * @throws RefusedError that names the holder, its process and since when;
 * MarsError if the directory of locks cannot be used
 */
export function acquireLock(path: string, holder: string): Lock {
  const name = basename(path);
  const subject = name === CLUSTER_LOCK ? "the cluster" : `"${name}"`;
  const file = openLock(path, subject);
  if (!file.tryLockSync(true)) {
    file.close();
    const told = Deno.readTextFileSync(path).trim();
    throw new RefusedError(`Cannot work on ${subject}`, [
      told === ""
        ? "another command has just begun to"
        : `another command does: ${told}`,
    ]);
  }
  const since = new Date().toISOString().slice(0, "2000-01-01T00:00:00".length);
  const text = `${holder}, process ${Deno.pid}, since ${since}Z\n`;
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(text));
  return {
    [Symbol.dispose]: () => {
      file.truncateSync(0);
      file.close();
    },
  };
}

function openLock(path: string, subject: string): Deno.FsFile {
  const directory = dirname(path);
  try {
    Deno.mkdirSync(dirname(directory), { recursive: true, mode: 0o755 });
    // Who can open a lock can hold it, so others must not get there.
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    return Deno.openSync(path, { read: true, write: true, create: true });
  } catch (error) {
    throw new MarsError(
      `Cannot lock ${subject}: ${
        messageOf(error)
      }; expected to write to "${directory}": become root, or choose --run-dir`,
      { cause: error },
    );
  }
}
