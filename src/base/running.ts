/**
 * Whether a daemon runs here: it holds a lock on its pid file, which the kernel
 * releases whatever way it ends.
 *
 * A daemon may take the place of the one that runs: it asks that one to end and
 * waits for the lock. The file says since when its owner is the daemon: it is
 * written once.
 */
import { MarsError, TimeoutError } from "./errors.ts";
import { pidPath, type Settings } from "./settings.ts";
import { MS_PER_S, sleep } from "./time.ts";

/** Commands hold the lock for an instant when they look. */
const LOCK_TRIES = 50;
const LOCK_PAUSE_MS = 20;
/** Users of devices wait for whoever comes next. */
const REPLACE_PAUSE_MS = 2;

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

/** That this process is the daemon; until it is disposed of. */
export class Claim implements Disposable {
  readonly #file: Deno.FsFile;
  /** How long the daemon had run that this one has replaced; 0: none. */
  readonly replacedMs: number;

  constructor(file: Deno.FsFile, replacedMs: number) {
    this.#file = file;
    this.replacedMs = replacedMs;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Makes this process the daemon.
 *
 * @throws MarsError if another one runs
 */
export async function claimDaemon(settings: Settings): Promise<Claim> {
  const file = openPidFile(settings);
  for (let attempt = 1; !file.tryLockSync(true); attempt++) {
    if (attempt === LOCK_TRIES) {
      file.close();
      throw new MarsError(
        `Cannot start the daemon: process ${
          writtenPid(settings)
        } is the daemon already; to take its place, type mars daemon --replace`,
      );
    }
    await sleep(LOCK_PAUSE_MS);
  }
  return claimed(file, 0);
}

/**
 * Makes this process the daemon, in place of the one that runs, if one does:
 * that one is asked to end, as by SIGTERM.
 *
 * @throws TimeoutError if it does not end in time
 * @throws MarsError if it may not be asked, or somebody else was faster
 */
export async function replaceDaemon(
  settings: Settings,
  timeoutMs: number,
): Promise<Claim> {
  const running = daemonPid(settings);
  if (running === undefined) return await claimDaemon(settings);
  const file = openPidFile(settings);
  try {
    const runMs = Date.now() - (file.statSync().mtime?.getTime() ?? Date.now());
    askToEnd(running);
    const startedMs = performance.now();
    while (!file.tryLockSync(true)) {
      const now = writtenPid(settings);
      if (now > 0 && now !== running && daemonPid(settings) === now) {
        throw new MarsError(
          `Cannot replace the daemon: process ${now} has already done so`,
        );
      }
      if (performance.now() - startedMs >= timeoutMs) {
        throw new TimeoutError(
          `Cannot replace the daemon: process ${running} was asked to end and is still there after ${
            Math.round(timeoutMs / MS_PER_S)
          } s; its devices wait for the next daemon. If it is stuck, end it with kill -9 ${running} and start mars daemon`,
        );
      }
      await sleep(REPLACE_PAUSE_MS);
    }
    return claimed(file, Math.max(0, runMs));
  } catch (error) {
    file.close();
    throw error;
  }
}

function openPidFile(settings: Settings): Deno.FsFile {
  Deno.mkdirSync(settings.runDir, { recursive: true, mode: 0o755 });
  return Deno.openSync(pidPath(settings), {
    read: true,
    write: true,
    create: true,
  });
}

function writtenPid(settings: Settings): number {
  return Number(Deno.readTextFileSync(pidPath(settings)));
}

/** @throws MarsError */
function askToEnd(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch (error) {
    // It has just ended.
    if (error instanceof Deno.errors.NotFound) return;
    throw new MarsError(
      `Cannot replace the daemon: process ${pid} cannot be asked to end; run this as the user that it runs as`,
      { cause: error },
    );
  }
}

function claimed(file: Deno.FsFile, replacedMs: number): Claim {
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return new Claim(file, replacedMs);
}
