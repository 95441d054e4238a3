/** Reading a whole device or disk, and comparing it with what must be there. */
import { MarsError } from "../../base/errors.ts";
import { equalBytes } from "../../base/bytes.ts";
import type { DemoHost } from "./host.ts";
import type { Verdict } from "./ledger.ts";
import { NbdClient } from "./nbd_client.ts";
import type { Volume } from "./opening.ts";
import { BLOCK_BYTES } from "./pattern.ts";
import {
  DISK_BYTES,
  FILE_SYSTEM_BYTES,
  RESOURCE,
  type Stage,
} from "./stage.ts";

const CHUNK_BYTES = 256 * 1024;
const CHUNKS_IN_FLIGHT = 8;

/** All bytes of the device on `host`, through its socket. */
export async function readDevice(
  stage: Stage,
  host: DemoHost,
): Promise<Uint8Array> {
  const socketPath = host.socketPath(RESOURCE);
  const client = await NbdClient.connect(socketPath, RESOURCE);
  const content = new Uint8Array(client.sizeBytes);
  let nextBytes = 0;
  const lane = async (): Promise<void> => {
    while (nextBytes < content.length) {
      const at = nextBytes;
      nextBytes += CHUNK_BYTES;
      content.set(await client.read(at, CHUNK_BYTES), at);
      stage.screen.bar(at / content.length, `reading all of ${host.name}`);
    }
  };
  await Promise.all(Array.from({ length: CHUNKS_IN_FLIGHT }, lane));
  await client.disconnect();
  stage.screen.clearBar();
  return content;
}

/** Everything that is wrong with the content of a device, in blocks. */
export interface Comparison {
  /** Newest write that is in it. */
  readonly lastSequence: number;
  /** Blocks that differ, of the file system and of the writer's region. */
  readonly badCount: number;
  readonly bytes: number;
}

/**
 * Which state a device must have: after the newest write; after the newest one
 * that is in it; the same of the history before a failover.
 */
export type Expected = "all" | "prefix" | "abandoned";

/** Compares every byte. */
export function compareContent(
  stage: Stage,
  content: Uint8Array,
  { volume, which }: { volume: Volume; which: Expected },
): Comparison {
  if (content.length !== DISK_BYTES) {
    throw new MarsError(`Cannot compare: there are ${content.length} bytes`);
  }
  const { ledger } = stage;
  const region = content.subarray(FILE_SYSTEM_BYTES);
  const verdict: Verdict = which === "all"
    ? ledger.compare(region, ledger.lastSequence)
    : ledger.compareWithNewest(
      region,
      which === "prefix" ? "current" : which,
    );
  let badCount = verdict.badCount;
  for (let at = 0; at < FILE_SYSTEM_BYTES; at += BLOCK_BYTES) {
    const isSame = equalBytes(
      content.subarray(at, at + BLOCK_BYTES),
      volume.content.subarray(at, at + BLOCK_BYTES),
    );
    if (!isSame) badCount += 1;
  }
  return {
    lastSequence: verdict.lastSequence,
    badCount,
    bytes: content.length,
  };
}

/** @throws MarsError if any block differs */
export function mustBeEqual(comparison: Comparison, where: string): void {
  if (comparison.badCount === 0) return;
  throw new MarsError(
    `${comparison.badCount} blocks of ${where} are not what was acknowledged`,
  );
}
