/** Steps that do not depend on each other: one that fails keeps no other. */
import { MarsError, messageOf, SomeFailedError } from "../base/errors.ts";

/** @throws the one error, or a SomeFailedError, after all steps */
export async function allOf(
  steps: readonly (() => void | Promise<void>)[],
): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      // Nobody foresaw it, so nobody knows what else is wrong.
      if (!(error instanceof MarsError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    throw new SomeFailedError(errors.map(messageOf).join("; "), errors);
  }
}
