/** Buffers of bulk do not lie between what stays. */
import { assert, assertEquals } from "@std/assert";
import { loadShim } from "../../ffi/shim.ts";
import { boundAllocator } from "./allocator.ts";

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
const PAGE_BYTES = 4096;
const READ_BYTES = 1024 * 1024;
/** Prescribed by glibc: it maps no more than this among small things. */
const MAPPED_BYTES_MAX = 32 * 1024 * 1024;
/** Prescribed by glibc: what stands before memory that it gives out. */
const HEAD_BYTES = 16;

/** Whether a buffer is the only one in its mapping, by its address. */
function isAlone(buffer: Uint8Array<ArrayBuffer>): boolean {
  const pointer = Deno.UnsafePointer.of(buffer);
  const address = Number(Deno.UnsafePointer.value(pointer));
  return address % PAGE_BYTES === HEAD_BYTES;
}

Deno.test("boundAllocator() lets buffers of bulk be mapped alone", () => {
  // As it is after a long buffer was freed.
  assertEquals(shim.mars_memory_bound(8, MAPPED_BYTES_MAX, READ_BYTES), 0);
  const among = Array.from(
    { length: 8 },
    () => new Uint8Array(READ_BYTES + 512),
  );
  assert(!among.every(isAlone), "else nothing is to be mended");
  boundAllocator(shim);
  const alone = Array.from({ length: 8 }, () => new Uint8Array(READ_BYTES));
  assert(alone.every(isAlone));
});

Deno.test("boundAllocator() asks nothing of another C library", () => {
  boundAllocator({ mars_memory_bound: () => -38 });
});
