/** CRC32C by the CPU's instruction, through the shim. */
import type { Shim } from "../../ffi/shim.ts";
import { assert } from "../base/assert.ts";
import { type Crc32c, SUM_BYTES } from "./checksum.ts";

/** CRC32C in C. The bounds are asserted because C does not. */
export function shimCrc32c(shim: Shim): Crc32c {
  return {
    crc32c(bytes: Uint8Array, start: number, length: number): number {
      assert(start >= 0, "start is inside");
      assert(length >= 0, "length is not negative");
      assert(start + length <= bytes.length, "end is inside");
      return shim.mars_crc32c(bytes, start, length);
    },
    fold(
      bytes: Uint8Array,
      start: number,
      length: number,
      target: number,
    ): void {
      assert(start >= 0, "start is inside");
      assert(length >= 0, "length is not negative");
      assert(start + length <= bytes.length, "end is inside");
      assert(target >= 0, "target is inside");
      assert(target + SUM_BYTES <= bytes.length, "target's end is inside");
      shim.mars_crc32c_fold(bytes, start, length, target);
    },
  };
}
