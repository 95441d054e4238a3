import { assertEquals } from "@std/assert";
import {
  barText,
  countText,
  quantile,
  sizeText,
  tableLines,
  timeText,
} from "./screen_text.ts";

Deno.test("barText() is as long whatever the fraction", () => {
  assertEquals(barText(0, 4), "[....]   0 %");
  assertEquals(barText(0.5, 4), "[##..]  50 %");
  assertEquals(barText(1, 4), "[####] 100 %");
  assertEquals(barText(7, 4), "[####] 100 %");
});

Deno.test("barText() is not full before the end", () => {
  assertEquals(barText(0.999, 4).slice(-4), "99 %");
});

Deno.test("tableLines() lines up words to the left, numbers to the right", () => {
  assertEquals(
    tableLines([["host", "bytes"], ["alpha", "12"], ["b", "1,234"]]),
    [
      "host    bytes",
      "-----   -----",
      "alpha      12",
      "b       1,234",
    ],
  );
});

Deno.test("countText() groups digits by three", () => {
  assertEquals(["7", "1,000", "1,234,567"], [
    countText(7),
    countText(1_000),
    countText(1_234_567),
  ]);
});

Deno.test("sizeText() and timeText() choose what is readable", () => {
  assertEquals(sizeText(1536 * 1024), "1.5 MiB");
  assertEquals(timeText(0.345), "0.34 ms");
  assertEquals(timeText(123.4), "123 ms");
  assertEquals(timeText(12_340), "12.3 s");
});

Deno.test("quantile() of nothing is 0", () => {
  assertEquals(quantile([], 0.5), 0);
  assertEquals(quantile([1, 2, 3, 4], 0.5), 3);
  assertEquals(quantile([1, 2, 3, 4], 1), 4);
});
