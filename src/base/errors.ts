// Pure
/**
 * Operating errors and exit codes.
 *
 * An operating error was foreseen. Its message names the action first, values
 * in quotes, and after a colon what was found; no full stop. It is caught where
 * somebody can act: in the command line, in the daemon's loop per resource, in
 * the connection per peer.
 *
 *   exit code  meaning
 *           0  done
 *           1  failed
 *           2  the command line is wrong
 *           3  refused: a safety condition does not hold
 *           4  timed out: actual did not become desired
 *          70  the program contradicts itself
 */
import { AssertionError } from "./assert.ts";

/** Something foreseen went wrong. */
export class MarsError extends Error {
  override readonly name: string = "MarsError";
  readonly exitCode: number = 1;
}

/** The command line is wrong. */
export class UsageError extends MarsError {
  override readonly name = "UsageError";
  override readonly exitCode = 2;
}

/** A safety condition does not hold; `obstacles` names each one. */
export class RefusedError extends MarsError {
  override readonly name = "RefusedError";
  override readonly exitCode = 3;
  readonly obstacles: readonly string[];

  constructor(message: string, obstacles: readonly string[]) {
    super(
      obstacles.length === 0 ? message : `${message}: ${obstacles.join("; ")}`,
    );
    this.obstacles = obstacles;
  }
}

/** Actual did not become desired in time. */
export class TimeoutError extends MarsError {
  override readonly name = "TimeoutError";
  override readonly exitCode = 4;
}

/** Nobody answers where a peer should be. */
export class UnreachableError extends MarsError {
  override readonly name = "UnreachableError";
}

/** Some of several things failed; the first one decides the exit code. */
export class SomeFailedError extends MarsError {
  override readonly name = "SomeFailedError";
  override readonly exitCode: number;
  readonly errors: readonly unknown[];

  constructor(message: string, errors: readonly unknown[]) {
    super(message);
    this.errors = errors;
    this.exitCode = exitCodeOf(errors[0]);
  }
}

/** A link, a file or a message cannot be decoded. */
export class FormatError extends MarsError {
  override readonly name = "FormatError";
}

/** A system call failed. `errno` is positive. */
export class SyscallError extends MarsError {
  override readonly name = "SyscallError";
  readonly errno: number;

  constructor(operation: string, subject: string, errno: number) {
    super(`Cannot ${operation} "${subject}": ${errnoText(errno)}`);
    this.errno = errno;
  }
}

/** Linux errno numbers that mars meets or reports. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENOSYS: 38,
  EBADRQC: 56,
  ETIME: 62,
  EBADMSG: 74,
  EOVERFLOW: 75,
  ERESTART: 85,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECANCELED: 125,
} as const;

const ERRNO_TEXT: Readonly<Record<number, string>> = {
  1: "Operation not permitted",
  2: "No such file or directory",
  4: "Interrupted system call",
  5: "Input/output error",
  9: "Bad file descriptor",
  11: "Try again",
  12: "Cannot allocate memory",
  13: "Permission denied",
  16: "Device or resource busy",
  17: "File exists",
  19: "No such device",
  22: "Invalid argument",
  27: "File too large",
  28: "No space left on device",
  30: "Read-only file system",
  32: "Broken pipe",
  38: "Function not implemented",
  56: "Uninitialized log record",
  62: "Timer expired",
  74: "Bad message",
  75: "Value too large",
  85: "Incomplete log",
  95: "Operation not supported",
  98: "Address already in use",
  103: "Software caused connection abort",
  104: "Connection reset by peer",
  108: "Shut down",
  110: "Connection timed out",
  125: "Canceled",
};

/** The name and text of an errno, `ENOSPC (No space left on device)`. */
export function errnoText(errno: number): string {
  const number = Math.abs(errno);
  const name = Object.entries(ERRNO).find(([, value]) => value === number)?.[0];
  return `${name ?? `errno ${number}`} (${ERRNO_TEXT[number] ?? "unknown"})`;
}

/** The exit code that `error` asks for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof MarsError) return error.exitCode;
  return error instanceof AssertionError ? 70 : 1;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
