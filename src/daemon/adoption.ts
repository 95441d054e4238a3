/**
 * Adoption: what a tree must be like before the daemon works on it.
 */
import { MarsError } from "../base/errors.ts";
import { MARS_DIR, type Settings } from "../base/settings.ts";

/** `/mars` itself must be a file system of its own. @throws MarsError */
export function checkRoot(settings: Settings): void {
  const { marsDir } = settings;
  let device: number;
  try {
    const status = Deno.statSync(marsDir);
    if (!status.isDirectory) throw new Deno.errors.NotFound();
    device = status.dev;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new MarsError(
      `Cannot start: "${marsDir}" is no directory; make it, or name another with --mars-dir`,
    );
  }
  if (marsDir === MARS_DIR && Deno.statSync("/").dev === device) {
    throw new MarsError(
      `Cannot start: "${MARS_DIR}" is not a mount point; logs must not fill the root file system`,
    );
  }
}
