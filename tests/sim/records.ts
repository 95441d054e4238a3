// Pure
/**
 * Records and disks of the simulated data plane.
 *
 *   record  16 bytes: number of the write, cell, offset in the log, check
 *   disk    cells of 64 KiB, at the begin of each the number of the newest write
 *
 * Cells are as large as the blocks that a copy compares, so that a disk that is
 * copied while it changes becomes a mixture, as it does in reality.
 */
import { MarsError } from "../../src/base/errors.ts";
import type { ReadStretch } from "../../src/daemon/log_records.ts";
import type { FileOpener } from "../../src/transfer/file.ts";
import type { DiskState } from "./truth.ts";
import type { VolatileFile } from "./volatile_file.ts";

/** The one resource of a cluster, and its disk on every host. */
export const RESOURCE = "r";
export const DISK = "/dev/disk";

export const RECORD_BYTES = 16;
export const CELL_BYTES = 64 * 1024;
export const CELL_COUNT = 17;
export const DISK_BYTES = CELL_BYTES * CELL_COUNT;

export interface SimRecord {
  /** Number of the write; 1 and up, unique in a run. */
  readonly id: number;
  readonly cell: number;
}

export function encodeRecord(
  record: SimRecord,
  offsetBytes: number,
): Uint8Array {
  const { id, cell } = record;
  const words = [id, cell, offsetBytes, checkOf(record, offsetBytes)];
  return new Uint8Array(new Uint32Array(words).buffer);
}

/** Undefined unless a whole record of this place stands there (I11). */
export function decodeRecord(
  bytes: Uint8Array,
  offsetBytes: number,
): SimRecord | undefined {
  const [id = 0, cell = 0, offset, check] = new Uint32Array(
    bytes.slice(0, RECORD_BYTES).buffer,
  );
  const record = { id, cell };
  const isGood = id > 0 && cell < CELL_COUNT && offset === offsetBytes &&
    check === checkOf(record, offsetBytes);
  return isGood ? record : undefined;
}

function checkOf({ id, cell }: SimRecord, offsetBytes: number): number {
  const mixed = Math.imul(id ^ 0x5bd1e995, 0x01000193) ^
    Math.imul(cell + 0x9e3779b9, 0x85ebca6b) ^
    Math.imul(offsetBytes, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

export function writeCell(disk: VolatileFile, record: SimRecord): void {
  const bytes = new Uint8Array(new Uint32Array([record.id]).buffer);
  disk.write(bytes, record.cell * CELL_BYTES);
}

/** What is on a disk now, durable or not. */
export function stateOf(disk: VolatileFile): DiskState {
  const state = new Uint32Array(CELL_COUNT);
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  for (let cell = 0; cell < CELL_COUNT; cell++) {
    disk.read(bytes, cell * CELL_BYTES);
    state[cell] = view.getUint32(0, true);
  }
  return state;
}

/** Reads records of the simulated data plane, as `stretchReader` does real ones. */
export function stretchReader(files: FileOpener): ReadStretch {
  return async ({ path, startBytes, endBytes: end }, onRecord) => {
    const file = await files.open(path, "read");
    try {
      const endBytes = end ?? file.sizeBytes();
      const bytes = new Uint8Array(endBytes - startBytes);
      await file.read(bytes, startBytes);
      for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
        const piece = bytes.subarray(at, at + RECORD_BYTES);
        const record = decodeRecord(piece, startBytes + at);
        if (record === undefined) throw new MarsError("no record there");
        const { id, cell } = record;
        const payload = new Uint8Array(new Uint32Array([id]).buffer);
        onRecord(cell * CELL_BYTES, payload);
      }
    } finally {
      file.close();
    }
  };
}
