/** Who has a device open: the kernel does not say, but shows each process. */

/**
 * How often processes have `path` open. Mounts and other users inside the
 * kernel are not among them; they claim the device exclusively.
 */
export function openersOf(path: string): number {
  let count = 0;
  for (const process of entriesOf("/proc")) {
    if (!/^\d+$/.test(process)) continue;
    const directory = `/proc/${process}/fd`;
    for (const fd of entriesOf(directory)) {
      if (targetOf(`${directory}/${fd}`) === path) count++;
    }
  }
  return count;
}

function entriesOf(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    // The process has ended, or is none of ours.
    return [];
  }
}

function targetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
