import { assertEquals, assertThrows } from "@std/assert";
import { evaluate } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%human-numbers{}{/}{ }{8388608}{16777216}", "8.000/16.000 MiB"],
  ["%human-numbers{}{}{}{512}{1048576}", "0.000/1.000 MiB"],
  ["%human-numbers{}{/}{ }{0}", "0 B"],
  ["%human-numbers{}{/}{ }{1023}", "1023 B"],
  ["%human-numbers{}{/}{ }{10000000000}", "9536.743 MiB"],
  ["%human-numbers{}{/}{ }{10800000000}", "10.058 GiB"],
  ["%human-numbers{MiB}{ of }{}{1048576}{2097152}", "1.000 of 2.000 MiB"],
  ["%human-numbers{g}{/}{ }{1500000000}", "1.500 GB"],
  ["%human-numbers{k}{/}{ }{1500}", "1.500 kB"],
  ["%human-numbers{B}{/}{ }{1500}", "1500 B"],
  ["%human-rounded{0}{/}{)}{1048576}{5242880}", "1/5)MiB"],
  ["%human-rounded{2}{/}{ }{4194304}", "4.00 MiB"],
  [
    "%human-seconds{4000} %human-seconds{} %human-seconds{-1}",
    "01:06:40 --:--:-- --:--:--",
  ],
  ["%progress{20}{1}{3}{5}", "[===>:::::::........]"],
  ["%progress{}{1}{1}{2}", "[=========>..........]"],
  ["%progress{10}{5}{5}{5}", "[=========>]"],
  ["%progress{1}{0}{0}{5}", "[>]"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

for (
  const text of [
    "%human-numbers{x}{}{}{1}",
    "%progress{0}{1}{1}{1}",
    "%progress{9999}{1}{1}{1}",
  ]
) {
  Deno.test(`${text} is an error`, () => {
    assertThrows(() => evaluate(text), MacroError);
  });
}
