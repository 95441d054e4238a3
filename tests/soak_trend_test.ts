import { assertEquals } from "@std/assert";
import { MEASURES, trendOf } from "./soak/trend.ts";

const { memory, files } = MEASURES;

function samples(count: number, valueAt: (index: number) => number): number[] {
  return Array.from({ length: count }, (_value, index) => valueAt(index));
}

Deno.test("trendOf() takes noise and single peaks for flat", () => {
  const noise = samples(100, (index) => 150 + 10 * ((index * 7919) % 3));
  assertEquals(trendOf(noise, memory).isGrowing, false);
  const peaks = samples(100, (index) => index % 9 === 0 ? 900 : 150);
  assertEquals(trendOf(peaks, memory).isGrowing, false);
});

Deno.test("trendOf() does not count the warm-up", () => {
  const warm = samples(100, (index) => Math.min(150, 60 + 6 * index));
  assertEquals(trendOf(warm, memory), {
    first: 150,
    last: 150,
    limit: 150 * 1.1 + 12,
    isGrowing: false,
  });
});

Deno.test("trendOf() sees a leak of one file in each cycle", () => {
  const leak = samples(60, (index) => 40 + Math.floor(index / 3));
  const { first, last, isGrowing } = trendOf(leak, files);
  assertEquals([first, last, isGrowing], [46, 58, true]);
});

Deno.test("trendOf() sees memory that grows by a fifth", () => {
  const leak = samples(100, (index) => 200 + 1.2 * index);
  assertEquals(trendOf(leak, memory).isGrowing, true);
});
