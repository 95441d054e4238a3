import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { BLOCK_BYTES, fillBlock, nextWord, readBlock } from "./pattern.ts";

const anyWrite = fc.record({
  sequence: fc.integer({ min: 1, max: 0xffff_ffff }),
  blockIndex: fc.nat({ max: 1_000_000 }),
});

Deno.test("readBlock() tells what fillBlock() wrote", () => {
  fc.assert(fc.property(anyWrite, (write) => {
    const block = new Uint8Array(BLOCK_BYTES);
    fillBlock(block, write);
    assertEquals(readBlock(block), { kind: "written", ...write });
  }));
});

Deno.test("readBlock() notices any changed bit", () => {
  const anyBit = fc.nat({ max: BLOCK_BYTES * 8 - 1 });
  fc.assert(fc.property(anyWrite, anyBit, (write, bit) => {
    const block = new Uint8Array(BLOCK_BYTES);
    fillBlock(block, write);
    const at = Math.floor(bit / 8);
    block[at] = (block[at] ?? 0) ^ (1 << (bit % 8));
    assertEquals(readBlock(block), { kind: "damaged" });
  }));
});

Deno.test("readBlock() tells zeroes from anything else", () => {
  const block = new Uint8Array(BLOCK_BYTES);
  assertEquals(readBlock(block), { kind: "empty" });
  block[BLOCK_BYTES - 1] = 1;
  assertEquals(readBlock(block), { kind: "damaged" });
});

Deno.test("readBlock() notices a block put together from two", () => {
  const left = new Uint8Array(BLOCK_BYTES);
  const right = new Uint8Array(BLOCK_BYTES);
  fillBlock(left, { sequence: 7, blockIndex: 3 });
  fillBlock(right, { sequence: 8, blockIndex: 3 });
  left.set(right.subarray(512), 512);
  assertEquals(readBlock(left), { kind: "damaged" });
});

Deno.test("nextWord() never sticks to zero", () => {
  let word = 0;
  const seen = new Set<number>();
  for (let count = 0; count < 1_000; count++) {
    word = nextWord(word);
    seen.add(word);
  }
  assertEquals(seen.size, 1_000);
});
