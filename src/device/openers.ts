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

/** This one. */
export const MACHINE: Shown = { proc: "/proc", sys: "/sys" };

/** A process, and how often it has the device or a part of it open. */
export interface Opener {
  readonly pid: number;
  /** Empty if it has ended, or may not be looked at. */
  readonly command: string;
  readonly count: number;
}

/** Ours. Volumes upon volumes; nobody stacks more. */
const STACK_DEPTH_MAX = 8;

/**
 * How often processes have the device or a part of it open, and 1 if the kernel
 * itself uses it.
 */
export function openersOf(deviceId: number, shown = MACHINE): number {
  const name = `ublkb${deviceId}`;
  const processes = processesWith(partsOf(name, shown), shown);
  return processes.reduce(
    (sum, { count }) => sum + count,
    isUsedByKernel(deviceId, shown) ? 1 : 0,
  );
}

/** Whether the kernel uses the device whose number a state file notes. */
export function isNotedOpen(statePath: string, shown = MACHINE): boolean {
  const deviceId = notedId(statePath);
  return deviceId !== undefined && isUsedByKernel(deviceId, shown);
}

/** The number that a state file notes, if there is one. */
export function notedId(statePath: string): number | undefined {
  const number = textOf(statePath).trim();
  return /^\d{1,9}$/.test(number) ? Number(number) : undefined;
}

/** Whether it, or a part of it, is mounted, in a volume, swap, or a loop. */
export function isUsedByKernel(deviceId: number, shown = MACHINE): boolean {
  return kernelUsesOf(deviceId, shown).length > 0;
}

/** The same in words: `mounted on "/srv"`, `used by "vg-data" (swap)`. */
export function kernelUsesOf(deviceId: number, shown = MACHINE): string[] {
  const name = `ublkb${deviceId}`;
  const parts = partsOf(name, shown);
  const mounts = mountsOf(shown);
  const swaps = textOf(`${shown.proc}/swaps`);
  const loops = loopsOf(shown);
  const usesOf = (node: string, place: string, depth: number): string[] => {
    const number = textOf(`${place}/dev`).trim();
    const holders = [
      ...entriesOf(`${place}/holders`),
      ...loops.filter(({ below }) => below === `/dev/${node}`)
        .map(({ name }) => name),
    ];
    return [
      ...mounts.filter((each) => each.number === number).map(mountText),
      ...(swaps.includes(`/dev/${node} `) ? ["swap"] : []),
      ...holders.map((holder) => {
        const above = `${shown.sys}/block/${holder}`;
        const uses = depth === 0 ? [] : usesOf(holder, above, depth - 1);
        const known = textOf(`${above}/dm/name`).trim() || holder;
        return `used by "${known}"` +
          (uses.length === 0 ? "" : ` (${uses.join(", ")})`);
      }),
    ];
  };
  const uses = parts.flatMap((part) =>
    usesOf(
      part,
      `${shown.sys}/block/${part === name ? name : `${name}/${part}`}`,
      STACK_DEPTH_MAX,
    )
  );
  return [...uses, ...btrfsUses(parts, mounts, shown)];
}

/** Processes that have it, a part of it or a volume above it open. */
export function openingProcesses(
  deviceId: number,
  shown = MACHINE,
): Opener[] {
  const nodes = new Set(partsOf(`ublkb${deviceId}`, shown));
  // A set hands out what is added while it is walked through.
  for (const node of nodes) {
    for (const holder of entriesOf(`${shown.sys}/block/${node}/holders`)) {
      nodes.add(holder);
    }
  }
  return processesWith([...nodes], shown);
}

function processesWith(nodes: readonly string[], shown: Shown): Opener[] {
  const paths = new Set(nodes.map((node) => `/dev/${node}`));
  const found: Opener[] = [];
  for (const process of entriesOf(shown.proc)) {
    if (!/^\d+$/.test(process)) continue;
    const directory = `${shown.proc}/${process}/fd`;
    const count = entriesOf(directory).filter((fd) =>
      paths.has(targetOf(`${directory}/${fd}`) ?? "")
    ).length;
    if (count > 0) {
      found.push(openerOf(Number(process), count, shown));
    }
  }
  return found;
}

export function openerOf(
  pid: number,
  count: number,
  { proc } = MACHINE,
): Opener {
  return { pid, count, command: textOf(`${proc}/${pid}/comm`).trim() };
}

interface Mount {
  /** Of the device: "8:1". */
  readonly number: string;
  readonly place: string;
  readonly kind: string;
  readonly source: string;
}

function mountsOf({ proc }: Shown): Mount[] {
  return textOf(`${proc}/self/mountinfo`).split("\n").map((line) => {
    const [head = "", tail = ""] = line.split(" - ");
    const [, , number = "", , place = ""] = head.split(" ");
    const [kind = "", source = ""] = tail.split(" ");
    return { number, place, kind, source };
  }).filter(({ number }) => number !== "");
}

function mountText({ place }: Mount): string {
  // Other odd characters stay as the kernel writes them.
  return `mounted on "${place.replaceAll("\\040", " ")}"`;
}

/** Its mounts have a number of their own. */
function btrfsUses(
  parts: readonly string[],
  mounts: readonly Mount[],
  { sys }: Shown,
): string[] {
  const directory = `${sys}/fs/btrfs`;
  const paths = parts.map((part) => `/dev/${part}`);
  return entriesOf(directory).flatMap((fs) => {
    const devices = entriesOf(`${directory}/${fs}/devices`);
    if (!devices.some((each) => parts.includes(each))) return [];
    const own = mounts.filter(({ kind, source }) =>
      kind === "btrfs" &&
      (paths.includes(source) || paths.includes(targetOf(source) ?? ""))
    );
    // The mount may name another device of the same file system.
    return own.length === 0 ? [`in the btrfs "${fs}"`] : own.map(mountText);
  });
}

function loopsOf({ sys }: Shown): { name: string; below: string }[] {
  return entriesOf(`${sys}/block`).filter((name) => name.startsWith("loop"))
    .map((name) => ({
      name,
      below: textOf(`${sys}/block/${name}/loop/backing_file`).trim(),
    }));
}

/** The device itself, and its partitions. */
function partsOf(name: string, { sys }: Shown): string[] {
  const parts = entriesOf(`${sys}/block/${name}`);
  return [name, ...parts.filter((each) => each.startsWith(`${name}p`))];
}

export function entriesOf(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    // It has ended, is none of ours, or this kernel has no such thing.
    return [];
  }
}

export function targetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

export function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
