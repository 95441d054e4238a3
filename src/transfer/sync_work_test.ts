import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Density, extentsOf, Front } from "./sync_work.ts";

const PAGE_BYTES = 4096;
const GRID_BYTES = 16 * PAGE_BYTES;

const anyWork = fc.record({
  sizePages: fc.integer({ min: 1, max: 200 }),
  startPart: fc.double({ min: 0, max: 1, noNaN: true }),
  parts: fc.array(fc.tuple(fc.nat(200_000), fc.integer({ min: 1, max: 9e4 })), {
    maxLength: 8,
  }),
});

Deno.test("extentsOf() covers what is asked for once, in order, on its grid", () => {
  fc.assert(fc.property(
    anyWork,
    fc.boolean(),
    ({ sizePages, startPart, parts }, isAll) => {
      const sizeBytes = sizePages * PAGE_BYTES;
      const startBytes = Math.floor(sizePages * startPart) * PAGE_BYTES;
      let endBytes = 0;
      const only = parts.map(([gap, lengthBytes]) => {
        const offsetBytes = endBytes + gap;
        endBytes = offsetBytes + lengthBytes;
        return { offsetBytes, lengthBytes };
      });
      const found = [...extentsOf({
        startBytes,
        sizeBytes,
        gridBytes: () => GRID_BYTES,
        only: isAll ? undefined : only,
      })];
      const covered = new Uint8Array(sizePages);
      let lastBytes = startBytes;
      for (const { offsetBytes, lengthBytes } of found) {
        assert(lengthBytes > 0);
        assert(offsetBytes >= lastBytes);
        lastBytes = offsetBytes + lengthBytes;
        assert(lastBytes <= sizeBytes);
        assert(offsetBytes % GRID_BYTES + lengthBytes <= GRID_BYTES);
        const first = offsetBytes / PAGE_BYTES;
        for (let page = first; page < lastBytes / PAGE_BYTES; page++) {
          assertEquals(covered[page], 0);
          covered[page] = 1;
        }
      }
      for (let page = 0; page < sizePages; page++) {
        const atBytes = page * PAGE_BYTES;
        const isWanted = atBytes >= startBytes && (isAll ||
          only.some(({ offsetBytes, lengthBytes }) =>
            offsetBytes < atBytes + PAGE_BYTES &&
            offsetBytes + lengthBytes > atBytes
          ));
        assertEquals(covered[page], Number(isWanted), `page ${page}`);
      }
    },
  ));
});

Deno.test("Density gives up looking where all differs, and notices its end", () => {
  const density = new Density();
  const looksIn = (count: number, share: number): number => {
    let looks = 0;
    for (let block = 0; block < count; block++) {
      if (!density.takeLook()) continue;
      looks++;
      density.note(share);
    }
    return looks;
  };
  assertEquals(looksIn(100, 0.1), 100);
  const whileDense = looksIn(160, 1);
  assert(whileDense < 30, `${whileDense} looks`);
  // What is equal again is looked at again.
  assert(looksIn(200, 0) > 150);
});

Deno.test("Front is the begin of the first piece that is not done", () => {
  const front = new Front(100);
  assertEquals(front.bytes, 100);
  const first = front.begin({ offsetBytes: 200, lengthBytes: 100 });
  const second = front.begin({ offsetBytes: 300, lengthBytes: 100 });
  second();
  assertEquals(front.bytes, 200);
  const inside = front.begin({ offsetBytes: 250, lengthBytes: 10 });
  first();
  assertEquals(front.bytes, 250, "The rest of the first one is done");
  inside();
  assertEquals(front.bytes, 400);
});
