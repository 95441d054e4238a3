import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BLOCK_BYTES, WrittenBlocks } from "./written.ts";

const SIZE_BYTES = 100 * BLOCK_BYTES - 512;

const anyRange = fc.record({
  offsetBytes: fc.nat(SIZE_BYTES - 1),
  lengthBytes: fc.nat(4 * BLOCK_BYTES),
});

Deno.test("WrittenBlocks covers exactly the blocks that were touched", () => {
  fc.assert(fc.property(fc.array(anyRange), (writes) => {
    const written = new WrittenBlocks(SIZE_BYTES);
    const touched = new Set<number>();
    for (const { offsetBytes, lengthBytes } of writes) {
      written.add(offsetBytes, lengthBytes);
      const endBytes = Math.min(offsetBytes + lengthBytes, SIZE_BYTES);
      const first = Math.floor(offsetBytes / BLOCK_BYTES);
      for (let at = first; at * BLOCK_BYTES < endBytes; at++) touched.add(at);
    }
    const covered = new Set<number>();
    let lastEndBytes = -1;
    for (const { offsetBytes, lengthBytes } of written.ranges(1000)) {
      assert(offsetBytes > lastEndBytes, "in order, and not to be joined");
      lastEndBytes = offsetBytes + lengthBytes;
      assert(lastEndBytes <= SIZE_BYTES);
      for (let at = offsetBytes; at < lastEndBytes; at += BLOCK_BYTES) {
        covered.add(at / BLOCK_BYTES);
      }
    }
    assertEquals(covered, touched);
  }));
});

Deno.test("ranges() of few ranges covers all of many", () => {
  const range = fc.array(anyRange, { maxLength: 40 });
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 5 }), (writes, max) => {
      const written = new WrittenBlocks(SIZE_BYTES);
      for (const { offsetBytes, lengthBytes } of writes) {
        written.add(offsetBytes, lengthBytes);
      }
      const few = written.ranges(max);
      assert(few.length <= max);
      for (const { offsetBytes, lengthBytes } of written.ranges(1000)) {
        assert(few.some((wide) =>
          wide.offsetBytes <= offsetBytes &&
          wide.offsetBytes + wide.lengthBytes >= offsetBytes + lengthBytes
        ));
      }
    }),
  );
});

Deno.test("WrittenBlocks of a huge disk takes larger blocks", () => {
  const sizeBytes = 2 ** 42;
  const written = new WrittenBlocks(sizeBytes);
  written.add(sizeBytes - BLOCK_BYTES, BLOCK_BYTES);
  assertEquals(written.ranges(1), [{
    offsetBytes: sizeBytes - 4 * BLOCK_BYTES,
    lengthBytes: 4 * BLOCK_BYTES,
  }]);
});
