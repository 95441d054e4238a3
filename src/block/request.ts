// Pure
/** The contract between front ends and what serves them. */
import type { Memory } from "../ring/io.ts";

/**
 * One request of a front end. Offsets and lengths are multiples of the sector
 * size and lie inside the device: who decodes a request has checked that.
 */
export interface BlockRequest {
  readonly kind: "read" | "write" | "flush" | "discard" | "writeZeroes";
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /**
   * Data to write, or room for data to read; exactly `lengthBytes` from
   * `start`, unused for other kinds. Valid until acknowledged.
   */
  readonly memory: Memory;
  readonly start: number;
  /** Must be durable before it is acknowledged (FUA). */
  readonly forceUnitAccess: boolean;
}

/** errno 0 is success, otherwise positive. Called exactly once per request. */
export type Acknowledge = (errno: number) => void;

export interface BlockTarget {
  submit(request: BlockRequest, acknowledge: Acknowledge): void;
}
