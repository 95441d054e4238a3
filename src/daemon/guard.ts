/**
 * Guard: a small process that removes the control directory when the daemon
 * was killed. Without it, commands would believe that a daemon runs, and a
 * writer to the trigger would wait for a reader.
 *
 * It waits for the end of a pipe from the daemon, which the kernel closes
 * whatever way the daemon ends, or for a line: then there is nothing to do. It holds the trigger open meanwhile, so that
 * nobody waits in between. It removes files only if it gets the lock on the
 * pid file, which the kernel may release a moment later than the pipe: else the
 * next daemon has taken them over.
 */
import { messageOf } from "../base/errors.ts";
import { pidPath, type Settings } from "../base/settings.ts";
import { trace } from "../base/trace.ts";

/** $1 pid file, $2 directory, others: names in it. */
const SCRIPT = `
trap '' HUP INT TERM
pid=$1
cd "$2" || exit
exec 3<>trigger
read -r _ && exit
exec 9<"$pid" || exit
flock -w 2 9 || exit
shift 2
rm -f -- "$@"
cd / && rmdir -- "$OLDPWD"
`;

export class Guard {
  readonly #child: Deno.ChildProcess | undefined;

  private constructor(child: Deno.ChildProcess | undefined) {
    this.#child = child;
  }

  /** Where there is no shell, there is no guard. */
  static start(settings: Settings, names: readonly string[]): Guard {
    try {
      return new Guard(
        new Deno.Command("sh", {
          args: [
            "-c",
            SCRIPT,
            "mars-guard",
            pidPath(settings),
            settings.controlDir,
            ...names,
          ],
          stdin: "piped",
          stdout: "null",
          stderr: "null",
        }).spawn(),
      );
    } catch (error) {
      trace.warn("control", "No guard", { error: messageOf(error) });
      return new Guard(undefined);
    }
  }

  /** Resolves when it is gone; the daemon has cleaned up itself. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const writer = child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode("done\n"));
      await writer.close();
    } catch (error) {
      // Somebody has ended it before.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
    await child.status;
  }
}
