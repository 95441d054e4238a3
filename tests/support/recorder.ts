/**
 * A writer that remembers what was acknowledged.
 *
 * Each block carries its own number and a version. After a crash a block must
 * hold the newest acknowledged version, or a later one whose acknowledgement
 * was on its way.
 */
import { MarsError } from "../../src/base/errors.ts";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";

export const BLOCK_BYTES = 4096;

interface Block {
  /** Newest version that was acknowledged. */
  acknowledged: number;
  /** Newest version that was sent. */
  sent: number;
}

/** A small generator, so that a seed repeats a run. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

export class Recorder {
  readonly #blocks: Block[];
  readonly #random: () => number;
  readonly #seed: number;
  #version = 0;
  acknowledgedCount = 0;

  constructor(options: { blockCount: number; seed: number }) {
    this.#blocks = Array.from(
      { length: options.blockCount },
      () => ({ acknowledged: 0, sent: 0 }),
    );
    this.#seed = options.seed;
    this.#random = randomOf(options.seed);
  }

  /** Writes to random blocks, several at a time, until the line is lost. */
  async writeUntilLost(client: NbdClient, depth: number): Promise<void> {
    const lane = async (): Promise<void> => {
      for (;;) await this.writeOne(client);
    };
    const lanes = Array.from({ length: depth }, lane);
    // A lane ends only by an error, and then all of them do.
    await Promise.allSettled(lanes);
  }

  /** @throws MarsError if the write was not acknowledged */
  async writeOne(client: NbdClient): Promise<void> {
    const index = Math.floor(this.#random() * this.#blocks.length);
    const block = this.#blocks[index];
    if (block === undefined) throw new MarsError("No such block");
    const version = ++this.#version;
    block.sent = version;
    await client.write(index * BLOCK_BYTES, contentOf(index, version));
    block.acknowledged = Math.max(block.acknowledged, version);
    this.acknowledgedCount += 1;
  }

  /** @throws MarsError naming the first block that lost something */
  check(disk: Uint8Array): void {
    for (const [index, block] of this.#blocks.entries()) {
      const bytes = disk.subarray(
        index * BLOCK_BYTES,
        (index + 1) * BLOCK_BYTES,
      );
      const version = versionIn(bytes, index);
      const isGood = version !== undefined &&
        version >= block.acknowledged && version <= block.sent;
      if (isGood) {
        // What survived must survive from now on.
        block.acknowledged = version;
        continue;
      }
      throw new MarsError(
        `Block ${index} holds version ${version}, acknowledged is ` +
          `${block.acknowledged}, sent ${block.sent}; seed ${this.#seed}`,
      );
    }
  }

  get sizeBytes(): number {
    return this.#blocks.length * BLOCK_BYTES;
  }
}

/** Number and version, repeated over the whole block. */
function contentOf(index: number, version: number): Uint8Array {
  const words = new Uint32Array(BLOCK_BYTES / 4);
  for (let at = 0; at < words.length; at += 2) {
    words[at] = index;
    words[at + 1] = version;
  }
  return new Uint8Array(words.buffer);
}

/** Version of a block; undefined if it is torn or not ours. */
function versionIn(bytes: Uint8Array, index: number): number | undefined {
  const words = new Uint32Array(bytes.slice().buffer);
  const version = words[1] ?? 0;
  const isEmpty = words.every((word) => word === 0);
  if (isEmpty) return 0;
  for (let at = 0; at < words.length; at += 2) {
    if (words[at] !== index || words[at + 1] !== version) return undefined;
  }
  return version;
}
