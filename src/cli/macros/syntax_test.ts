import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { evaluate } from "../../../tests/support/macro_world.ts";
import { MarsError } from "../../base/errors.ts";
import { MacroSyntaxError, parseMacro, placeOf } from "./syntax.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["plain text", "plain text"],
  ["a\\nb\\tc\\\\d\\{\\}\\%{x}", "a\nb\tc\\d{}%{x}"],
  ["\\a\\b\\e\\f\\r", "\x07\b\x1b\f\r"],
  ["100% of 5 %d %-8s %", "100% of 5 %d %-8s %"],
  ["a\\\n   b", "ab"],
  ["\\\n\\  b", "  b"],
  ["a # comment\n  b", "ab"],
  ["a // comment\nb", "ab"],
  ["# first\nb", "b"],
  ["a /* x\ny */ b", "a b"],
  ["http://host/*.txt#1", "http://host/*.txt#1"],
  ["%subst{a-b}{-}{+}", "a+b"],
  ["%toupper{{x}y}", "{X}Y"],
  ["%match{12}{^[0-9]{2}$}", "1"],
  ["%elsif\\\n  {}{a}\\\n  {1}{b} # yes\n  {c}", "b"],
  ["%let{a b}{1}%{a b}", "1"],
  ["%1and1-x", "%1and1-x"],
  ["}", "}"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${JSON.stringify(text)} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

Deno.test("parseMacro() says where an argument is not closed", () => {
  const text = "ab\ncd %if{1}{x";
  const error = assertThrows(() => parseMacro(text), MacroSyntaxError);
  assertEquals(placeOf(text, error.at), "2:10");
});

Deno.test("parseMacro() bounds arguments inside each other", () => {
  const text = "%!{".repeat(200) + "}".repeat(200);
  assertThrows(() => parseMacro(text), MacroSyntaxError, "more than 100");
});

Deno.test("parseMacro() takes or refuses any text", () => {
  const letters = fc.constantFrom(..."%{}\\#/*\n ab+<".split(""));
  fc.assert(fc.property(fc.array(letters), (text) => {
    try {
      parseMacro(text.join(""));
    } catch (error) {
      assertEquals(error instanceof MacroSyntaxError, true);
    }
  }));
});

Deno.test("A text with a backslash before each character is literal", () => {
  // These are the letters that a backslash gives another meaning.
  const any = fc.string().filter((text) => !/[ntrfbae\n]/.test(text));
  fc.assert(fc.property(any, (text) => {
    const escaped = [...text].map((letter) => `\\${letter}`).join("");
    assertEquals(evaluate(escaped), text);
  }));
});

Deno.test("A syntax error names macro and place", () => {
  assertThrows(
    () => evaluate("%let{x"),
    MarsError,
    'Cannot read macro "test" at 1:5',
  );
});
