import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";
import { MacroError, NeedsResourceError } from "./run.ts";

function withMacros(texts: Readonly<Record<string, string>>): MacroWorld {
  const world = new MacroWorld({});
  for (const [name, text] of Object.entries(texts)) {
    world.templates.set(name, text);
  }
  return world;
}

/** The message of the error that `text` ends in. */
function errorOf(text: string, world = new MacroWorld({})): string {
  return assertThrows(() => evaluate(text, world), MacroError).message;
}

Deno.test("A macro gets its arguments as 1, 2, …, its name as 0", () => {
  const world = withMacros({ m: "%{0}(%{1},%{2},%{3})" });
  assertEquals(evaluate("%m{a}{b}", world), "m(a,b,)");
});

Deno.test("An argument is evaluated when it is used, and once", () => {
  const world = withMacros({
    never: "x",
    twice: "%{1}%{1}",
    first: "%let{n}{5}%{1}",
  });
  assertEquals(evaluate("%never{%die{no}}", world), "x");
  assertEquals(evaluate("%let{n}{0}%twice{%{++}{n}}", world), "11");
  assertEquals(evaluate("%let{n}{0}%first{%{n}}", world), "5");
});

Deno.test("An argument sees the arguments of its caller", () => {
  const world = withMacros({
    outer: "%inner{%{1}!}",
    inner: "<%{1}>",
  });
  assertEquals(evaluate("%outer{a}", world), "<a!>");
});

Deno.test("A macro sees and changes the variables of its caller", () => {
  const world = withMacros({ m: "%append{v}{b}" });
  assertEquals(evaluate("%let{v}{a}%m{}%{v}", world), "ab");
  assertEquals(evaluate("%let{v}{a}%tmp{%m{}%{v}}%{v}", world), "aba");
});

Deno.test("A variable that nobody has set is an error with its place", () => {
  assertEquals(
    errorOf("ok\n %{missing}"),
    'Cannot evaluate %{} at test:2:2: variable "missing" is not set',
  );
});

Deno.test("An error names the macros that led to it", () => {
  const world = withMacros({ a: " %b{}", b: "%+{x}" });
  assertEquals(
    errorOf("%a{}", world),
    'Cannot evaluate %+{} at b:1:1: expected a number, found "x"; ' +
      "called by %b{} at a:1:2, %a{} at test:1:1",
  );
});

Deno.test("Endless recursion ends with an error that shows who called", () => {
  const world = withMacros({ a: "%b{}", b: "x%a{}" });
  const message = errorOf("%a{}", world);
  assertStringIncludes(message, "more than 400 calls inside each other");
  assertStringIncludes(message, "called by %b{} at a:1:1, %a{} at b:1:2");
  assertStringIncludes(message, "more");
});

Deno.test("Recursion through arguments of many macros does not crash", () => {
  const world = withMacros({
    a: "%if{1}{%+{0}{%if{1}{%*{1}{%a{%if{1}{%{1}}}}}}}",
  });
  assertStringIncludes(errorOf("%a{1}", world), "inside each other");
});

Deno.test("Recursion that ends is fine", () => {
  const world = withMacros({
    fac: "%if{%<={%{1}}{1}}{1}{%*{%{1}}{%fac{%-{%{1}}{1}}}}",
  });
  assertEquals(evaluate("%fac{10}", world), "3628800");
});

Deno.test("Endless loops and texts end with an error", () => {
  assertStringIncludes(errorOf("%while{1}{}"), "more than 1000000 rounds");
  const doubling = "%let{x}{ab}%while{1}{%append{x}{%{x}}}";
  assertStringIncludes(errorOf(doubling), "longer than");
});

Deno.test("Arguments and the resource can be used as variables", () => {
  assertEquals(evaluate("%{resdir} %{callstack}"), "/mars/resource-res1 test");
  assertStringIncludes(errorOf("%let{1}{x}"), "it is only read");
  assertStringIncludes(errorOf("%let{res}{../x}%{resdir}"), "is no resource");
  assertThrows(
    () => evaluate("%get-primary{}", new MacroWorld({}), { res: "" }),
    NeedsResourceError,
    "needs a resource",
  );
});
