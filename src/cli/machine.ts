/**
 * What commands of a cluster need of the machine besides the tree: its name,
 * its addresses, its file system, and the way to others by ssh.
 *
 * Part of `Effects`; a simulated host has its own.
 */
import { dirname } from "@std/path";
import { MarsError, messageOf } from "../base/errors.ts";
import type { Settings } from "../base/settings.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { ReadOnlyTree } from "../tree/store.ts";
import { inherited } from "./programs.ts";

/** What a program on another host did. */
export interface SshOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host as an ssh client is told to find it. */
export interface SshTarget {
  readonly destination: string;
  readonly port: number;
  /** Further options. */
  readonly options: readonly string[];
  readonly timeoutMs: number;
}

export interface MachineEffects {
  /** The name of this machine, whichever host a command acts as. */
  readonly realHost: () => string;
  /** What the root of the tree is. */
  readonly root: () => "mount point" | "directory" | "missing";
  /** Gives the root to its owner alone; whether that was needed. */
  readonly closeRoot: () => boolean;
  /** Links of a tree inside the tree, a probe or a backup; if it is there. */
  readonly lookInto: (directory: string) => Snapshot | undefined;
  /** Puts a link aside; `path` is absolute, parents are made. */
  readonly saveLink: (path: string, value: string) => void;
  /** Removes a directory of the tree with everything in it. */
  readonly removeDirectory: (directory: string) => void;
  /** The first IPv4 address that is not of this host alone. */
  readonly interfaceAddress: () => string | undefined;
  /** The address of a name, as this machine resolves it. */
  readonly resolve: (name: string) => Promise<string | undefined>;
  /** Runs a line of shell on another host. @throws MarsError */
  readonly ssh: (target: SshTarget, line: string) => Promise<SshOutcome>;
}

/** Bits of a mode that let others than the owner at a directory. */
const OTHERS_MASK = 0o077;
const OWNER_MASK = 0o700;

export function machineEffects(settings: Settings): MachineEffects {
  const { marsDir } = settings;
  return {
    realHost: () =>
      Deno.env.get("MARS_HOST") ?? Deno.hostname().split(".")[0] ?? "",
    root: () => rootOf(marsDir),
    closeRoot: () => {
      const { mode } = Deno.statSync(marsDir);
      if (mode === null || (mode & OTHERS_MASK) === 0) return false;
      Deno.chmodSync(marsDir, OWNER_MASK);
      return true;
    },
    lookInto: (directory) => lookInto(`${marsDir}/${directory}`),
    saveLink: (path, value) => {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: OWNER_MASK });
      Deno.symlinkSync(value, path);
    },
    removeDirectory: (directory) => removeDirectory(marsDir, directory),
    interfaceAddress: () =>
      Deno.networkInterfaces().find((item) =>
        item.family === "IPv4" && !item.address.startsWith("127.")
      )?.address,
    resolve,
    ssh: runSsh,
  };
}

function rootOf(path: string): "mount point" | "directory" | "missing" {
  try {
    const { isDirectory, dev } = Deno.statSync(path);
    if (!isDirectory) return "missing";
    return dev === Deno.statSync(dirname(path)).dev
      ? "directory"
      : "mount point";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    throw error;
  }
}

function lookInto(path: string): Snapshot | undefined {
  try {
    if (!Deno.statSync(path).isDirectory) return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return ReadOnlyTree.read(path);
}

/** At once for everybody else, who may be writing into it. */
function removeDirectory(marsDir: string, directory: string): void {
  const draft = `${marsDir}/.tmp.${Deno.pid}.${directory}`;
  try {
    Deno.renameSync(`${marsDir}/${directory}`, draft);
  } catch (error) {
    // Nobody has made it.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  Deno.removeSync(draft, { recursive: true });
}

async function resolve(name: string): Promise<string | undefined> {
  // Only here: no other command pays for it.
  const { lookup } = await import("node:dns/promises");
  try {
    return (await lookup(name)).address;
  } catch {
    // Unknown, or nobody to ask: for who wants an address it is the same.
    return undefined;
  }
}

async function runSsh(target: SshTarget, line: string): Promise<SshOutcome> {
  const { destination, port, options, timeoutMs } = target;
  const deadline = new AbortController();
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(() => deadline.abort(), timeoutMs)
    : undefined;
  try {
    const output = await new Deno.Command("ssh", {
      args: ["-p", String(port), ...options, "--", destination, line],
      env: inherited(),
      clearEnv: true,
      // It asks for a password at the terminal, not here.
      stdin: "null",
      signal: deadline.signal,
    }).output();
    const decoder = new TextDecoder();
    const stderr = decoder.decode(output.stderr);
    return {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: deadline.signal.aborted
        ? `no answer in ${timeoutMs} ms\n${stderr}`
        : stderr,
    };
  } catch (error) {
    throw new MarsError(`Cannot run ssh: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}
