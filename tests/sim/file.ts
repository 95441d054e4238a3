// Pure
/**
 * A file or disk in memory, with a page cache that a power cut loses.
 *
 * `read` and `write` see the cache. What was written since the last flush is
 * kept per sector, every version of it: a power cut may leave any of them, each
 * sector independently of the others.
 */
import { Random } from "./random.ts";

export const SIM_SECTOR_BYTES = 512;

interface Version {
  readonly stamp: number;
  readonly bytes: Uint8Array;
}

interface SizeVersion {
  readonly stamp: number;
  readonly sizeBytes: number;
}

export class SimFile {
  #cache: Uint8Array;
  #sizeBytes: number;
  #durable: Uint8Array;
  #durableSizeBytes: number;
  readonly #versions = new Map<number, Version[]>();
  #sizes: SizeVersion[] = [];
  #stamp = 0;

  /** A file with durable content. */
  constructor(content: Uint8Array) {
    this.#cache = content.slice();
    this.#durable = content.slice();
    this.#sizeBytes = content.length;
    this.#durableSizeBytes = content.length;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Stamp of the last change; a flush that begins now covers it. */
  get stamp(): number {
    return this.#stamp;
  }

  /** What a reader sees. */
  content(): Uint8Array {
    return this.#cache.slice(0, this.#sizeBytes);
  }

  /** Copies bytes out; returns how many there were. */
  read(target: Uint8Array, offsetBytes: number): number {
    const end = Math.min(offsetBytes + target.length, this.#sizeBytes);
    if (end <= offsetBytes) return 0;
    target.set(this.#cache.subarray(offsetBytes, end));
    return end - offsetBytes;
  }

  write(source: Uint8Array, offsetBytes: number): void {
    if (source.length === 0) return;
    const end = offsetBytes + source.length;
    this.#cache = grown(this.#cache, end);
    this.#cache.set(source, offsetBytes);
    this.#stamp++;
    if (end > this.#sizeBytes) {
      this.#sizeBytes = end;
      this.#sizes.push({ stamp: this.#stamp, sizeBytes: end });
    }
    const firstSector = Math.floor(offsetBytes / SIM_SECTOR_BYTES);
    const endSector = Math.ceil(end / SIM_SECTOR_BYTES);
    for (let sector = firstSector; sector < endSector; sector++) {
      const versions = this.#versions.get(sector) ?? [];
      versions.push({ stamp: this.#stamp, bytes: this.#sectorOf(sector) });
      this.#versions.set(sector, versions);
    }
  }

  /** Makes durable what was written up to `stamp`. */
  flush(stamp: number): void {
    for (const [sector, versions] of this.#versions) {
      const covered = versions.filter((version) => version.stamp <= stamp);
      const newest = covered.at(-1);
      if (newest !== undefined) this.#settle(sector, newest.bytes);
      this.#keepNewer(sector, versions, stamp);
    }
    const size = this.#sizes.findLast((entry) => entry.stamp <= stamp);
    if (size !== undefined) this.#durableSizeBytes = size.sizeBytes;
    this.#sizes = this.#sizes.filter((entry) => entry.stamp > stamp);
  }

  /**
   * A flush that failed: the kernel calls the pages clean. They never become
   * durable, and they may leave the cache, which then holds the old bytes.
   */
  failFlush(stamp: number, isDropped: boolean): void {
    for (const [sector, versions] of this.#versions) {
      const isRewritten = versions.some((version) => version.stamp > stamp);
      this.#keepNewer(sector, versions, stamp);
      if (!isDropped || isRewritten) continue;
      const start = sector * SIM_SECTOR_BYTES;
      this.#cache = grown(this.#cache, start + SIM_SECTOR_BYTES);
      this.#durable = grown(this.#durable, start + SIM_SECTOR_BYTES);
      this.#cache.set(
        this.#durable.subarray(start, start + SIM_SECTOR_BYTES),
        start,
      );
    }
  }

  /** Cuts the file, durably. */
  truncate(lengthBytes: number): void {
    this.#stamp++;
    this.#sizeBytes = lengthBytes;
    this.#durableSizeBytes = Math.min(this.#durableSizeBytes, lengthBytes);
    this.#cache = grown(this.#cache, lengthBytes);
    this.#cache.fill(0, lengthBytes);
    this.#durable.fill(0, Math.min(lengthBytes, this.#durable.length));
    this.#sizes = this.#sizes.filter((entry) => entry.sizeBytes <= lengthBytes);
    for (const [sector, versions] of this.#versions) {
      const start = sector * SIM_SECTOR_BYTES;
      if (start >= lengthBytes) this.#versions.delete(sector);
      for (const { bytes } of versions) {
        bytes.fill(0, Math.min(SIM_SECTOR_BYTES, lengthBytes - start));
      }
    }
  }

  /** The file as a death of the process leaves it: nothing is lost. */
  copy(): SimFile {
    const copy = new SimFile(new Uint8Array(0));
    copy.#cache = this.#cache.slice();
    copy.#sizeBytes = this.#sizeBytes;
    copy.#durable = this.#durable.slice();
    copy.#durableSizeBytes = this.#durableSizeBytes;
    copy.#sizes = [...this.#sizes];
    copy.#stamp = this.#stamp;
    for (const [sector, versions] of this.#versions) {
      copy.#versions.set(
        sector,
        versions.map(({ stamp, bytes }) => ({ stamp, bytes: bytes.slice() })),
      );
    }
    return copy;
  }

  /**
   * The file as a power cut leaves it: of each sector the durable bytes or any
   * later version, rarely a mix of two if it tears; any size between; where the size has
   * become durable and the bytes have not, zeroes or garbage.
   */
  afterPowerCut(random: Random, tears: boolean): SimFile {
    const size = this.#sizes[random.below(this.#sizes.length + 1)]?.sizeBytes ??
      this.#durableSizeBytes;
    const bytes = grown(
      this.#durable.slice(),
      this.#cache.length + SIM_SECTOR_BYTES,
    );
    // Often all is lost or nothing, else the mean would be all one ever sees.
    const keptShare = [0, 0.5, 0.9, 1][random.below(4)] ?? 0;
    for (const [sector, versions] of this.#versions) {
      const start = sector * SIM_SECTOR_BYTES;
      const target = bytes.subarray(start, start + SIM_SECTOR_BYTES);
      if (random.chance(keptShare)) {
        const version = random.chance(0.7)
          ? versions.at(-1)
          : versions[random.below(versions.length)];
        const tornAt = tears && random.chance(0.05)
          ? random.below(SIM_SECTOR_BYTES)
          : SIM_SECTOR_BYTES;
        if (version !== undefined) {
          target.set(version.bytes.subarray(0, tornAt));
        }
      } else if (start >= this.#durableSizeBytes && random.chance(0.2)) {
        target.fill(random.below(256));
      }
    }
    return new SimFile(grown(bytes, size).slice(0, size));
  }

  #sectorOf(sector: number): Uint8Array {
    const start = sector * SIM_SECTOR_BYTES;
    const bytes = new Uint8Array(SIM_SECTOR_BYTES);
    bytes.set(this.#cache.subarray(start, start + SIM_SECTOR_BYTES));
    return bytes;
  }

  #settle(sector: number, bytes: Uint8Array): void {
    const start = sector * SIM_SECTOR_BYTES;
    this.#durable = grown(this.#durable, start + SIM_SECTOR_BYTES);
    this.#durable.set(bytes, start);
  }

  #keepNewer(
    sector: number,
    versions: readonly Version[],
    stamp: number,
  ): void {
    const newer = versions.filter((version) => version.stamp > stamp);
    if (newer.length === 0) this.#versions.delete(sector);
    else this.#versions.set(sector, newer);
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length >= length) return bytes;
  const larger = new Uint8Array(Math.max(length, 2 * bytes.length));
  larger.set(bytes);
  return larger;
}
