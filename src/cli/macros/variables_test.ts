import { assertEquals, assertThrows } from "@std/assert";
import { evaluate } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%let{x}{1}%let{x}{2}%{x}", "2"],
  ["%append{x}{a}%append{x}{b}%{x}", "ab"],
  ["%let{n}{x}%let{x}{5}%{%{n}}", "5"],
  ["%let{i}{4}%{++}{i}%{i}%{i}{++}%{i}%{--}{i}", "55565"],
  ["%{++}{new}", "1"],
  ["%let{l}{a:b:c}%{l}{:}{1}", "b"],
  ["%let{l}{a:b:c}%{l}{:}{-1}%{l}{:}{7}", "c"],
  ["%let{l}{a:b:c}%set{l}{:}{1}{X}%{l}", "a:X:c"],
  ["%let{l}{a}%set{l}{:}{3}{d}%{l}", "a:::d"],
  ["%set{new}{,}{0}{a}%{new}", "a"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

Deno.test("dump-vars prints all variables", () => {
  const lines = evaluate("%let{zz}{last}%dump-vars{}").trim().split("\n");
  assertEquals(lines.at(-1), "zz=last");
  assertEquals(lines.includes("host=hosta"), true);
});

for (
  const text of [
    "%let{}{x}",
    "%let{l}{a}%{l}{}{0}",
    "%let{l}{a}%{l}{:}",
    "%set{l}{:}{9999999}{x}",
  ]
) {
  Deno.test(`${text} is an error`, () => {
    assertThrows(() => evaluate(text), MacroError, "Cannot evaluate");
  });
}
