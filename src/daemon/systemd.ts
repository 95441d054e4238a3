/**
 * Lets systemd look at what has changed: gives files a new modification time,
 * which path units of systemd watch. What fails is traced: nothing of ours
 * depends on it, and the next change is the next chance.
 */
import { dirname } from "@std/path";
import { messageOf } from "../base/errors.ts";
import type { Settings } from "../base/settings.ts";
import { trace } from "../base/trace.ts";
import { triggerFiles } from "../resource/systemd.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";

// Prescribed by MARS: what is below the tree belongs to root alone.
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Touches what stands for `links`, if units follow them. */
export function tellSystemd(
  { host, marsDir }: Settings,
  links: readonly Link[],
  now: Snapshot,
): void {
  const paths = links.map(({ path }) => path);
  for (const file of triggerFiles(paths, now, host)) {
    touch(`${marsDir}/${file}`);
  }
}

/** Makes what is missing. @param path absolute, below the tree */
function touch(path: string): void {
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    using file = Deno.openSync(path, {
      write: true,
      create: true,
      mode: FILE_MODE,
    });
    const now = new Date();
    file.utimeSync(now, now);
  } catch (error) {
    trace.warn("daemon", "Cannot tell systemd", {
      path,
      message: messageOf(error),
    });
  }
}
