/** Buffers of bulk do not lie between what stays. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { loadShim } from "../../ffi/shim.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { AllocatorBounds } from "./allocator.ts";

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

Deno.test("AllocatorBounds lets buffers of bulk be mapped alone", () => {
  // As it is after a long buffer was freed.
  assertEquals(shim.mars_memory_bound(8, MAPPED_BYTES_MAX, READ_BYTES), 0);
  const among = Array.from(
    { length: 8 },
    () => new Uint8Array(READ_BYTES + 512),
  );
  assert(!among.every(isAlone), "else nothing is to be mended");
  using _bounds = new AllocatorBounds(shim);
  const alone = Array.from({ length: 8 }, () => new Uint8Array(READ_BYTES));
  assert(alone.every(isAlone));
});

Deno.test("AllocatorBounds gives free memory back, again and again", async () => {
  const twice = Promise.withResolvers<void>();
  let count = 0;
  using _bounds = new AllocatorBounds({
    mars_memory_bound: () => 0,
    mars_memory_trim_later: async () => {
      const result = await shim.mars_memory_trim_later();
      assert(result === 0 || result === 1, `it is there: ${result}`);
      if (++count === 2) twice.resolve();
      return result;
    },
  }, 1);
  await twice.promise;
});

Deno.test("AllocatorBounds asks nothing of another C library", () => {
  const trim = (): Promise<number> => {
    throw new Error("there is none");
  };
  using _bounds = new AllocatorBounds({
    mars_memory_bound: () => -ERRNO.ENOSYS,
    mars_memory_trim_later: trim,
  }, 0);
  assertThrows(
    () =>
      new AllocatorBounds({
        mars_memory_bound: () => -ERRNO.EINVAL,
        mars_memory_trim_later: trim,
      }),
    SyscallError,
  );
});
