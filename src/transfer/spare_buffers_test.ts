import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SpareBuffers } from "./spare_buffers.ts";

const LENGTH_BYTES = 16;

Deno.test("SpareBuffers never lend one buffer twice at a time", () => {
  fc.assert(fc.property(fc.array(fc.nat(9)), (steps) => {
    const buffers = new SpareBuffers(LENGTH_BYTES);
    const lent: Uint8Array<ArrayBuffer>[] = [];
    for (const step of steps) {
      const back = step < 5 ? lent.splice(step, 1)[0] : undefined;
      if (back !== undefined) {
        buffers.giveBack(back);
        continue;
      }
      const buffer = buffers.take();
      assertEquals(buffer.length, LENGTH_BYTES);
      assert(!lent.includes(buffer));
      lent.push(buffer);
    }
  }));
});

Deno.test("SpareBuffers lend again what came back", () => {
  const buffers = new SpareBuffers(LENGTH_BYTES);
  const buffer = buffers.take();
  buffers.giveBack(buffer);
  assert(buffers.take() === buffer);
});

Deno.test("SpareBuffers take nothing back twice, nor a part", () => {
  const buffers = new SpareBuffers(LENGTH_BYTES);
  const buffer = buffers.take();
  buffers.giveBack(buffer);
  assertThrows(() => buffers.giveBack(buffer));
  assertThrows(() => buffers.giveBack(buffers.take().subarray(1)));
});
