import { assertEquals, assertThrows } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

Deno.test("A template stands before the builtin, which primitive- forces", () => {
  const world = new MacroWorld({});
  world.templates.set("toupper", "<%primitive-toupper{%{1}}>");
  world.templates.set("role-1and1", "mine");
  assertEquals(evaluate("%toupper{a}", world), "<A>");
  assertEquals(evaluate("%primitive-toupper{a}", world), "A");
  assertEquals(evaluate("%role-1and1{}", world), "mine");
  assertEquals(evaluate("%primitive-role-1and1{}", world), "Secondary");
});

Deno.test("An unknown macro is an error that names the nearest", () => {
  assertThrows(
    () => evaluate("%sprint{x}"),
    MacroError,
    'at test:1:1: there is no macro "sprint"; nearest: sprintf',
  );
});

Deno.test("An unknown macro that is not called does no harm", () => {
  assertEquals(evaluate("%if{0}{%nothing-of-that-kind{}}{fine}"), "fine");
});
