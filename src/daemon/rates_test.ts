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
  const transfers = { fetchedBytes: 0, syncedBytes: 0 };
  meter.read(NONE, transfers);
  nowMs = 2_000;
  const rates = meter.read(
    { ...NONE, writeCount: 10, writeBytes: 8192 },
    { ...transfers, fetchedBytes: 4096 },
  );
  assertEquals([rates.deviceOps, rates.deviceKib, rates.fetchKib], [5, 4, 2]);
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
