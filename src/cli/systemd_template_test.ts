import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MarsError } from "../base/errors.ts";
import {
  escapeUnit,
  expand,
  hasMarker,
  isTemplateName,
  matchName,
  type Scope,
  type Template,
  unescapeUnit,
  unitName,
} from "./systemd_template.ts";

const SCOPE: Scope = {
  variables: new Map([["res", "my-data"], ["host", "alpha"], ["n", "res"]]),
  evaluate: (macro) => `<${macro}>`,
};

const template = (name: string): Template => ({
  name,
  path: `/t/${name}`,
  text: "",
});

const ANY = template("any.service");

Deno.test("expand() knows every form, nested and side by side", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["plain {x} ^{res} @ @x{res}", "plain {x} ^{res} @ @x{res}"],
    ["@{res}@{host}", "my-dataalpha"],
    ["@{@{n}}", "my-data"],
    ["@eval{%{res} of @{host}}", "<%{res} of alpha>"],
    ["@eval{%if{1}{a}}", "<%if{1}{a}>"],
    ["@verbatim{@{res} {x}}", "@{res} {x}"],
    ["@esc{/vol/@{res}}", "vol-my\\x2ddata"],
    ["@escvar{res}", "my\\x2ddata"],
  ];
  for (const [text, expected] of cases) {
    assertEquals(expand(text, SCOPE, ANY), expected, text);
  }
});

Deno.test("expand() says what is wrong with which template", () => {
  assertThrows(
    () => expand("x @{nothing}", SCOPE, ANY),
    MarsError,
    'Cannot use template "/t/any.service": there is no variable "nothing"',
  );
  assertThrows(
    () => expand("x @esc{res", SCOPE, ANY),
    MarsError,
    'Cannot use template "/t/any.service": "@esc{" is not closed',
  );
});

Deno.test("matchName() gives what patterns stand for", () => {
  const name = "vol-^{res}-on-^{where}.mount";
  assertEquals(
    matchName(template(name), "vol-a\\x2db-on-c.mount", SCOPE),
    new Map([["res", "a-b"], ["where", "c"]]),
  );
  assertEquals(matchName(template(name), "vol-a.mount", SCOPE), undefined);
  assertEquals(
    matchName(template("x-@{host}.path"), "x-alpha.path", SCOPE),
    new Map(),
  );
  assertEquals(
    matchName(template("x-@{host}.path"), "x-beta.path", SCOPE),
    undefined,
  );
});

Deno.test("matchName() wants one value for one variable", () => {
  const name = "^{res}-^{res}.path";
  assertEquals(
    matchName(template(name), "a-a.path", SCOPE),
    new Map([["res", "a"]]),
  );
  assertEquals(matchName(template(name), "a-b.path", SCOPE), undefined);
});

Deno.test("unitName() is what matchName() finds again", () => {
  const anyText = fc.string({ minLength: 1, unit: "grapheme" })
    .filter((text) => !text.includes("/") && !text.includes("\0"));
  fc.assert(fc.property(anyText, (res) => {
    const scope = { ...SCOPE, variables: new Map([["res", res]]) };
    const pattern = template("vol-^{res}.mount");
    assertEquals(
      matchName(pattern, unitName(pattern, scope), scope)?.get("res"),
      res,
    );
  }));
});

Deno.test("escapeUnit() agrees with systemd-escape", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/", "-"],
    ["/dev/mars/x", "dev-mars-x"],
    ["//a//b/", "a-b"],
    ["a/b", "a-b"],
    ["a-b c", "a\\x2db\\x20c"],
    [".x.y", "\\x2ex.y"],
    ["ä", "\\xc3\\xa4"],
    ["_:9", "_:9"],
  ];
  for (const [text, expected] of cases) {
    assertEquals(escapeUnit(text), expected, text);
  }
});

Deno.test("unescapeUnit() takes back what escapeUnit() did, but for slashes", () => {
  const anyText = fc.string({ unit: "grapheme" })
    .filter((text) => !text.includes("/"));
  fc.assert(fc.property(anyText, (text) => {
    assertEquals(unescapeUnit(escapeUnit(text)), text);
  }));
});

Deno.test("hasMarker() looks at comments only, and at whole words", () => {
  assertEquals(hasMarker("a\n# ALWAYS_START\n", "ALWAYS_START"), true);
  assertEquals(hasMarker(";; KEEP_RUNNING X_STOP", "X_STOP"), true);
  assertEquals(
    hasMarker("ALWAYS_START\nx # ALWAYS_START", "ALWAYS_START"),
    false,
  );
  assertEquals(hasMarker("# NOT_ALWAYS_START", "ALWAYS_START"), false);
});

Deno.test("isTemplateName() wants a suffix of a unit, or script", () => {
  for (const name of ["a.service", "^{x}.path", "go.script"]) {
    assertEquals(isTemplateName(name), true, name);
  }
  for (const name of ["a.service~", ".a.service", "README", "a.tpl"]) {
    assertEquals(isTemplateName(name), false, name);
  }
});
