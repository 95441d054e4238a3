/**
 * Bytes of a verification: what is fetched, with its window of the log, and
 * records that are applied to it.
 */
import { assert } from "../base/assert.ts";
import { FormatError } from "../base/errors.ts";
import type { RpcReply } from "../peer/rpc.ts";
import type { Position } from "../resource/view.ts";
import { parseReplay } from "../tree/values.ts";
import type { Extent } from "./digest.ts";

// Ours: memory of one verification, and how long replay may rest at a time.
const GROUP_BYTES = 8 * 1024 * 1024;

/** Bytes of the peer's disk and the window in which they were read. */
export interface Fetched {
  readonly runs: readonly { extent: Extent; bytes: Uint8Array }[];
  readonly from: Position;
  readonly upTo: Position;
}

/** @throws FormatError, also for a peer that is too old to know */
export function positionIn(reply: RpcReply, name: "from" | "upTo"): Position {
  const text = reply.params[name];
  const value = typeof text === "string" ? parseReplay(text) : undefined;
  if (value !== undefined) return { log: value.log, bytes: value.startBytes };
  throw new FormatError(
    "Cannot verify: the peer does not tell at which position it has read",
  );
}

/** Pages in groups of at most GROUP_BYTES. */
export function groupsOf(pages: readonly Extent[]): Extent[][] {
  const groups: Extent[][] = [];
  let roomBytes = 0;
  for (const page of pages) {
    if (page.lengthBytes > roomBytes) {
      groups.push([]);
      roomBytes = GROUP_BYTES;
    }
    groups.at(-1)?.push(page);
    roomBytes -= page.lengthBytes;
  }
  return groups;
}

/** Applies a record to what was fetched; `runs` are in disk order. */
export function redo(
  runs: Fetched["runs"],
  offsetBytes: number,
  payload: Uint8Array,
): void {
  const endBytes = offsetBytes + payload.length;
  // The first run that ends behind the begin of the record.
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const extent = runs[middle]?.extent;
    assert(extent !== undefined, "an index inside");
    if (extent.offsetBytes + extent.lengthBytes > offsetBytes) high = middle;
    else low = middle + 1;
  }
  for (let index = low; index < runs.length; index++) {
    const run = runs[index];
    assert(run !== undefined, "an index inside");
    const { extent, bytes } = run;
    if (extent.offsetBytes >= endBytes) return;
    const startBytes = Math.max(offsetBytes, extent.offsetBytes);
    const stopBytes = Math.min(
      endBytes,
      extent.offsetBytes + extent.lengthBytes,
    );
    bytes.set(
      payload.subarray(startBytes - offsetBytes, stopBytes - offsetBytes),
      startBytes - extent.offsetBytes,
    );
  }
}
