import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { READS_MAX, ReadWindow, SLOW_READ_MS } from "./read_window.ts";

Deno.test("ReadWindow opens on a quick line and closes on a slow one", () => {
  const window = new ReadWindow();
  assertEquals(window.readsMax, 1);
  const quick = Array.from({ length: READS_MAX }, () => {
    window.adapt(SLOW_READ_MS - 1);
    return window.readsMax;
  });
  assertEquals(quick, [2, 3, 4, 5, 6, 7, 8, 8]);
  const slow = Array.from({ length: 4 }, () => {
    window.adapt(SLOW_READ_MS);
    return window.readsMax;
  });
  assertEquals(slow, [4, 2, 1, 1]);
});

Deno.test("ReadWindow stays within its bounds", () => {
  fc.assert(fc.property(fc.array(fc.nat(2 * SLOW_READ_MS)), (times) => {
    const window = new ReadWindow();
    for (const tookMs of times) {
      window.adapt(tookMs);
      assert(window.readsMax >= 1 && window.readsMax <= READS_MAX);
    }
  }));
});
