/**
 * Log files of a resource: names, sizes, create, open, cut, delete.
 *
 * A log is a regular file. A symbolic link of the same name is a tombstone: the
 * log has been deleted, possibly by another program at any moment, and the name
 * is not to be used again. Links come from other hosts, so none is ever
 * followed here.
 *
 * Creating, cutting and deleting are durable when they return.
 */
import { join } from "@std/path";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { logFileName, type LogName, parseLogFileName } from "../base/names.ts";

/** A log that lies in a directory. */
export interface LogFile {
  readonly log: LogName;
  readonly sizeBytes: number;
  /** When it was written to last, by the wall clock. */
  readonly changedAtMs: number;
}

/** The logs of one resource: the functions of this file on one directory. */
export interface LogDirectory {
  readonly path: string;
  list(): Promise<LogFile[]>;
  create(log: LogName): Promise<"created" | "exists" | "tombstone">;
  truncate(log: LogName, sizeBytes: number): Promise<void>;
  delete(log: LogName): Promise<boolean>;
}

/** The logs in a directory of this machine. */
export function logDirectory(path: string): LogDirectory {
  return {
    path,
    list: () => listLogs(path),
    create: (log) => createLog(path, log),
    truncate: (log, sizeBytes) => truncateLog(path, log, sizeBytes),
    delete: (log) => deleteLog(path, log),
  };
}

// Prescribed by MARS.
const LOG_FILE_MODE = 0o600;

/**
 * The logs in a directory by sequence, then host. A directory that does not
 * exist holds none.
 *
 * @throws SyscallError
 */
export async function listLogs(directory: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const log of logsIn(directory)) {
    const found = await lookAt(join(directory, logFileName(log)));
    if (found?.isFile) files.push(logFile(log, found));
  }
  return files.sort(compareFiles);
}

/** The same without giving way to anybody. @throws SyscallError */
export function lookForLogs(directory: string): LogFile[] {
  const files: LogFile[] = [];
  for (const log of logsIn(directory)) {
    const path = join(directory, logFileName(log));
    try {
      const found = Deno.lstatSync(path);
      if (found.isFile) files.push(logFile(log, found));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw syscallError("look at", path, error);
    }
  }
  return files.sort(compareFiles);
}

function logFile(log: LogName, { size, mtime }: Deno.FileInfo): LogFile {
  return { log, sizeBytes: size, changedAtMs: mtime?.getTime() ?? 0 };
}

function compareFiles(left: LogFile, right: LogFile): number {
  return left.log.sequence - right.log.sequence ||
    (left.log.host < right.log.host ? -1 : 1);
}

/** At once: a thousand names take half a millisecond, and one by one five. */
function logsIn(directory: string): LogName[] {
  const logs: LogName[] = [];
  try {
    for (const { name, isFile } of Deno.readDirSync(directory)) {
      const log = isFile ? parseLogFileName(name) : undefined;
      // One log has one name: not `log-1-a` beside `log-000000001-a`.
      if (log !== undefined && logFileName(log) === name) logs.push(log);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw syscallError("list", directory, error);
    }
  }
  return logs;
}

/**
 * Creates an empty log.
 *
 * @returns "exists" for a file and "tombstone" for anything else that has the
 * name already; nothing is changed then
 * @throws SyscallError
 */
export async function createLog(
  directory: string,
  log: LogName,
): Promise<"created" | "exists" | "tombstone"> {
  const path = join(directory, logFileName(log));
  try {
    using file = await Deno.open(path, {
      write: true,
      createNew: true,
      mode: LOG_FILE_MODE,
    });
    await file.sync();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      throw syscallError("create", path, error);
    }
    const found = await lookAt(path);
    return found?.isFile ? "exists" : "tombstone";
  }
  await flushDirectory(directory);
  return "created";
}

/**
 * Opens an existing log; the caller closes it.
 *
 * @throws SyscallError ENOENT also where the name is a link
 */
export async function openLog(
  directory: string,
  log: LogName,
  access: "read" | "readwrite",
): Promise<Deno.FsFile> {
  const path = join(directory, logFileName(log));
  const found = await lookAt(path);
  if (!found?.isFile) throw new SyscallError("open", path, ERRNO.ENOENT);
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: access === "readwrite" });
  } catch (error) {
    throw syscallError("open", path, error);
  }
  // A link may have taken the place of the file in between.
  const opened = await file.stat();
  if (opened.ino === found.ino && opened.dev === found.dev) return file;
  file.close();
  throw new SyscallError("open", path, ERRNO.ENOENT);
}

/**
 * Cuts a log to `sizeBytes`; a shorter one stays as it is.
 *
 * @throws SyscallError
 */
export async function truncateLog(
  directory: string,
  log: LogName,
  sizeBytes: number,
): Promise<void> {
  using file = await openLog(directory, log, "readwrite");
  try {
    const { size } = await file.stat();
    if (size > sizeBytes) await file.truncate(sizeBytes);
    await file.sync();
  } catch (error) {
    throw syscallError("truncate", logFileName(log), error);
  }
}

/**
 * Deletes a log; a tombstone stays.
 *
 * @returns whether there was one
 * @throws SyscallError
 */
export async function deleteLog(
  directory: string,
  log: LogName,
): Promise<boolean> {
  const path = join(directory, logFileName(log));
  const found = await lookAt(path);
  if (!found?.isFile) return false;
  try {
    await Deno.remove(path);
  } catch (error) {
    // Somebody else deleted it meanwhile.
    if (error instanceof Deno.errors.NotFound) return false;
    throw syscallError("delete", path, error);
  }
  await flushDirectory(directory);
  return true;
}

async function lookAt(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw syscallError("look at", path, error);
  }
}

async function flushDirectory(directory: string): Promise<void> {
  try {
    using handle = await Deno.open(directory, { read: true });
    await handle.sync();
  } catch (error) {
    throw syscallError("flush", directory, error);
  }
}

/** What Deno threw, as our error; anything that is no errno stays itself. */
function syscallError(
  operation: string,
  subject: string,
  error: unknown,
): unknown {
  if (error instanceof SyscallError) return error;
  if (!(error instanceof Error) || !("code" in error)) return error;
  const errno = Object.entries(ERRNO).find(([name]) => name === error.code);
  return errno === undefined
    ? error
    : new SyscallError(operation, subject, errno[1]);
}
