/**
 * Effects: everything that commands do to the world.
 *
 * Commands get them from their `Desk` and nowhere else, so that a simulated
 * host can run the same commands.
 */
import { SyscallError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import type { LogName } from "../base/names.ts";
import { daemonPid } from "../base/running.ts";
import { controlPath, lockPath, type Settings } from "../base/settings.ts";
import { type Clock, sleep, systemClock } from "../base/time.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import {
  createLog,
  deleteLog,
  listLogs,
  type LogFile,
  lookForLogs,
  truncateLog,
} from "../log/files.ts";
import { shimCrc32c } from "../log/shim_crc32c.ts";
import { linkPath } from "../tree/path.ts";
import { asMarsError } from "../tree/scan.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { LinkTree, ReadOnlyTree, type TreeStore } from "../tree/store.ts";
import { type FileShelf, systemFileShelf } from "./files.ts";
import { type Keyring, systemKeyring } from "./keyring.ts";
import { acquireLock, type Lock } from "../base/lock.ts";
import { scanWrites } from "./log_scan.ts";
import { type MachineEffects, machineEffects } from "./machine.ts";
import { inherited } from "./programs.ts";

/** Log files of this host. */
export interface LogShelf {
  readonly list: (resource: string) => Promise<LogFile[]>;
  /** The same at once, for commands that only look. */
  readonly look: (resource: string) => LogFile[];
  /** Makes an empty log, and the directory of the resource. */
  readonly create: (
    resource: string,
    log: LogName,
  ) => Promise<"created" | "exists" | "tombstone">;
  /** Whether there was one. */
  readonly delete: (resource: string, log: LogName) => Promise<boolean>;
  /** Cuts a log, durably; a shorter one stays as it is. */
  readonly truncate: (
    resource: string,
    log: LogName,
    sizeBytes: number,
  ) => Promise<void>;
  /**
   * Ranges of the disk that the records behind `fromBytes` name.
   *
   * @returns whether the log is intact to its end
   */
  readonly scanWrites: (
    resource: string,
    part: { readonly log: LogName; readonly fromBytes: number },
    onWrite: (offsetBytes: number, lengthBytes: number) => void,
  ) => Promise<boolean>;
  /** Milliseconds since 1970; undefined if there is no such file. */
  readonly changedAtMs: (resource: string, log: LogName) => number | undefined;
}

/** How a program ended. */
export interface Ended {
  readonly code: number;
  /** What it wrote, errors included. */
  readonly output: string;
}

/** "exclusive": for reading and writing, by nobody else, as daemons want it. */
export type DiskAccess = "exclusive" | "read";

export interface Effects {
  readonly clock: Clock;
  readonly sleep: (durationMs: number) => Promise<void>;
  /** The links as they are now, for commands that only look. */
  readonly look: () => Snapshot;
  /** The tree, to be written. */
  readonly openTree: (lamport: LamportClock) => TreeStore;
  readonly isDaemonRunning: () => boolean;
  /** Hands a message to the daemon, if one runs; never blocks. */
  readonly trigger: (message: string) => void;
  readonly logs: LogShelf;
  readonly machine: MachineEffects;
  readonly keys: Keyring;
  readonly files: FileShelf;
  /** Runs a program to its end. @throws MarsError if it cannot be started */
  readonly run: (
    program: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ) => Promise<Ended>;
  readonly environment: (name: string) => string | undefined;
  /** Number of the process that called this one. */
  readonly parentPid: () => number;
  /** Makes directories below the tree. */
  readonly makeDirectory: (path: string) => void;
  /** Bytes of a block device or a regular file. @throws MarsError */
  readonly diskBytes: (path: string, access: DiskAccess) => number;
  /** Calls back instead of ending the program, once. */
  readonly onInterrupt: (callback: () => void) => Disposable;
  /** Holds `name` against other commands. @throws RefusedError */
  readonly lock: (name: string, holder: string) => Lock;
}

/** The effects on this machine. */
export function systemEffects(
  settings: Settings,
  openShim: () => Shim,
): Effects {
  const { marsDir } = settings;
  const directoryOf = (resource: string): string =>
    `${marsDir}/${linkPath.resource(resource)}`;
  return {
    clock: systemClock,
    sleep,
    look: () => ReadOnlyTree.read(marsDir),
    openTree: (lamport) =>
      new LinkTree({
        root: marsDir,
        shim: openShim(),
        lamport,
        farStamps: "keep",
      }),
    isDaemonRunning: () => daemonPid(settings) !== undefined,
    trigger: (message) => writeTrigger(settings, message),
    logs: {
      list: (resource) => listLogs(directoryOf(resource)),
      look: (resource) => lookForLogs(directoryOf(resource)),
      create: (resource, log) => {
        makeDirectory(directoryOf(resource));
        return createLog(directoryOf(resource), log);
      },
      delete: (resource, log) => deleteLog(directoryOf(resource), log),
      truncate: (resource, log, sizeBytes) =>
        truncateLog(directoryOf(resource), log, sizeBytes),
      scanWrites: (resource, part, onWrite) =>
        scanWrites(
          { directory: directoryOf(resource), ...part },
          shimCrc32c(openShim()),
          onWrite,
        ),
      changedAtMs: (resource, log) =>
        changedAtMs(
          `${marsDir}/${linkPath.log(resource, log.sequence, log.host)}`,
        ),
    },
    machine: machineEffects(settings),
    keys: systemKeyring(settings),
    files: systemFileShelf,
    run: runProgram,
    environment: (name) => Deno.env.get(name),
    parentPid: () => Deno.ppid,
    makeDirectory: (path) => makeDirectory(`${marsDir}/${path}`),
    diskBytes: (path, access) => diskBytes(openShim(), path, access),
    onInterrupt,
    lock: (name, holder) => acquireLock(lockPath(settings, name), holder),
  };
}

function makeDirectory(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
}

function writeTrigger(settings: Settings, message: string): void {
  const path = controlPath(settings, "trigger");
  try {
    // To read and write: only so a pipe opens without waiting for a reader.
    using file = Deno.openSync(path, { read: true, write: true });
    // Newlines keep messages apart that reach the daemon together.
    file.writeSync(new TextEncoder().encode(`\n${message}\n`));
  } catch (error) {
    // No daemon runs here: there is nobody to nudge.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function changedAtMs(path: string): number | undefined {
  try {
    return Deno.lstatSync(path).mtime?.getTime();
  } catch (error) {
    // Another command deleted it between listing and here.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function runProgram(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const command = new Deno.Command(program, {
    args: [...args],
    env: { ...inherited(), ...environment },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  try {
    const { code, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    throw asMarsError("run", program, error);
  }
}

/** Prescribed by Linux: O_RDONLY; O_RDWR with O_EXCL. */
const OPEN_FLAGS: Readonly<Record<DiskAccess, number>> = {
  read: 0,
  exclusive: 0o202,
};

function diskBytes(shim: Shim, disk: string, access: DiskAccess): number {
  const fd = shim.mars_file_open(cString(disk), OPEN_FLAGS[access], 0);
  if (fd < 0) throw new SyscallError("open disk", disk, -fd);
  try {
    const bytes = shim.mars_file_size(fd);
    if (bytes < 0) throw new SyscallError("measure disk", disk, -bytes);
    return bytes;
  } finally {
    shim.mars_file_close(fd);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A second signal ends the program at once. */
function onInterrupt(callback: () => void): Disposable {
  const off = (): void => {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, note);
  };
  const note = (): void => {
    off();
    callback();
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, note);
  return { [Symbol.dispose]: off };
}
