/**
 * The disks of this host, as far as peers may read them.
 *
 *   disk.digests  resource, offsetBytes, lengthBytes, blockBytes, seed
 *                 -> body: DIGEST_BYTES per block, the last may be shorter;
 *                    `isKeyed` if they are made with the seed
 *   disk.read     resource, offsetBytes, lengthBytes  -> body: the bytes
 *
 * Both answer the window of the log in which the disk was read, as `from` and
 * `upTo`, positions in the form of a replay link: everything before `from` was
 * on the disk when reading began, nothing from `upTo` on when it had ended.
 * A peer whose host does not say so is answered none.
 *
 * Memory is bounded by a gate, for all peers together.
 */
import { MarsError } from "../base/errors.ts";
import {
  EMPTY_BODY,
  type JsonObject,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import {
  COARSE_BYTES,
  Digester,
  type Digestible,
  type Extent,
  FINE_BYTES,
  readExactly,
  type Seed,
  SEED_BYTES,
} from "./digest.ts";
import { Gate } from "./gate.ts";
import { countParam, textParam } from "./params.ts";

/** One call for plain digests covers at most this. */
export const EXTENT_BYTES = 4 * 1024 * 1024;
/** One for keyed digests, for which nothing has to be held in memory. */
export const KEYED_EXTENT_BYTES = 16 * 1024 * 1024;
/** One call for bytes covers at most this. */
export const READ_BYTES_MAX = 1024 * 1024;

// Ours. Disks are busy with a few reads at once; more would only need memory.
const EXTENTS_SERVED = 4;

/** A disk as a peer may read it. */
export interface SourceDisk extends Digestible {
  readonly sizeBytes: number;
  /** Ends of the window, now; see above. @throws MarsError if it must not be read */
  position(end: "from" | "upTo"): string;
  /** Called once per `open`. */
  close(): void;
}

/** The disks of this host, as far as peers may read them. */
export interface DiskSource {
  /** @throws MarsError if `peer` may not read it, or it is not here */
  open(resource: string, peer: string): Promise<SourceDisk>;
}

/** Handlers that serve the disks of this host. */
export function diskHandlers(source: DiskSource): RpcHandlers {
  const gate = new Gate(EXTENTS_SERVED);
  const digester = new Digester();
  const serve = async (
    call: RpcCall,
    lengthMax: number,
    answer: (disk: SourceDisk, extent: Extent) => Promise<Uint8Array>,
  ): Promise<RpcReply> => {
    const extent = extentOf(call, lengthMax);
    const resource = textParam(call.params, "resource");
    return await gate.pass(async () => {
      // The line may have been lost while the call waited.
      if (call.signal.aborted) return { params: {}, body: EMPTY_BODY };
      const disk = await source.open(resource, call.peer);
      try {
        checkInside(disk, extent, resource);
        const from = disk.position("from");
        const body = await answer(disk, extent);
        const params: JsonObject = {
          from,
          upTo: disk.position("upTo"),
          isKeyed: seedOf(call) !== undefined,
        };
        return { params, body };
      } finally {
        disk.close();
      }
    });
  };
  return {
    "disk.digests": (call) =>
      serve(call, lengthMaxOf(call), async (disk, extent) => {
        const blockBytes = countParam(call.params, "blockBytes");
        const isBlock = blockBytes >= FINE_BYTES && blockBytes <= COARSE_BYTES;
        if (!isBlock) throw new MarsError("Cannot digest: illegal block size");
        const seed = seedOf(call);
        return await digester.digests(disk, extent, { blockBytes, seed });
      }),
    "disk.read": async (call) => {
      // Before the gate: what a slow peer waits for must not hold up others.
      const buffer = await call.buffer();
      return await serve(
        call,
        READ_BYTES_MAX,
        (disk, extent) => readExactly(disk, extent, buffer),
      );
    },
  };
}

function lengthMaxOf(call: RpcCall): number {
  return call.params["seed"] === undefined ? EXTENT_BYTES : KEYED_EXTENT_BYTES;
}

/** As hexadecimal digits; peers that are older have none. */
function seedOf(call: RpcCall): Seed {
  const text = call.params["seed"];
  if (text === undefined) return undefined;
  const isSeed = typeof text === "string" &&
    text.length === 2 * SEED_BYTES && /^[0-9a-f]*$/.test(text);
  if (!isSeed) throw new MarsError("Cannot digest: illegal seed");
  return Uint8Array.fromHex(text);
}

function extentOf(call: RpcCall, lengthMax: number): Extent {
  const offsetBytes = countParam(call.params, "offsetBytes");
  const lengthBytes = countParam(call.params, "lengthBytes");
  if (lengthBytes >= 1 && lengthBytes <= lengthMax) {
    return { offsetBytes, lengthBytes };
  }
  throw new MarsError(
    `Cannot read a disk: ${lengthBytes} bytes at once, at most ${lengthMax}`,
  );
}

function checkInside(disk: SourceDisk, extent: Extent, resource: string): void {
  const endBytes = extent.offsetBytes + extent.lengthBytes;
  if (endBytes <= disk.sizeBytes) return;
  throw new MarsError(
    `Cannot read the disk of "${resource}": byte ${endBytes} is behind its ` +
      `end, ${disk.sizeBytes}`,
  );
}
