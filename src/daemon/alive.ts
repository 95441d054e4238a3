/**
 * Alive: the links that say that this host lives, and what it is.
 *
 *   each few seconds   time, alive
 *   when it changes    tree, features, usable, buildtag, emergency,
 *                      rest-space, total-space, used-…
 *
 * Source: `actual-<host>/*` of MARS.
 */
import { statfsSync } from "node:fs";
import type { LinkValue } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import { formatFeatures, formatStamp } from "../tree/values.ts";

/** Prescribed by MARS. */
export const TREE_VERSION = "0.1";
/** Every digest and compression that can be read: bits of the features mask. */
const FEATURES = { features: 4, strategy: 5, mask: 0x071f_0000 };
/** Bit of CRC32C, which we write. */
const DIGEST_CRC32C = 0x4_0000;

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

/**
 * Level 4 ends logging, level 0 lets it begin again.
 *
 * @param reserveBytes size of each of the four reserves; 0 for none
 */
export function emergencyLevel(space: Space, reserveBytes: number): number {
  for (let level = LEVEL_MAX; level > 0; level--) {
    const reserves = LEVEL_MAX - level + 1;
    if (space.freeBytes < reserves * reserveBytes) return level;
  }
  return space.freeBytes < ROOM_BYTES_MIN ? 1 : 0;
}

/** The level over time: rises at once, falls one step per `fall`. */
export class EmergencyWatch {
  readonly #reserveBytes: number;
  #level = 0;

  constructor(reserveBytes: number) {
    this.#reserveBytes = reserveBytes;
  }

  get level(): number {
    return this.#level;
  }

  look(space: Space): void {
    const level = emergencyLevel(space, this.#reserveBytes);
    this.#level = Math.max(level, this.#level);
  }

  fall(space: Space): void {
    const level = emergencyLevel(space, this.#reserveBytes);
    this.#level = Math.max(level, this.#level - 1);
  }
}

export function spaceOf(path: string): Space {
  const status = statfsSync(path);
  return {
    freeBytes: status.bavail * status.bsize,
    totalBytes: status.blocks * status.bsize,
  };
}

export interface AliveFacts {
  readonly host: string;
  readonly buildTag: string;
  readonly stampNs: bigint;
  readonly isRunning: boolean;
  readonly space: Space;
  readonly reserveBytes: number;
  readonly emergencyLevel: number;
}

/** Links that are written again each time. */
export function aliveLinks(facts: AliveFacts): LinkValue[] {
  return [
    {
      path: linkPath.global(facts.host, "time"),
      value: formatStamp(facts.stampNs),
    },
    {
      path: linkPath.global(facts.host, "alive"),
      value: facts.isRunning ? "1" : "0",
    },
  ];
}

/** Links that are written when their value has changed. */
export function nameplateLinks(facts: AliveFacts): LinkValue[] {
  const features = formatFeatures(FEATURES);
  const netGib = (bytes: number): string =>
    String(
      Math.max(0, Math.floor((bytes - LEVEL_MAX * facts.reserveBytes) / GIB)),
    );
  const values = {
    tree: TREE_VERSION,
    features,
    usable: features,
    buildtag: facts.buildTag,
    emergency: String(facts.emergencyLevel),
    "rest-space": netGib(facts.space.freeBytes),
    "total-space": netGib(facts.space.totalBytes),
    "used-log-digest": String(DIGEST_CRC32C),
    "used-net-digest": String(DIGEST_CRC32C),
    "used-log-compression": "0",
    "used-net-compression": "0",
  };
  return Object.entries(values).map(([name, value]) => ({
    path: linkPath.global(facts.host, name),
    value,
  }));
}
