/** What a daemon holds now: its memory, files, threads, and what is in /mars. */
import { assert } from "@std/assert";
import type { Host } from "../support/hosts.ts";
import type { MeasureName } from "./trend.ts";

const MB = 1_000_000;
const BYTES_PER_KB = 1024;

export type Sample = Readonly<Record<MeasureName, number>>;

export function sampleOf(host: Host): Sample {
  const status = Deno.readTextFileSync(`/proc/${host.pid}/status`);
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const pool = poolSize(host.pid);
  const tree = { links: 0, logs: 0, bytes: 0 };
  count(host.marsDir, tree);
  return {
    memory: field("VmRSS") * BYTES_PER_KB / MB,
    files: [...Deno.readDirSync(`/proc/${host.pid}/fd`)].length,
    heap: heapOf(host),
    threads: field("Threads") - pool,
    pool,
    links: tree.links,
    logs: tree.logs,
    logBytes: tree.bytes / MB,
  };
}

/** As the daemon tells itself, every few seconds. */
function heapOf(host: Host): number {
  const info = Deno.readTextFileSync(`${host.directory}/run/control/info`);
  const heap = Number(/^heap (\S+) of/m.exec(info)?.[1]);
  assert(heap > 0, `${host.name} tells its heap: ${info}`);
  return heap;
}

/** Prescribed by the runtime, as long as the kernel keeps it. */
const POOL_THREAD = "tokio-runtime-w";

function poolSize(pid: number): number {
  let size = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    if (nameOf(`/proc/${pid}/task/${name}/comm`) === POOL_THREAD) size++;
  }
  return size;
}

/** Empty of one that has ended meanwhile. */
function nameOf(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

function count(
  directory: string,
  tree: { links: number; logs: number; bytes: number },
): void {
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    // Of each kind of message one stays, once it has been raised.
    if (entry.name.startsWith("msg-")) continue;
    if (entry.isSymlink) tree.links++;
    else if (entry.isDirectory) count(path, tree);
    else {
      tree.logs++;
      tree.bytes += sizeOf(path);
    }
  }
}

/** 0 of one that was deleted meanwhile. */
function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
