import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { READ_BYTES_MAX, ReadSize } from "./read_size.ts";
import {
  READS_MAX,
  READS_SURE,
  ReadWindow,
  SLOW_READ_MS,
} from "./read_window.ts";

Deno.test("ReadWindow opens on a quick line and closes on a slow one", () => {
  const window = new ReadWindow();
  assertEquals(window.readsMax, 1);
  const quick = Array.from({ length: READS_MAX }, () => {
    window.adapt(300);
    return window.readsMax;
  });
  assertEquals(quick.slice(0, 3), [2, 3, 4]);
  assertEquals(quick.at(-1), READS_MAX);
  const slow = Array.from({ length: 7 }, () => {
    window.adapt(SLOW_READ_MS);
    return window.readsMax;
  });
  assertEquals(slow, [20, 10, 5, 2, 1, 1, 1]);
});

Deno.test("A fetch over 300 ms asks for all that fits in five round trips", () => {
  const window = new ReadWindow(READS_MAX, READS_SURE);
  const size = new ReadSize();
  for (let trip = 1; trip < 5; trip++) {
    const answeredCount = window.readsMax;
    for (let count = 0; count < answeredCount; count++) {
      window.adapt(300);
      size.grow();
    }
  }
  assertEquals(window.readsMax * size.bytes, READS_MAX * READ_BYTES_MAX);
});

Deno.test("ReadWindow opens until reads wait for each other, no further", () => {
  // A line that carries one read in 100 ms, with a round trip of 300 ms.
  const window = new ReadWindow();
  const seen: number[] = [];
  for (let count = 0; count < 200; count++) {
    window.adapt(Math.max(400, window.readsMax * 100));
    seen.push(window.readsMax);
  }
  const [lowest, highest] = [
    Math.min(...seen.slice(50)),
    Math.max(...seen.slice(50)),
  ];
  assert(lowest >= 4, `${lowest} reads leave the line idle`);
  assert(highest <= 20, `${highest} reads wait for each other`);
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
