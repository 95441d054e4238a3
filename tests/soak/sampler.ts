/** What a daemon holds now: its memory, files, threads, and what is in /mars. */
import type { Host } from "../support/hosts.ts";
import type { MeasureName } from "./trend.ts";

const MB = 1_000_000;
const BYTES_PER_KB = 1024;

export type Sample = Readonly<Record<MeasureName, number>>;

export function sampleOf(host: Host): Sample {
  const status = Deno.readTextFileSync(`/proc/${host.pid}/status`);
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const tree = { links: 0, logs: 0, bytes: 0 };
  count(host.marsDir, tree);
  return {
    memory: field("VmRSS") * BYTES_PER_KB / MB,
    files: [...Deno.readDirSync(`/proc/${host.pid}/fd`)].length,
    threads: field("Threads"),
    links: tree.links,
    logs: tree.logs,
    logBytes: tree.bytes / MB,
  };
}

function count(
  directory: string,
  tree: { links: number; logs: number; bytes: number },
): void {
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
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
