/** Waiting for a condition, not for ever. */
import { MarsError } from "../../src/base/errors.ts";

/** How long a test waits for anything before it fails. */
const DEADLINE_MS = 45_000;

/** Waits until `probe` gives something else than undefined or false. */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new MarsError(`Waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
