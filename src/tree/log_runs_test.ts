import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatRuns, parseRuns } from "./log_runs.ts";

Deno.test("parseRuns() reads what formatRuns() has written", () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });
  fc.assert(fc.property(numbers, (sequences) => {
    const found = new Set<number>();
    for (const { first, last } of parseRuns(formatRuns(sequences)) ?? []) {
      for (let sequence = first; sequence <= last; sequence++) {
        found.add(sequence);
      }
    }
    assertEquals(found, new Set(sequences));
  }));
});

Deno.test("formatRuns() tells the newest of too many", () => {
  const sequences = Array.from({ length: 40 }, (_, index) => 2 * index + 1);
  const runs = parseRuns(formatRuns(sequences)) ?? [];
  assertEquals([runs.length, runs[0]?.first, runs.at(-1)?.last], [16, 49, 79]);
});

Deno.test("parseRuns() takes nothing else", () => {
  const bad = [
    "",
    "1",
    "3-1",
    "1-2,2-3",
    "5-6,1-2",
    "1-2,",
    "a-b",
    "-1-2",
    " 1-2",
  ];
  for (const text of bad) assertEquals(parseRuns(text), undefined, text);
  assertEquals(parseRuns("0"), []);
});
