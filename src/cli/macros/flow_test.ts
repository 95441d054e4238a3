import { assertEquals, assertThrows } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%if{1}{a}{b}%if{0}{a}{b}%if{}{a}", "ab"],
  ["%unless{1}{a}{b}%unless{0}{a}", "ba"],
  ["%elsif{0}{a}{1}{b}{c}%elsif{0}{a}{c}%elseif{}{a}{0}{b}", "bc"],
  ["%elsunless{1}{a}{0}{b}{c}", "b"],
  ["%let{i}{0}%while{%<{%{i}}{3}}{%{i}%let{i}{%+{%{i}}{1}}}", "012"],
  ["%let{i}{0}%until{%>={%{i}}{3}}{%{i}{++}}", "012"],
  ["%for{%let{i}{0}}{%<{%{i}}{4}}{%let{i}{%+{%{i}}{1}}}{%{i},}", "0,1,2,3,"],
  [
    "%for{%let{i}{0}}{%<{%{i}}{4}}{%{++}{i}}{%if{%=={%{i}}{1}}{%next{}}%{i}}",
    "023",
  ],
  ["%foreach{x}{a\\nb\\n\\nc}{<%{x}>}", "<a><b><c>"],
  ["%foreach{x}{a,b}{<%{x}>}{,}", "<a><b>"],
  ["%foreach{x}{a\\nb\\nc}{[%if{%eq{%{x}}{b}}{%next{!}}%{x}]}", "[a][![c]"],
  ["%foreach{x}{a\\nb\\nc}{%if{%eq{%{x}}{b}}{%last{.}}%{x}}", "a."],
  ["%foreach{x}{1\\n2}{%foreach{y}{a\\nb}{%{x}%{y}%last{}}}", "1a2a"],
  ["%get-glob{p}", "p-1\np-2"],
  ["%foreach-glob{f}{p}{(%{f})}", "(p-1)(p-2)"],
  ["%protect{%{x} \\\\n}", "%{x} \\\\n"],
  ["%let{x}{5}%eval{%protect{%{x}}}", "5"],
  ["%let{x}{\\%{y}}%let{y}{7}%eval{2}{\\%{x}}", "7"],
  ["%let{x}{\\%{y}}%let{y}{7}%eval-down{\\%{x}}", "7"],
  ["%let{x}{1}%tmp{%let{x}{2}%{x}}%{x}", "21"],
  ["%call{toupper}{a}%let{m}{tolower}%call{%{m}}{B}", "Ab"],
  ["a%return{b}c", "ab"],
  ["a%abort{b}c", "ab"],
  ["a%tmp{b%stop-eval{c}d}e", "abce"],
  ["%and{1}{2}%&&{1}{}%or{}{0}{x}%||{}{0}", "11"],
  ["%or{1}{%die{}}%and{0}{%die{}}", "1"],
  ["%not{}%!{1}%!{0}", "11"],
  ["%callstack{}", "test"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text), expected);
  });
}

function withMacros(texts: Readonly<Record<string, string>>): MacroWorld {
  const world = new MacroWorld({});
  for (const [name, text] of Object.entries(texts)) {
    world.templates.set(name, text);
  }
  return world;
}

Deno.test("return leaves one macro, abort all of them", () => {
  const world = withMacros({
    m: "%foreach{x}{1\\n2}{a%return{b}}c",
    n: "x%abort{y}z",
  });
  assertEquals(evaluate("<%m{}>", world), "<ab>");
  assertEquals(evaluate("<%n{}>", world), "<xy");
});

Deno.test("include evaluates a macro here, with the arguments of here", () => {
  const world = withMacros({ outer: "%include{inner}", inner: "<%{1}>" });
  assertEquals(evaluate("%outer{a}", world), "<a>");
  assertThrows(() => evaluate("%include{x}"), MacroError, 'there is no "x"');
});

for (const text of ["%next{}", "%last{}", "%die{no}"]) {
  Deno.test(`${text} is an error`, () => {
    assertThrows(() => evaluate(text), MacroError);
  });
}

Deno.test("eval-down ends when a text never settles", () => {
  const world = withMacros({ grow: "x%protect{%grow{}}" });
  const text = "%eval-down{%protect{%grow{}}}";
  assertThrows(() => evaluate(text, world), MacroError, "still changes");
});
