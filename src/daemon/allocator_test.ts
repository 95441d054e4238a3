/** Buffers of bulk do not lie between what stays. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { loadShim } from "../../ffi/shim.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { AllocatorBounds } from "./allocator.ts";

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));

Deno.test("AllocatorBounds lets buffers of bulk be mapped alone", async () => {
  const path = new URL("../../tests/support/lone_buffers.ts", import.meta.url);
  // Other tests of this process leave free memory behind, which comes first.
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", path.pathname],
    env: { NO_COLOR: "1" },
  }).output();
  assert(success);
  const { before, after, count } = JSON.parse(new TextDecoder().decode(stdout));
  assert(before < count, "else nothing is to be mended");
  assertEquals(after, count);
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
