// Pure
/**
 * Why nothing can be told in the tree: its file system is read-only, fails, or
 * is gone. Links cannot say that, so it is said beside the tree, and traced once
 * when it begins and once when it is over.
 */
import { ERRNO, type MarsError, SyscallError } from "../base/errors.ts";
import { trace } from "../base/trace.ts";

export class TreeTrouble {
  readonly #marsDir: string;
  #text = "";

  constructor(marsDir: string) {
    this.#marsDir = marsDir;
  }

  /** What is wrong and what to type; empty while all is well. */
  get text(): string {
    return this.#text;
  }

  /** Takes why the last sign of life could not be written, if it could not. */
  take(error: MarsError | undefined): void {
    const text = error === undefined ? "" : troubleText(this.#marsDir, error);
    if (text === this.#text) return;
    this.#text = text;
    if (text === "") trace.info("daemon", "Tree takes links again");
    else trace.error("daemon", "Tree takes no links", { text });
  }
}

/** One line: the cause, what goes on, what to type. */
export function troubleText(marsDir: string, error: MarsError): string {
  const errno = error instanceof SyscallError ? error.errno : 0;
  const waits =
    "no log is begun, no link says what happens, and it is tried again";
  switch (errno) {
    case ERRNO.EROFS:
      return `"${marsDir}" is read-only: ${waits}; find the cause with dmesg, then type mount -o remount,rw ${marsDir}`;
    case ERRNO.EIO:
      return `"${marsDir}" fails (input/output error): ${waits}; find the cause with dmesg, then stop the daemon, unmount, check and mount it, and start the daemon again`;
    default:
      return error.message;
  }
}
