// Pure
/**
 * Assertions: what a programmer's error looks like.
 *
 * They stay on in production and are not caught below `main.ts`. Something that
 * can happen to a correct program (a full disk, a lying peer) is never an
 * assertion but an error of `errors.ts` or a finding.
 */

/** The program contradicts itself. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Ends the program unless `condition` holds; `text` is a constant. */
export function assert(condition: unknown, text: string): asserts condition {
  if (!condition) throw new AssertionError(text);
}

/** The end of an exhaustive `switch`. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable value: ${String(value)}`);
}
