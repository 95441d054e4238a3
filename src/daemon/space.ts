/**
 * Space of the file system that holds the tree, and what follows from it.
 *
 *   level  less than      what is given up (`resource/emergency.ts`)
 *       1  four reserves  nothing: it is said
 *       2  three          copies of logs that a secondary can fetch again
 *       3  two            fetch and sync
 *       4  one            logging
 *
 * Source: emergency mode of MARS, as it is documented.
 */
import { statfsSync } from "node:fs";
import { linkPath } from "../tree/path.ts";
import { asMarsError } from "../tree/scan.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseCount } from "../tree/values.ts";

const GIB = 1 << 30;

/**
 * Prescribed by MARS: four reserves. Falling below the sum of the last n of
 * them raises the emergency level.
 */
export const RESERVE_BYTES = 2_000_000_000;
const LEVEL_MAX = 4;
// Ours. With less room a log that has just begun would fail at once, and each
// one costs a hole in the numbers.
const ROOM_BYTES_MIN = 4 * 1024 * 1024;

/** Space of the file system that holds the tree. */
export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Bytes that are kept back, by level: four; 0 is none. */
export type Reserves = readonly number[];

/** Four of one size. */
export function evenReserves(bytes: number): Reserves {
  return Array.from({ length: LEVEL_MAX }, () => bytes);
}

/**
 * Those that are set for a host, the others as in `standard`.
 *
 * Source: `required_free_space_4_gb` … `_1_gb` of MARS.
 */
export function reservesIn(
  snapshot: Snapshot,
  host: string,
  standard: Reserves,
): Reserves {
  return standard.map((bytes, index) =>
    parseCount(
      snapshot.value(linkPath.requiredFreeSpace(host, index + 1)) ?? "",
    ) ?? bytes
  );
}

function sumOf(reserves: Reserves): number {
  return reserves.reduce((sum, bytes) => sum + bytes, 0);
}

/** Level 4 ends logging, level 0 lets it begin again. */
export function emergencyLevel(space: Space, reserves: Reserves): number {
  for (let level = LEVEL_MAX; level > 0; level--) {
    if (space.freeBytes < sumOf(reserves.slice(level - 1))) return level;
  }
  return space.freeBytes < ROOM_BYTES_MIN ? 1 : 0;
}

/** The level over time: rises at once, falls one step per `fall`. */
export class EmergencyWatch {
  #level = 0;

  get level(): number {
    return this.#level;
  }

  look(space: Space, reserves: Reserves): void {
    const level = emergencyLevel(space, reserves);
    this.#level = Math.max(level, this.#level);
  }

  fall(space: Space, reserves: Reserves): void {
    const level = emergencyLevel(space, reserves);
    this.#level = Math.max(level, this.#level - 1);
  }
}

/** Space of the file system that holds `path`. @throws MarsError */
export function spaceOf(path: string): Space {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch (error) {
    throw asMarsError("look at the space of", path, error);
  }
}

/** What is told of the space, and what follows for every resource. */
export interface SpaceFacts {
  /** Beyond the reserves, never negative. */
  readonly restBytes: number;
  readonly totalBytes: number;
  /** Their ratio, a whole number. */
  readonly restPercent: number;
  /** A log of this size is followed by a new one. */
  readonly rotateBytes: number;
}

export function spaceFacts(space: Space, reserves: Reserves): SpaceFacts {
  const net = (bytes: number): number => Math.max(0, bytes - sumOf(reserves));
  const restBytes = net(space.freeBytes);
  const totalBytes = net(space.totalBytes);
  return {
    restBytes,
    totalBytes,
    restPercent: totalBytes === 0
      ? 0
      : Math.floor(restBytes * 100 / totalBytes),
    rotateBytes: rotateBytes(space),
  };
}

/** Whether the file system is larger than its reserves. */
export function hasRoomForReserves(
  space: Space,
  reserves: Reserves,
): boolean {
  return space.totalBytes > sumOf(reserves);
}

// Prescribed by MARS.
const ROTATE_BYTES_MAX = 32 * GIB;
const ROTATE_BYTES_MIN = 1 * GIB;
/** A log has this share of the file system: 3 GiB of 100 GiB. */
const ROTATE_SHARE = 32;

/** A log of this size is followed by a new one, without being asked. */
export function rotateBytes(space: Space): number {
  const shareBytes = Math.floor(space.totalBytes / ROTATE_SHARE);
  return Math.min(ROTATE_BYTES_MAX, Math.max(ROTATE_BYTES_MIN, shareBytes));
}
