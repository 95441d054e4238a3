import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { evaluate } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%+{1}{2}{3.5}", "6.5"],
  ["%+{}", "0"],
  ["%-{10}{2}{3}", "5"],
  ["%-{7}", "-7"],
  ["%*{6}{7}", "42"],
  ["%/{1}{4}", "0.25"],
  ["%/{1}{3}", "0.333333333333333"],
  ["%%{17}{5}", "2"],
  ["%%{-17}{5}", "3"],
  ["%%{17}{-5}", "-3"],
  ["%min{3}{1}{2}", "1"],
  ["%max{3}{1}{2}", "3"],
  ["%&{12}{10}", "8"],
  ["%|{12}{3}", "15"],
  ["%^{6}{3}", "5"],
  ["%<<{1}{40}", "1099511627776"],
  ["%>>{1099511627776}{40}", "1"],
  ["%~{0}", "18446744073709551615"],
  ["%&{18446744073709551615}{255}", "255"],
  ["%<{1}{2}{3}", "1"],
  ["%<{1}{3}{2}", ""],
  ["%<={1}{1}", "1"],
  ["%>{2}{1}", "1"],
  ["%>={1}{2}", ""],
  ["%=={1}{1.0}{0x1}", "1"],
  ["%!={1}{2}", "1"],
  ["%+{0x10}{1e3}", "1016"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

for (
  const text of [
    "%/{1}{0}",
    "%%{1}{0.5}",
    "%+{abc}",
    "%<<{1}{2000}",
    "%*{1e300}{1e300}",
  ]
) {
  Deno.test(`${text} is an error`, () => {
    assertThrows(() => evaluate(text), MacroError, "Cannot evaluate");
  });
}

Deno.test("Whole numbers are calculated exactly", () => {
  const whole = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  fc.assert(fc.property(whole, whole, (left, right) => {
    assertEquals(evaluate(`%+{${left}}{${right}}`), String(left + right));
    assertEquals(
      evaluate(`%min{${left}}{${right}}:%max{${left}}{${right}}`),
      `${Math.min(left, right)}:${Math.max(left, right)}`,
    );
  }));
});
