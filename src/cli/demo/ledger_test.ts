import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ledger, type LedgerWrite } from "./ledger.ts";
import { BLOCK_BYTES, fillBlock } from "./pattern.ts";

const BLOCK_COUNT = 64;

function makeLedger(): Ledger {
  return new Ledger({ blockCount: BLOCK_COUNT, seed: 1 });
}

/** What a disk does with a write. */
function apply(region: Uint8Array, write: LedgerWrite): void {
  const at = write.blockIndex * BLOCK_BYTES;
  fillBlock(region.subarray(at, at + BLOCK_BYTES), write);
}

function emptyRegion(): Uint8Array {
  return new Uint8Array(BLOCK_COUNT * BLOCK_BYTES);
}

/** `count` writes, one after the other, all acknowledged. */
function writeAll(
  ledger: Ledger,
  count: number,
  region: Uint8Array,
): LedgerWrite[] {
  return Array.from({ length: count }, () => {
    const write = ledger.begin();
    apply(region, write);
    ledger.acknowledge(write);
    return write;
  });
}

Deno.test("Ledger.compare() accepts a region that got every write", () => {
  const ledger = makeLedger();
  const region = emptyRegion();
  writeAll(ledger, 200, region);
  assertEquals(ledger.compare(region, 200).badCount, 0);
});

Deno.test("Ledger.compare() accepts the state after any write", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), (count) => {
      const ledger = makeLedger();
      const region = emptyRegion();
      writeAll(ledger, count, region);
      writeAll(ledger, 60 - count, emptyRegion());
      assertEquals(ledger.compareWithNewest(region), {
        badCount: 0,
        lastSequence: count,
      });
    }),
    { numRuns: 30 },
  );
});

Deno.test("Ledger.compareWithNewest() finds a write that was left out", () => {
  const ledger = makeLedger();
  const region = emptyRegion();
  writeAll(ledger, 10, region);
  const missing = ledger.begin();
  ledger.acknowledge(missing);
  let last = writeAll(ledger, 1, region);
  // A later write may cover the missing one: go on until one does not.
  while (overlaps(last[0], missing)) last = writeAll(ledger, 1, region);
  assert(ledger.compareWithNewest(region).badCount > 0);
});

function overlaps(left: LedgerWrite | undefined, right: LedgerWrite): boolean {
  return left?.blockIndex === right.blockIndex;
}

Deno.test("Ledger.compare() finds one flipped byte anywhere", () => {
  const anyByte = fc.nat({ max: BLOCK_COUNT * BLOCK_BYTES - 1 });
  const ledger = makeLedger();
  const region = emptyRegion();
  writeAll(ledger, 100, region);
  fc.assert(
    fc.property(anyByte, (at) => {
      const damaged = region.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      assertEquals(ledger.compare(damaged, 100).badCount, 1);
    }),
    { numRuns: 20 },
  );
});

Deno.test("Ledger.begin() never lets writes in flight overlap", () => {
  const ledger = makeLedger();
  const open: LedgerWrite[] = [];
  for (let count = 0; count < 500; count++) {
    const write = ledger.begin();
    assert(!open.some((other) => overlaps(write, other)));
    open.push(write);
    const oldest = open.length > 6 ? open.shift() : undefined;
    if (oldest !== undefined) ledger.acknowledge(oldest);
  }
});

Deno.test("Ledger.loseAfter() counts what was acknowledged and forgets it", () => {
  const ledger = makeLedger();
  const region = emptyRegion();
  writeAll(ledger, 20, region);
  const gone = emptyRegion();
  writeAll(ledger, 5, gone);
  ledger.forget(ledger.begin());
  assertEquals(ledger.loseAfter(20), 5);
  writeAll(ledger, 10, region);
  assertEquals(ledger.compare(region, ledger.lastSequence).badCount, 0);
  assertEquals(ledger.acknowledgedCount, 35);
  assertEquals(ledger.lostCount, 5);
});

Deno.test("Ledger.stateAt() keeps writes whose fate is unknown", () => {
  const ledger = makeLedger();
  const region = emptyRegion();
  const unknown = ledger.begin();
  apply(region, unknown);
  ledger.forget(unknown);
  writeAll(ledger, 5, region);
  ledger.loseAfter(6);
  assertEquals(ledger.compareWithNewest(region).badCount, 0);
});

Deno.test("Ledger keeps the history that a failover abandoned", () => {
  const ledger = makeLedger();
  const region = emptyRegion();
  writeAll(ledger, 20, region);
  const abandoned = region.slice();
  writeAll(ledger, 5, abandoned);
  ledger.loseAfter(20);
  writeAll(ledger, 10, region);
  assertEquals(ledger.compareWithNewest(abandoned, "abandoned"), {
    badCount: 0,
    lastSequence: 25,
  });
  assertEquals(ledger.lastLostSequence, 25);
  assert(ledger.compareWithNewest(abandoned).badCount > 0);
});
