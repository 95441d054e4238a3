import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BURST_MS, TokenBucket } from "./token_bucket.ts";

const anyRate = fc.integer({ min: 1024, max: 10_000_000 });
const anySteps = fc.array(
  fc.record({
    bytes: fc.integer({ min: 1, max: 1_000_000 }),
    idleMs: fc.integer({ min: 0, max: 5_000 }),
  }),
  { minLength: 1, maxLength: 50 },
);

Deno.test("TokenBucket lets pass what comes, one burst and one piece", () => {
  fc.assert(fc.property(anyRate, anySteps, (rate, steps) => {
    const bucket = new TokenBucket(rate, 0);
    const passed: { atMs: number; bytes: number }[] = [];
    let nowMs = 0;
    for (const { bytes, idleMs } of steps) {
      nowMs += idleMs + bucket.waitMs(nowMs + idleMs);
      bucket.take(bytes, nowMs);
      passed.push({ atMs: nowMs, bytes });
    }
    for (let from = 0; from < passed.length; from++) {
      let sum = 0;
      for (let to = from; to < passed.length; to++) {
        const { atMs, bytes } = passed[to] ?? { atMs: 0, bytes: 0 };
        const tookMs = atMs - (passed[from]?.atMs ?? 0);
        // Whoever comes last may leave a debt.
        const allowed = rate * (tookMs + BURST_MS) / 1000;
        assert(sum <= allowed + 1, `${sum} bytes in ${tookMs} ms`);
        sum += bytes;
      }
    }
  }));
});

Deno.test("TokenBucket gives the whole rate to who always wants more", () => {
  fc.assert(fc.property(
    anyRate,
    fc.integer({ min: 1, max: 65_536 }),
    (rate, pieceBytes) => {
      const bucket = new TokenBucket(rate, 0);
      let [nowMs, sum] = [0, 0];
      for (let count = 0; count < 200; count++) {
        // As timers do: whole milliseconds, and a few too late.
        nowMs += Math.ceil(bucket.waitMs(nowMs)) + (count % 4);
        bucket.take(pieceBytes, nowMs);
        sum += pieceBytes;
      }
      const lateBytes = pieceBytes + rate * (4 + 200 * 4) / 1000;
      assert(sum + lateBytes >= rate * nowMs / 1000);
    },
  ));
});

Deno.test("TokenBucket without a rate lets everything pass", () => {
  const bucket = new TokenBucket(undefined, 0);
  bucket.take(1e12, 0);
  assertEquals(bucket.waitMs(0), 0);
});

Deno.test("TokenBucket pays a debt at the new rate", () => {
  const bucket = new TokenBucket(1_000, 0);
  bucket.take(10_000, 0);
  assertEquals(bucket.waitMs(0), 10_000);
  bucket.setRate(10_000, 1_000);
  assertEquals(bucket.waitMs(1_000), 900);
});

Deno.test("TokenBucket forgets what passed while there was no limit", () => {
  const bucket = new TokenBucket(undefined, 0);
  bucket.take(1e9, 0);
  bucket.setRate(1_000, 10);
  assertEquals(bucket.waitMs(10), 0);
  bucket.take(1_000, 10);
  bucket.setRate(undefined, 10);
  bucket.setRate(1_000, 20);
  assertEquals(bucket.waitMs(20), 0);
});

Deno.test("TokenBucket does not mind a clock that stands still", () => {
  const bucket = new TokenBucket(1_000, 100);
  bucket.take(500, 100);
  assertEquals(bucket.waitMs(50), 500);
  assertEquals(bucket.waitMs(100), 500);
});
