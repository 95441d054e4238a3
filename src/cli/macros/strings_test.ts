import { assertEquals, assertThrows } from "@std/assert";
import { evaluate } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%lt{a}{b}{c}", "1"],
  ["%lt{a}{c}{b}", ""],
  ["%gt{b}{a}", "1"],
  ["%le{a}{a}", "1"],
  ["%ge{a}{b}", ""],
  ["%eq{a}{a}{a}", "1"],
  ["%ne{a}{b}", "1"],
  ["%match{abc}{B}", ""],
  ["%match{abc}{B}{i}", "1"],
  ["%=~{abc}{^a.c$}", "1"],
  ["%match{a1}{a \\\\d}{x}", "1"],
  ["%subst{aXbX}{X}{-}", "a-bX"],
  ["%subst{aXbX}{X}{-}{g}", "a-b-"],
  ["%subst{k=v}{(\\\\w)=(\\\\w)}{$2=$1}", "v=k"],
  ["%toupper{aß}%tolower{AÄ}", "ASSaä"],
  ["%length{äöü}", "3"],
  ["%let{f}{%s}%sprintf{<%{f}>}{x}", "<x>"],
  ["%sprintf{%5.1f%%}{99.25}", " 99.2%"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

Deno.test("A bad regular expression is an error with its place", () => {
  assertThrows(() => evaluate("%match{a}{(}"), MacroError, "at test:1:1");
  assertThrows(() => evaluate("%match{a}{a}{q}"), MacroError, 'option "q"');
});
