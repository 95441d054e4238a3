/** Waiting for a condition, not for ever. */
import { MarsError } from "../../src/base/errors.ts";

/** How long a test waits for anything before it fails. */
const DEADLINE_MS = 45_000;

const PAUSE_MS = 20;
/**
 * Between two looks no more than this counts: a machine that stands still, or
 * has no processor for the test, has none for those it waits for either.
 */
const COUNTED_MS_MAX = 2_000;

/** Waits until `probe` gives something else than undefined or false. */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  let waitedMs = 0;
  let lookedAtMs = performance.now();
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (waitedMs > DEADLINE_MS) throw new MarsError(`Waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - lookedAtMs, COUNTED_MS_MAX);
    lookedAtMs = nowMs;
  }
}
