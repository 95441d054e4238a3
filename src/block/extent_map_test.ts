import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExtentMap, REGION_BYTES, SECTOR_BYTES } from "./extent_map.ts";

const REGIONS = [0, 1, 2, 5_000_000_000, 2 ** 36 - 1];
const SECTORS = REGION_BYTES / SECTOR_BYTES;

type Step =
  | { kind: "insert"; region: number; start: number; end: number }
  | { kind: "removeBelow"; region: number; share: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constantFrom(...REGIONS),
      fc.nat(SECTORS - 1),
      fc.integer({ min: 1, max: 24 }),
    ).map(([region, start, length]): Step => ({
      kind: "insert",
      region,
      start,
      end: Math.min(start + length, SECTORS),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("removeBelow" as const),
      region: fc.constantFrom(...REGIONS),
      share: fc.nat(100),
    }),
  },
);

/** Value of each sector of each region, 0 if unmapped. */
function runModel(
  steps: readonly Step[],
  map: ExtentMap,
): Map<number, number[]> {
  const model = new Map(
    REGIONS.map((region) => [region, new Array(SECTORS).fill(0)]),
  );
  let position = 1;
  const begins: number[] = [];
  for (const step of steps) {
    const sectors = model.get(step.region) ?? [];
    const baseBytes = step.region * REGION_BYTES;
    if (step.kind === "insert") {
      const { start, end } = step;
      begins.push(position);
      map.insert(
        baseBytes + start * SECTOR_BYTES,
        (end - start) * SECTOR_BYTES,
        position,
      );
      for (let sector = start; sector < end; sector++) {
        sectors[sector] = position + (sector - start) * SECTOR_BYTES;
      }
      position += (end - start) * SECTOR_BYTES + 84;
    } else {
      // Where a record began, so that fragments are below or not as a whole.
      const valueEnd = begins[Math.floor(begins.length * step.share / 101)] ??
        0;
      map.removeBelow(step.region, valueEnd);
      for (let sector = 0; sector < SECTORS; sector++) {
        if ((sectors[sector] ?? 0) < valueEnd) sectors[sector] = 0;
      }
    }
  }
  return model;
}

Deno.test("ExtentMap says of every sector what a plain array says", () => {
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
    const map = new ExtentMap(400);
    const model = runModel(steps, map);
    for (const [region, sectors] of model) {
      const baseBytes = region * REGION_BYTES;
      const found: number[] = [];
      let offset = baseBytes;
      while (offset < baseBytes + REGION_BYTES) {
        const isMapped = map.seek(offset, baseBytes + REGION_BYTES);
        const value = map.pieceValue;
        for (let at = offset; at < map.pieceEndBytes; at += SECTOR_BYTES) {
          found.push(isMapped ? value + at - offset : 0);
        }
        offset = map.pieceEndBytes;
      }
      assertEquals(found, sectors);
    }
    const listed = new Float64Array(400);
    const used = [...model].filter(([, sectors]) => sectors.some((v) => v > 0));
    assertEquals(
      [...listed.subarray(0, map.listRegions(listed))].sort((a, b) => a - b),
      used.map(([region]) => region),
    );
  }));
});

Deno.test("ExtentMap is empty again after everything was removed", () => {
  fc.assert(fc.property(
    fc.uniqueArray(fc.nat(5_000), { minLength: 1, maxLength: 200 }),
    (regions) => {
      const map = new ExtentMap(200);
      for (const region of regions) {
        map.insert(region * REGION_BYTES, SECTOR_BYTES, 1 + region);
      }
      assertEquals(map.count, regions.length);
      for (const [index, region] of regions.entries()) {
        map.removeBelow(region, Infinity);
        // The others must still be found: their chains were closed.
        for (const other of regions.slice(index + 1)) {
          assertEquals(
            map.seek(other * REGION_BYTES, (other + 1) * REGION_BYTES),
            true,
          );
        }
      }
      assertEquals(map.count, 0);
      assertEquals(map.listRegions(new Float64Array(200)), 0);
    },
  ));
});

Deno.test("ExtentMap.seek() spans a gap over regions up to the next extent", () => {
  const map = new ExtentMap(4);
  map.insert(3 * REGION_BYTES + 1024, 512, 7);
  assertEquals(map.seek(512, 5 * REGION_BYTES), false);
  assertEquals(map.pieceEndBytes, 3 * REGION_BYTES + 1024);
});

Deno.test("ExtentMap.insert() refuses a range across a region boundary", () => {
  const map = new ExtentMap(4);
  assertThrows(() => map.insert(REGION_BYTES - 512, 1024, 1));
});

Deno.test("ExtentMap.insert() refuses to go beyond the bound", () => {
  const map = new ExtentMap(2);
  map.insert(0, 512, 1);
  map.insert(REGION_BYTES, 512, 2);
  assertThrows(() => map.insert(2 * REGION_BYTES, 512, 3));
});
