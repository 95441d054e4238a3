import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatBar,
  formatBytes,
  formatCount,
  formatDecimals,
  formatDuration,
} from "./figures.ts";

const MIB = 2 ** 20;

Deno.test("formatBytes() takes the unit in which digits are not lost", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.000 KiB"],
    [1_000_000, "976.562 KiB"],
    [2_000_000, "1.907 MiB"],
    [16 * MIB, "16.000 MiB"],
    [1024 * MIB, "1024.000 MiB"],
    [10 * 1024 * MIB, "10.000 GiB"],
    [10 * 2 ** 40, "10.000 TiB"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
});

Deno.test("formatDecimals() rounds a tie to the even digit", () => {
  assertEquals(formatDecimals(0.125, 2), "0.12");
  assertEquals(formatDecimals(0.375, 2), "0.38");
  assertEquals(formatDecimals(2.999, 2), "3.00");
});

Deno.test("formatDuration() writes hours, minutes and seconds", () => {
  assertEquals(formatDuration(4000.9), "01:06:40");
  assertEquals(formatDuration(360_000), "100:00:00");
  assertEquals(formatDuration(undefined), "--:--:--");
});

Deno.test("formatBar() never gets longer, whatever the amounts", () => {
  const anyBytes = fc.maxSafeNat();
  fc.assert(fc.property(anyBytes, anyBytes, anyBytes, (left, right, more) => {
    const [doneBytes = 0, presentBytes = 0, sizeBytes = 0] = [left, right, more]
      .sort((a, b) => a - b);
    const bar = formatBar({ doneBytes, presentBytes, sizeBytes }, 20);
    assertEquals(/^=*>:*\.*$/.test(bar), true, bar);
    assertEquals(bar.length === 19 || bar.length === 20, true, bar);
  }));
});

Deno.test("formatCount() says one of one", () => {
  assertEquals(formatCount(0, "log"), "0 logs");
  assertEquals(formatCount(1, "log"), "1 log");
  assertEquals(formatCount(2, "log"), "2 logs");
});
