/**
 * Who has a block device of ublk open. The kernel does not say, but it shows
 * processes, mounts, volumes, swap and loop devices.
 *
 * Nothing here opens the device. Whoever does may wait for I/O of somebody else,
 * as while a partition table is read; and a thread that serves the device would
 * then wait for itself.
 *
 * What this host does not show stays unseen: a mount that only another mount
 * namespace has, a journal apart from its file system. So whoever ends a device
 * also asks the kernel to give it to nobody else.
 *
 * Source: proc(5); sysfs-block and sysfs-fs-btrfs of Documentation/ABI of Linux.
 */

/** Where the kernel shows what there is. */
export interface Shown {
  readonly proc: string;
  readonly sys: string;
}

const MACHINE: Shown = { proc: "/proc", sys: "/sys" };

/**
 * How often processes have the device or a part of it open, and 1 if the kernel
 * itself uses it.
 */
export function openersOf(deviceId: number, shown = MACHINE): number {
  const name = `ublkb${deviceId}`;
  const paths = new Set(
    partsOf(name, shown).map((part) => `/dev/${part}`),
  );
  let count = isUsedByKernel(deviceId, shown) ? 1 : 0;
  for (const process of entriesOf(shown.proc)) {
    if (!/^\d+$/.test(process)) continue;
    const directory = `${shown.proc}/${process}/fd`;
    for (const fd of entriesOf(directory)) {
      if (paths.has(targetOf(`${directory}/${fd}`) ?? "")) count++;
    }
  }
  return count;
}

/** Whether the kernel uses the device whose number a state file notes. */
export function isNotedOpen(statePath: string, shown = MACHINE): boolean {
  const number = textOf(statePath).trim();
  return /^\d{1,9}$/.test(number) && isUsedByKernel(Number(number), shown);
}

/** Whether it, or a part of it, is mounted, in a volume, swap, or a loop. */
export function isUsedByKernel(deviceId: number, shown = MACHINE): boolean {
  const { proc, sys } = shown;
  const name = `ublkb${deviceId}`;
  const parts = partsOf(name, shown);
  const mounts = textOf(`${proc}/self/mountinfo`);
  const swaps = textOf(`${proc}/swaps`);
  for (const part of parts) {
    const place = `${sys}/block/${part === name ? name : `${name}/${part}`}`;
    if (entriesOf(`${place}/holders`).length > 0) return true;
    const number = textOf(`${place}/dev`).trim();
    if (number !== "" && mounts.includes(` ${number} `)) return true;
    if (swaps.includes(`/dev/${part} `)) return true;
  }
  return isInBtrfs(parts, sys) || isUnderLoop(parts, sys);
}

/** Its mounts have a number of their own. */
function isInBtrfs(parts: readonly string[], sys: string): boolean {
  const directory = `${sys}/fs/btrfs`;
  return entriesOf(directory).some((fs) => {
    const devices = entriesOf(`${directory}/${fs}/devices`);
    return devices.some((each) => parts.includes(each));
  });
}

function isUnderLoop(parts: readonly string[], sys: string): boolean {
  return entriesOf(`${sys}/block`).some((name) => {
    if (!name.startsWith("loop")) return false;
    const below = textOf(`${sys}/block/${name}/loop/backing_file`).trim();
    return parts.some((part) => below === `/dev/${part}`);
  });
}

/** The device itself, and its partitions. */
function partsOf(name: string, { sys }: Shown): string[] {
  const parts = entriesOf(`${sys}/block/${name}`);
  return [name, ...parts.filter((each) => each.startsWith(`${name}p`))];
}

function entriesOf(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    // It has ended, is none of ours, or this kernel has no such thing.
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

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
