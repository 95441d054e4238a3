import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { flipped, logOf } from "../../tests/support/log_bytes.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { portableCrc32c } from "../log/checksum.ts";
import { HEADER_BYTES } from "../log/record.ts";
import type { Verdict } from "../log/verdict.ts";
import { LogCheck } from "./log_check.ts";

const PATH = "log";

/** Checks `bytes` that come in steps; what was there is the first of them. */
async function check(
  bytes: Uint8Array,
  steps: readonly number[],
  startBytes = 0,
): Promise<{ good: number; damage: Verdict | undefined; goods: number[] }> {
  const files = new MemoryFiles();
  const [hadBytes = 0, ...later] = steps;
  files.set(PATH, bytes.subarray(0, hadBytes));
  const file = await files.open(PATH, "update");
  let damage: Verdict | undefined;
  const goods: number[] = [];
  const checker = new LogCheck({
    files,
    path: PATH,
    crc: portableCrc32c,
    startBytes,
    hadBytes,
    onGood: () => goods.push(checker.goodBytes),
    onDamage: (verdict) => damage = verdict,
  });
  for (const endBytes of later) {
    await file.write(bytes.subarray(0, endBytes), 0);
    checker.advance(endBytes);
    // Sometimes at once, sometimes when it has come that far.
    if (endBytes % 2 === 0) await checker.settle();
  }
  await checker.settle();
  file.close();
  assertEquals(files.openCount, 0);
  return { good: checker.goodBytes, damage, goods };
}

Deno.test("LogCheck tells of whole records only, however they come", async () => {
  const { bytes, starts } = logOf(40, 700);
  const ends = [...starts.slice(1), bytes.length];
  const anySteps = fc.array(fc.integer({ min: 0, max: bytes.length }), {
    minLength: 2,
  }).map((steps) => steps.sort((left, right) => left - right));
  await fc.assert(fc.asyncProperty(anySteps, async (steps) => {
    const { good, damage } = await check(bytes, steps);
    assertEquals(damage, undefined);
    const [had = 0, last = 0] = [steps[0], steps.at(-1)];
    const whole = ends.filter((end) => end <= last).at(-1) ?? 0;
    assertEquals(good, Math.max(had, whole));
  }));
});

Deno.test("LogCheck never tells of anything behind a flipped bit", async () => {
  const { bytes, starts } = logOf(40, 700);
  // Of trailers some bytes mean nothing, and are not looked at.
  const anyPlace = fc.record({
    record: fc.constantFrom(...starts),
    byte: fc.integer({ min: 0, max: HEADER_BYTES + 700 - 1 }),
  });
  await fc.assert(fc.asyncProperty(anyPlace, async ({ record, byte }) => {
    const at = record + byte;
    const { good, damage, goods } = await check(flipped(bytes, at), [
      0,
      1_000,
      9_001,
      bytes.length,
    ]);
    assert(goods.every((each) => each <= record), `${goods} behind ${record}`);
    assert(good <= record);
    assertEquals(damage?.offsetBytes, record);
  }));
});

Deno.test("LogCheck begins at any record", async () => {
  const { bytes, starts } = logOf(10, 700);
  const start = starts[5] ?? 0;
  const { good } = await check(bytes, [start + 100, bytes.length], start);
  assertEquals(good, bytes.length);
});

Deno.test("LogCheck leaves old damage to replay", async () => {
  const { bytes, starts } = logOf(100, 4_000);
  const { good, damage } = await check(flipped(bytes, 500), [
    starts[50] ?? 0,
    bytes.length,
  ]);
  assertEquals(damage, undefined);
  assertEquals(good, bytes.length);
});

Deno.test("LogCheck leaves old damage to replay, however near to the end", async () => {
  const { bytes, starts } = logOf(10, 700);
  const ends = [...starts.slice(1), bytes.length];
  const anyCase = fc.record({
    record: fc.integer({ min: 0, max: 8 }),
    byte: fc.integer({ min: 0, max: HEADER_BYTES + 700 - 1 }),
    hadCount: fc.integer({ min: 1, max: 9 }),
    restBytes: fc.integer({ min: 0, max: 700 }),
  }).filter(({ record, hadCount }) => record < hadCount);
  await fc.assert(fc.asyncProperty(anyCase, async (any) => {
    const { record, byte, hadCount, restBytes } = any;
    const hadBytes = (ends[hadCount - 1] ?? 0) + restBytes;
    const damaged = flipped(bytes, (starts[record] ?? 0) + byte);
    const { good, damage } = await check(damaged, [hadBytes, bytes.length]);
    assertEquals(damage, undefined);
    assertEquals(good, bytes.length);
  }));
});
