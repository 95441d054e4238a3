/**
 * Whether a daemon runs here: it holds a lock on its pid file, which the kernel
 * releases whatever way it ends.
 */
import { MarsError } from "./errors.ts";
import { pidPath, type Settings } from "./settings.ts";
import { sleep } from "./time.ts";

/** Commands hold the lock for an instant when they look. */
const LOCK_TRIES = 50;
const LOCK_PAUSE_MS = 20;

/** Process number of the running daemon; undefined if there is none. */
export function daemonPid(settings: Settings): number | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(pidPath(settings), { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    if (file.tryLockSync(false)) return undefined;
    return Number(Deno.readTextFileSync(pidPath(settings)));
  } finally {
    file.close();
  }
}

/**
 * Makes this process the daemon; the lock lasts until the file is closed.
 *
 * @throws MarsError if another one runs
 */
export async function claimDaemon(settings: Settings): Promise<Deno.FsFile> {
  Deno.mkdirSync(settings.runDir, { recursive: true, mode: 0o755 });
  const file = Deno.openSync(pidPath(settings), {
    read: true,
    write: true,
    create: true,
  });
  for (let attempt = 1; !file.tryLockSync(true); attempt++) {
    if (attempt === LOCK_TRIES) {
      const pid = Deno.readTextFileSync(pidPath(settings)).trim();
      file.close();
      throw new MarsError(
        `Cannot start the daemon: process ${pid} is the daemon already`,
      );
    }
    await sleep(LOCK_PAUSE_MS);
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return file;
}
