/** Tests of the worker's Lamport clock. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { StampSource } from "./stamps.ts";

Deno.test("StampSource gives increasing stamps whatever the wall clock does", () => {
  const step = fc.oneof(
    fc.record({ wallMs: fc.integer({ min: 0, max: 3_000 }) }),
    fc.record({ seenNs: fc.bigInt(0n, 4_000_000_000n) }),
  );
  fc.assert(fc.property(fc.array(step), (steps) => {
    let wallMs = 0;
    const stamps = new StampSource(() => wallMs);
    let newestNs = 0n;
    for (const now of steps) {
      if ("wallMs" in now) wallMs = now.wallMs;
      else {
        stamps.observe(now.seenNs);
        if (now.seenNs > newestNs) newestNs = now.seenNs;
      }
      const { seconds, nanoseconds } = stamps.next();
      const stampNs = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      assert(stampNs > newestNs);
      assert(nanoseconds < 1_000_000_000);
      assertEquals(stamps.newestNs(), stampNs);
      newestNs = stampNs;
    }
  }));
});

Deno.test("StampSource follows the wall clock", () => {
  const stamps = new StampSource(() => 1_700_000_000_123);
  const { seconds, nanoseconds } = stamps.next();
  assertEquals(seconds, 1_700_000_000);
  assertEquals(nanoseconds, 123_000_000);
});

Deno.test("StampSource carries into the next second", () => {
  const stamps = new StampSource(() => 0);
  stamps.observe(1_999_999_999n);
  assertEquals({ ...stamps.next() }, { seconds: 2, nanoseconds: 0 });
});
