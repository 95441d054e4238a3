// Pure
/**
 * Features: which digests and compressions hosts have in common, and which of
 * them are used.
 *
 *   own      every digest and compression that can be read from a log
 *   usable   what this host and all peers it is connected to can read
 *   used     what is written: logs with CRC32C, uncompressed; the digests of a
 *            sync are SHA-256, which has no bit; on lines, of log bytes, the
 *            best that the cluster allows and the asking host can unpack
 *
 * The cluster may forbid digests and allow compressions. What it allows need
 * not be used. A log is the dirty buffer of its writer, who reads it back by
 * position, so it is written uncompressed; and only with the digest that the
 * processor computes. Where that differs from what was asked for, it is said.
 *
 *   bit        0x10000 md5 old   0x20000 md5   0x40000 crc32c   0x80000 crc32
 *              0x100000 sha1     0x1000000 lzo  0x2000000 lz4   0x4000000 zlib
 *              0x8000000 zstd, on lines only
 *
 * Source: `features`, `usable` and `defaults/…` of MARS.
 */
import type { Packing } from "../transfer/body.ts";
import type { LinkValue, Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import {
  type Features,
  formatFeatures,
  parseFeatures,
} from "../tree/values.ts";

// Prescribed by MARS.
const MD5_OLD = 0x1_0000;
const CRC32C = 0x4_0000;
const COMPRESSIONS = 0xf00_0000;
const ZLIB = 0x400_0000;
const ZSTD = 0x800_0000;
/** Hosts with older features have no strategy and name nothing. */
const FEATURES_MIN = 3;

export const OWN_FEATURES: Features = {
  features: 4,
  strategy: 5,
  mask: 0x0f1f_0000,
};

/** What the administrator has set for the whole cluster, as masks. */
export interface Preferences {
  readonly logCompressions: number;
  readonly netCompressions: number;
  readonly disabledLogDigests: number;
}

export function preferencesIn(snapshot: Snapshot): Preferences {
  const mask = (name: string): number =>
    parseMask(snapshot.value(linkPath.defaults(name)) ?? "");
  return {
    logCompressions: mask("enabled-log-compressions"),
    netCompressions: mask("enabled-net-compressions"),
    disabledLogDigests: mask("disabled-log-digests"),
  };
}

/** A mask as `0x03000000`; 0 for anything else. */
export function parseMask(text: string): number {
  return /^0x[0-9a-fA-F]{1,8}$/.test(text) ? Number(text) : 0;
}

/** What this host and `peers` can read, by their `features` in the tree. */
export function usableWith(
  peers: Iterable<string>,
  snapshot: Snapshot,
): Features {
  let { features, strategy, mask } = OWN_FEATURES;
  for (const peer of peers) {
    const text = snapshot.value(linkPath.global(peer, "features")) ?? "";
    const told = parseFeatures(text) ?? { ...OWN_FEATURES, mask: 0 };
    const isOld = told.features < FEATURES_MIN;
    features = Math.min(features, told.features);
    strategy = Math.min(strategy, isOld ? 0 : told.strategy);
    // Bits of 32 make negative numbers, except with an unsigned shift.
    mask = (mask & (isOld ? 0 : told.mask)) >>> 0;
  }
  // Everybody has it.
  return { features, strategy, mask: (mask | MD5_OLD) >>> 0 };
}

/** How bodies may be packed on lines, the best one first. */
export function packingsIn(snapshot: Snapshot): Packing[] {
  const { netCompressions } = preferencesIn(snapshot);
  const packings: Packing[] = [];
  if ((netCompressions & ZSTD) !== 0) packings.push("zstd");
  if ((netCompressions & ZLIB) !== 0) packings.push("zlib");
  return packings;
}

/** Of what the cluster allows, what this host uses with all its peers. */
function usedOnLines(usable: Features, wanted: Preferences): number {
  const both = usable.mask & wanted.netCompressions;
  if ((both & ZSTD) !== 0) return ZSTD;
  return both & ZLIB;
}

/** Links of `host` that tell all this. */
export function featureLinks(
  host: string,
  usable: Features,
  wanted: Preferences,
): LinkValue[] {
  const values = {
    features: formatFeatures(OWN_FEATURES),
    usable: formatFeatures(usable),
    "used-log-digest": String(CRC32C),
    "used-net-digest": "0",
    "used-log-compression": "0",
    "used-net-compression": String(usedOnLines(usable, wanted)),
  };
  return Object.entries(values).map(([name, value]) => ({
    path: linkPath.global(host, name),
    value,
  }));
}

/** What was asked for and is not done. */
export function featureObstacles(
  usable: Features,
  wanted: Preferences,
): Obstacle[] {
  const obstacles: Obstacle[] = [];
  const say = (key: string, text: string): void => {
    obstacles.push({ key, text });
  };
  if ((wanted.disabledLogDigests & CRC32C) !== 0) {
    say(
      "wrn-log-digest",
      "Logs are written with crc32c although it is disabled",
    );
  } else if ((usable.mask & CRC32C) === 0) {
    say(
      "wrn-log-digest",
      "Logs are written with crc32c although a connected peer does not name it",
    );
  }
  if ((wanted.logCompressions & COMPRESSIONS) !== 0) {
    say(
      "inf-log-compression",
      "Logs are written uncompressed although compression is enabled",
    );
  }
  const isPossible = (wanted.netCompressions & (ZSTD | ZLIB)) !== 0;
  if ((wanted.netCompressions & COMPRESSIONS) !== 0 && !isPossible) {
    say(
      "inf-net-compression",
      "Lines do not compress although compression is enabled: of COMPRESS_ZSTD and COMPRESS_ZLIB neither is",
    );
  }
  return obstacles;
}
