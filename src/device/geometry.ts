/**
 * Sector sizes of a disk, as the kernel knows them.
 *
 * A regular file has none; a device on it pretends to have those of an ordinary
 * disk.
 *
 * Source: queue attributes below /sys/dev/block.
 */

export interface Geometry {
  /** What a request is a multiple of: 512 to 4096, a power of two. */
  readonly logicalBlockBytes: number;
  /** What the disk writes at once; not below the logical one. */
  readonly physicalBlockBytes: number;
}

const ORDINARY: Geometry = { logicalBlockBytes: 512, physicalBlockBytes: 4096 };
/** A record of the log holds no more, so no device may promise more. */
const BLOCK_BYTES_MAX = 4096;
const BLOCK_BYTES_MIN = 512;

/** @param sysfs where block devices are, by number */
export function geometryOf(
  path: string,
  sysfs = "/sys/dev/block",
): Geometry {
  const device = deviceNumberOf(path);
  if (device === undefined) return ORDINARY;
  const attribute = (name: string): number | undefined =>
    // A partition has the queue of its disk.
    numberIn(`${sysfs}/${device}/queue/${name}`) ??
      numberIn(`${sysfs}/${device}/../queue/${name}`);
  const logical = attribute("logical_block_size");
  if (logical === undefined || !isBlockSize(logical)) return ORDINARY;
  const physical = attribute("physical_block_size") ?? logical;
  return {
    logicalBlockBytes: logical,
    physicalBlockBytes: isBlockSize(physical)
      ? Math.max(logical, physical)
      : Math.max(logical, BLOCK_BYTES_MAX),
  };
}

function isBlockSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= BLOCK_BYTES_MIN &&
    bytes <= BLOCK_BYTES_MAX;
}

/** `8:1`; undefined for what is no block device. */
function deviceNumberOf(path: string): string | undefined {
  const { isBlockDevice, rdev } = Deno.statSync(path);
  if (isBlockDevice !== true || rdev === null) return undefined;
  // Prescribed by Linux: 12 bits of major, 20 of minor, the latter in two parts.
  const major = rdev >> 8 & 0xfff;
  const minor = rdev & 0xff | rdev >> 12 & 0xfff00;
  return `${major}:${minor}`;
}

function numberIn(path: string): number | undefined {
  try {
    return Number(Deno.readTextFileSync(path));
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isMissing) return undefined;
    throw error;
  }
}
