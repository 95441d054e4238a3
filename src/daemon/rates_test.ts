import { assertEquals } from "@std/assert";
import { CompletionMeter, RateMeter } from "./rates.ts";

const NONE = {
  writeCount: 0,
  writeBytes: 0,
  readCount: 0,
  readBytes: 0,
  replayCount: 0,
  replayBytes: 0,
};

Deno.test("RateMeter tells what moved per second", () => {
  let nowMs = 0;
  const meter = new RateMeter(() => nowMs, () => undefined);
  const transfers = { fetchedBytes: 0, syncedBytes: 0, isSyncing: false };
  meter.read(NONE, transfers);
  nowMs = 2_000;
  const rates = meter.read(
    { ...NONE, writeCount: 10, writeBytes: 8192 },
    { ...transfers, fetchedBytes: 4096 },
  );
  assertEquals([rates.deviceOps, rates.deviceKib, rates.fetchKib], [5, 4, 2]);
});

Deno.test("RateMeter knows how fast a copy is between its steps", () => {
  let nowMs = 0;
  const meter = new RateMeter(() => nowMs, () => undefined);
  const after = (seconds: number, mib: number, isSyncing = true): number => {
    nowMs += seconds * 1_000;
    const syncedBytes = mib * 1024 * 1024;
    return meter.read(NONE, { fetchedBytes: 0, syncedBytes, isSyncing })
      .syncKib;
  };
  assertEquals(after(1, 0), 0);
  assertEquals(after(4, 4), 1024, "Its first step took four seconds");
  assertEquals(after(1, 4), 1024, "The next one is not late yet");
  assertEquals(after(3, 4), 1024);
  assertEquals(after(4, 4), 512, "It is late");
  assertEquals(after(8, 5), 64);
  assertEquals(after(1, 6), 1024);
  assertEquals(after(2, 6, false), 0, "Nothing is copied");
  assertEquals(after(2, 6), 0);
  assertEquals(after(2, 8), 1024, "What was before does not count");
});

Deno.test("CompletionMeter stands still while requests hang", () => {
  const meter = new CompletionMeter();
  const read = (seconds: number, writeCount: number): bigint | undefined =>
    meter.read({ ...NONE, writeCount, deviceOn: 1 }, {
      nowMs: seconds * 1_000,
      stampNs: BigInt(seconds),
    });
  assertEquals(read(1, 0), 1n);
  assertEquals(read(5, 7), 1n, "Told now and then");
  assertEquals(read(11, 9), 11n);
  assertEquals(read(60, 9), 11n, "Nothing was completed");
  assertEquals(
    meter.read({ ...NONE, deviceOn: 0 }, { nowMs: 61_000, stampNs: 61n }),
    undefined,
  );
  assertEquals(read(62, 9), 62n, "A device anew");
});
