/**
 * Prints how many of some buffers of bulk are the only one in their mapping,
 * before and after the allocator is bounded.
 */
// deno-lint-ignore-file no-console
import { assertEquals } from "@std/assert";
import { loadShim } from "../../ffi/shim.ts";
import { AllocatorBounds } from "../../src/daemon/allocator.ts";

const COUNT = 8;
const PAGE_BYTES = 4096;
const READ_BYTES = 1024 * 1024;
/** Prescribed by glibc: it maps no more than this among small things. */
const MAPPED_BYTES_MAX = 32 * 1024 * 1024;
/** Prescribed by glibc: what stands before memory that it gives out. */
const HEAD_BYTES = 16;

/** By its address. */
function isAlone(buffer: Uint8Array<ArrayBuffer>): boolean {
  const pointer = Deno.UnsafePointer.of(buffer);
  const address = Number(Deno.UnsafePointer.value(pointer));
  return address % PAGE_BYTES === HEAD_BYTES;
}

function buffers(lengthBytes: number): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: COUNT }, () => new Uint8Array(lengthBytes));
}

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
// As it is after a long buffer was freed.
assertEquals(shim.mars_memory_bound(8, MAPPED_BYTES_MAX, READ_BYTES), 0);
const among = buffers(READ_BYTES + 512);
using _bounds = new AllocatorBounds(shim);
const alone = buffers(READ_BYTES);
console.log(JSON.stringify({
  before: among.filter(isAlone).length,
  after: alone.filter(isAlone).length,
  count: COUNT,
}));
