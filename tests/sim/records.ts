// Pure
/**
 * Records and disks of the simulated data plane.
 *
 *   record  a record of the production format; its payload is the number of
 *           the write and the cell that it goes to
 *   disk    cells of 64 KiB, at the begin of each the newest payload
 *
 * Cells are as large as the blocks that a copy compares, so that a disk that is
 * copied while it changes becomes a mixture, as it does in reality.
 */
import { portableCrc32c } from "../../src/log/checksum.ts";
import {
  encodeRecord as encodeLogRecord,
  RECORD_CODE,
  RECORD_OVERHEAD_BYTES,
} from "../../src/log/record.ts";
import { LogScanner } from "../../src/log/scanner.ts";
import type { Verdict } from "../../src/log/verdict.ts";
import type { DiskState } from "./truth.ts";
import type { VolatileFile } from "./volatile_file.ts";

/** The one resource of a cluster, and its disk on every host. */
export const RESOURCE = "r";
export const DISK = "/dev/disk";

const PAYLOAD_BYTES = 8;
export const RECORD_BYTES = RECORD_OVERHEAD_BYTES + PAYLOAD_BYTES;
export const CELL_BYTES = 64 * 1024;
/** Of a disk in the beginning; it may grow. */
const CELL_COUNT = 17;
export const CELL_COUNT_MAX = 24;
export const DISK_BYTES = CELL_BYTES * CELL_COUNT;
export const DISK_BYTES_MAX = CELL_BYTES * CELL_COUNT_MAX;

export interface SimRecord {
  /** Number of the write; 1 and up, unique in a run. */
  readonly id: number;
  readonly cell: number;
}

/** @param offsetBytes in the log, in which all records are of one length */
export function encodeRecord(
  { id, cell }: SimRecord,
  offsetBytes: number,
): Uint8Array {
  return encodeLogRecord(
    {
      sequence: Math.floor(offsetBytes / RECORD_BYTES) + 1,
      seconds: id,
      nanoseconds: 0,
      code: RECORD_CODE.writeNew,
      offsetBytes: cell * CELL_BYTES,
      payload: payloadOf({ id, cell }),
    },
    { digest: "crc32c", compression: "none", crc: portableCrc32c },
  );
}

function payloadOf({ id, cell }: SimRecord): Uint8Array {
  return new Uint8Array(new Uint32Array([id, cell]).buffer);
}

/** Reads records of a log with the production scanner. */
export class RecordReader {
  readonly #scanner: LogScanner;
  readonly #file: VolatileFile;

  constructor(
    file: VolatileFile,
    { startBytes, deviceBytes }: {
      readonly startBytes: number;
      readonly deviceBytes: number;
    },
  ) {
    this.#file = file;
    this.#scanner = new LogScanner({
      crc: portableCrc32c,
      startBytes,
      deviceSizeBytes: deviceBytes,
    });
  }

  /** Where the next record begins. */
  get positionBytes(): number {
    return this.#scanner.positionBytes;
  }

  /** The next record before `endBytes`, or why there is none. */
  next(endBytes: number): SimRecord | Verdict {
    const scanner = this.#scanner;
    for (;;) {
      switch (scanner.next()) {
        case "record": {
          const { payload, payloadStart } = scanner;
          const view = new DataView(
            payload.buffer,
            payload.byteOffset + payloadStart,
          );
          return { id: view.getUint32(0, true), cell: view.getUint32(4, true) };
        }
        case "end":
          // The log may have grown since.
          if (scanner.verdict.kind === "damage" || !this.#hasMore(endBytes)) {
            return scanner.verdict;
          }
          this.#look(endBytes);
          break;
        case "more":
          this.#look(endBytes);
      }
    }
  }

  #hasMore(endBytes: number): boolean {
    const { offsetBytes, restBytes } = this.#scanner.verdict;
    return offsetBytes + restBytes < endBytes;
  }

  #look(endBytes: number): void {
    const startBytes = this.#scanner.positionBytes;
    const bytes = new Uint8Array(Math.max(0, endBytes - startBytes));
    const lengthBytes = this.#file.read(bytes, startBytes);
    this.#scanner.setWindow({ bytes, startBytes, lengthBytes, endBytes });
  }
}

export function writeCell(disk: VolatileFile, record: SimRecord): void {
  disk.write(payloadOf(record), record.cell * CELL_BYTES);
}

/** What is on a disk now, durable or not. */
export function stateOf(disk: VolatileFile): DiskState {
  const state = new Uint32Array(CELL_COUNT_MAX);
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  for (let cell = 0; cell < CELL_COUNT_MAX; cell++) {
    disk.read(bytes, cell * CELL_BYTES);
    state[cell] = view.getUint32(0, true);
  }
  return state;
}
