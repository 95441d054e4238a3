import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MacroError } from "./run.ts";
import { sprintf } from "./sprintf.ts";

// What printf of C writes.
const CASES: readonly (readonly [string, readonly string[], string])[] = [
  ["%d|%5d|%-5d|%05d|%+d", ["1", "2", "3", "4", "5"], "1|    2|3    |00004|+5"],
  ["%s|%5s|%-5s|%.2s", ["a", "b", "c", "defg"], "a|    b|c    |de"],
  [
    "%.2f|%8.3f|%f|%.0f",
    ["1.005", "3.14159", "2", "2.5"],
    "1.00|   3.142|2.000000|2",
  ],
  [
    "%x|%X|%#x|%o|%b|%#b",
    ["255", "255", "255", "8", "5", "5"],
    "ff|FF|0xff|10|101|0b101",
  ],
  [
    "%e|%.1E|%g|%g|%g",
    ["12345", "0.00012", "100000", "1000000", "0.5"],
    "1.234500e+04|1.2E-04|100000|1e+06|0.5",
  ],
  ["%*d|%-*d|%.*f", ["4", "1", "4", "2", "1", "3.14"], "   1|2   |3.1"],
  ["%%|%c|% d", ["65", "7"], "%|A| 7"],
  ["%d %s", [], "0 "],
  ["%08.3f|%08d|%.3d", ["-3.14159", "-42", "7"], "-003.142|-0000042|007"],
  ["%x", ["-1"], "ffffffffffffffff"],
  ["%ld %lu", ["1", "2"], "1 2"],
  ["%d", ["3.99"], "3"],
];

for (const [format, values, expected] of CASES) {
  Deno.test(`sprintf("${format}", ${values}) is "${expected}"`, () => {
    assertEquals(sprintf(format, values), expected);
  });
}

Deno.test("sprintf() refuses what it does not know, and endless fields", () => {
  assertThrows(
    () => sprintf("%y", ["1"]),
    MacroError,
    'unknown conversion "%y"',
  );
  assertThrows(() => sprintf("%99999d", ["1"]), MacroError, "field of");
  assertThrows(() => sprintf("%.999f", ["1"]), MacroError, "field of");
});

Deno.test("sprintf() makes no field narrower than asked for", () => {
  const flags = fc.constantFrom("", "-", "0", "+", " ", "-+");
  const letters = fc.constantFrom("d", "s", "f", "x", "e", "g");
  fc.assert(fc.property(
    flags,
    fc.integer({ min: 1, max: 40 }),
    letters,
    fc.integer(),
    (flag, width, letter, value) => {
      const text = sprintf(`%${flag}${width}${letter}`, [String(value)]);
      assertEquals(text.length >= width, true);
      if (letter === "d") assertEquals(Number(text), value);
    },
  ));
});
