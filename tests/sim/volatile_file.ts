// Pure
/**
 * A file whose bytes are volatile until they are flushed.
 *
 * When the power fails, each write since the last flush has happened or not,
 * in any combination, some of them torn between two sectors, and the end of the
 * file is anywhere between the flushed one and the written one. What nobody has
 * written is zero.
 *
 * A medium may rot, too: a bit that is flipped is so for good.
 *
 * Large disks with few written bytes are cheap: only pages that were written
 * exist.
 */
import type { Random } from "./random.ts";

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
/** Of writes that are lost. */
const TORN_SHARE = 0.3;

interface Write {
  readonly offsetBytes: number;
  /** What was there before. */
  readonly old: Uint8Array;
}

export class VolatileFile {
  #lengthBytes: number;
  #durableBytes: number;
  /** Flushes so far; a write during a flush is not covered by it. */
  readonly #pages = new Map<number, Uint8Array>();
  #unflushed: Write[] = [];

  /** The bytes of a new file are zero, and durable. */
  constructor(lengthBytes = 0) {
    this.#lengthBytes = lengthBytes;
    this.#durableBytes = lengthBytes;
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Nothing before this position can be lost. */
  get durableBytes(): number {
    return this.#durableBytes;
  }

  /** Returns how many bytes there were. */
  read(target: Uint8Array, offsetBytes: number): number {
    const endBytes = Math.min(offsetBytes + target.length, this.#lengthBytes);
    target.fill(0);
    for (let at = offsetBytes; at < endBytes;) {
      const index = Math.floor(at / PAGE_BYTES);
      const stop = Math.min(endBytes, (index + 1) * PAGE_BYTES);
      const page = this.#pages.get(index);
      if (page !== undefined) {
        const start = at - index * PAGE_BYTES;
        const piece = page.subarray(start, start + stop - at);
        target.set(piece, at - offsetBytes);
      }
      at = stop;
    }
    return Math.max(0, endBytes - offsetBytes);
  }

  write(source: Uint8Array, offsetBytes: number): void {
    const old = new Uint8Array(source.length);
    this.read(old, offsetBytes);
    this.#unflushed.push({ offsetBytes, old });
    this.#put(source, offsetBytes);
    this.#lengthBytes = Math.max(
      this.#lengthBytes,
      offsetBytes + source.length,
    );
  }

  /** What a flush that begins now will cover; call it when that is over. */
  beginFlush(): () => void {
    const covered = new Set(this.#unflushed);
    const lengthBytes = this.#lengthBytes;
    return () => {
      this.#unflushed = this.#unflushed.filter((write) => !covered.has(write));
      this.#durableBytes = Math.max(
        this.#durableBytes,
        Math.min(lengthBytes, this.#lengthBytes),
      );
    };
  }

  flush(): void {
    this.beginFlush()();
  }

  /** Cuts or lengthens the file, durably. */
  truncate(lengthBytes: number): void {
    for (let at = lengthBytes; at < this.#lengthBytes;) {
      const count = Math.min(PAGE_BYTES, this.#lengthBytes - at);
      this.#put(new Uint8Array(count), at);
      at += count;
    }
    this.#lengthBytes = lengthBytes;
    this.flush();
    this.#durableBytes = lengthBytes;
  }

  /** A disk is made larger; what is new is zero. */
  grow(lengthBytes: number): void {
    this.#lengthBytes = Math.max(this.#lengthBytes, lengthBytes);
    this.#durableBytes = Math.max(this.#durableBytes, lengthBytes);
  }

  /** One bit is wrong from now on. */
  rot(offsetBytes: number, bit: number): void {
    const byte = new Uint8Array(1);
    this.read(byte, offsetBytes);
    byte[0] = (byte[0] ?? 0) ^ (1 << bit);
    this.#put(byte, offsetBytes);
  }

  /** The power fails; what is left is durable. */
  losePower(random: Random): void {
    const lost = this.#unflushed.filter(() => random.chance(0.5));
    for (const { offsetBytes, old } of lost.reverse()) {
      const tornBytes = random.chance(TORN_SHARE)
        ? SECTOR_BYTES - offsetBytes % SECTOR_BYTES
        : 0;
      // Its first sector has come to the medium.
      if (tornBytes < old.length) {
        this.#put(old.subarray(tornBytes), offsetBytes + tornBytes);
      }
    }
    const looseBytes = this.#lengthBytes - this.#durableBytes;
    if (looseBytes > 0 && random.chance(0.7)) {
      this.truncate(this.#durableBytes + random.below(looseBytes + 1));
    }
    this.flush();
    this.#durableBytes = this.#lengthBytes;
  }

  #put(source: Uint8Array, offsetBytes: number): void {
    const endBytes = offsetBytes + source.length;
    for (let at = offsetBytes; at < endBytes;) {
      const index = Math.floor(at / PAGE_BYTES);
      const stop = Math.min(endBytes, (index + 1) * PAGE_BYTES);
      const piece = source.subarray(at - offsetBytes, stop - offsetBytes);
      let page = this.#pages.get(index);
      // Zeroes over a hole leave the hole.
      if (page === undefined && !piece.every((byte) => byte === 0)) {
        page = new Uint8Array(PAGE_BYTES);
        this.#pages.set(index, page);
      }
      page?.set(piece, at - index * PAGE_BYTES);
      at = stop;
    }
  }
}
