import { assertEquals } from "@std/assert";
import { MEASURES, trendOf } from "./soak/trend.ts";

const { memory, heap, files, pool } = MEASURES;

function samples(count: number, valueAt: (index: number) => number): number[] {
  return Array.from({ length: count }, (_value, index) => valueAt(index));
}

Deno.test("trendOf() takes noise and single peaks for flat", () => {
  const noise = samples(100, (index) => 40 + (index * 7919) % 5);
  assertEquals(trendOf(noise, files).isGrowing, false);
  const peaks = samples(100, (index) => index % 9 === 0 ? 900 : 40);
  assertEquals(trendOf(peaks, files).isGrowing, false);
});

Deno.test("trendOf() does not count the warm-up", () => {
  const warm = samples(100, (index) => Math.min(50, 20 + 2 * index));
  assertEquals(trendOf(warm, files), {
    first: 50,
    last: 50,
    limit: 56,
    isGrowing: false,
  });
  const late = samples(100, (index) => Math.min(190, 90 + 2 * index));
  assertEquals(trendOf(late, memory), {
    first: 190,
    last: 190,
    limit: 200,
    isGrowing: false,
  });
});

Deno.test("trendOf() sees a leak of one file in each cycle", () => {
  const leak = samples(60, (index) => 40 + Math.floor(index / 3));
  assertEquals(trendOf(leak, files).isGrowing, true);
  const nearly = samples(60, (index) => 40 + Math.floor(index / 6));
  assertEquals(trendOf(nearly, files).isGrowing, false);
});

Deno.test("trendOf() takes garbage that is collected for flat, however much", () => {
  const sawtooth = samples(300, (index) => 17 + index % 29);
  assertEquals(trendOf(sawtooth, heap).isGrowing, false);
  // Nothing was collected for a quarter of the time that counts.
  const late = samples(300, (index) => index > 160 && index < 190 ? 60 : 17);
  assertEquals(trendOf(late, heap).isGrowing, false);
});

Deno.test("trendOf() sees what grows below the garbage", () => {
  const perMinute = 30;
  const leak = samples(
    10 * perMinute,
    (index) => 17 + index % 29 + 0.7 * index / perMinute,
  );
  assertEquals(trendOf(leak, heap).isGrowing, true);
  const outside = samples(
    10 * perMinute,
    (index) => 170 + (index * 7919) % 7 + 3 * index / perMinute,
  );
  assertEquals(trendOf(outside, memory).isGrowing, true);
});

Deno.test("trendOf() lets a pool be as large as it may", () => {
  const bursts = samples(100, (index) => index === 50 ? 33 : 8);
  assertEquals(trendOf(bursts, pool).isGrowing, false);
  assertEquals(trendOf([...bursts, 34], pool).isGrowing, true);
});
