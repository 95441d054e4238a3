/**
 * Locks: two commands on one resource do not interleave.
 *
 * A lock is an advisory lock of the system on a file below the run directory;
 * it ends with the process, however that ends. The file says who holds it and
 * is never removed: whoever waits for a removed file would hold nothing.
 */
import { dirname } from "@std/path";
import { RefusedError } from "../base/errors.ts";

/** Held until it is disposed of. */
export type Lock = Disposable;

/** @throws RefusedError that names the holder */
export function acquireLock(path: string, holder: string): Lock {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  if (!file.tryLockSync(true)) {
    file.close();
    const name = path.slice(path.lastIndexOf("/") + 1);
    const told = Deno.readTextFileSync(path).trim();
    throw new RefusedError(`Cannot work on "${name}"`, [
      `another command does: ${told === "" ? "it has just begun" : told}`,
    ]);
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${holder}\n`));
  return {
    [Symbol.dispose]: () => {
      file.truncateSync(0);
      file.close();
    },
  };
}
