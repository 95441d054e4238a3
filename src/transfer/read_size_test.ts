import { assertEquals } from "@std/assert";
import { READ_BYTES_MAX, READ_BYTES_MIN, ReadSize } from "./read_size.ts";

Deno.test("ReadSize shrinks to its least and grows back to its most", () => {
  const size = new ReadSize();
  const down = Array.from({ length: 4 }, () => {
    size.shrink();
    return size.bytes;
  });
  assertEquals(down, [65_536, 16_384, 4_096, READ_BYTES_MIN]);
  const up = Array.from({ length: 9 }, () => {
    size.grow();
    return size.bytes;
  });
  assertEquals(up.slice(0, 2), [8_192, 16_384]);
  assertEquals(up.at(-1), READ_BYTES_MAX);
});
