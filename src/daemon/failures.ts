// Pure
/**
 * Failures: what goes wrong in a round keeps nobody else, and is told once.
 */
import { MarsError } from "../base/errors.ts";
import { trace } from "../base/trace.ts";

export class Failures {
  /** Message by subject, until it goes well again. */
  readonly #messages = new Map<string, string>();

  /**
   * Operating errors are told; others pass. Returns whether all went well.
   */
  async guard(subject: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      this.#messages.delete(subject);
      return true;
    } catch (error) {
      this.#tell(subject, error);
      return false;
    }
  }

  /** The same at once; returns what went wrong. */
  try(subject: string, act: () => void): MarsError | undefined {
    try {
      act();
      this.#messages.delete(subject);
      return undefined;
    } catch (error) {
      return this.#tell(subject, error);
    }
  }

  #tell(subject: string, error: unknown): MarsError {
    if (!(error instanceof MarsError)) throw error;
    const { message } = error;
    if (this.#messages.get(subject) === message) return error;
    this.#messages.set(subject, message);
    trace.error("daemon", "Round failed", { subject, message });
    return error;
  }
}
