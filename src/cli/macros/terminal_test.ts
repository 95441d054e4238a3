import { assertEquals, assertThrows } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";
import { MacroError } from "./run.ts";

Deno.test("warn and hint write to stderr, not into the text", () => {
  const world = new MacroWorld({});
  assertEquals(evaluate("a%warn{b\\n}%hint{c}d", world), "ad");
  assertEquals(world.warned, ["WARNING: b", "   HINT: c"]);
});

Deno.test("die ends with its text", () => {
  assertThrows(() => evaluate("%die{no\\n}"), MacroError, "test:1:1: no");
});

Deno.test("paint takes a mood, or finds it", () => {
  const world = new MacroWorld({});
  world.isPainted = true;
  assertEquals(
    evaluate("%paint{UpToDate}%paint{Orphan}%paint{x}%paint{x}{bad}", world),
    "<good>UpToDate<bad>Orphan<changing>x<bad>x",
  );
});

Deno.test("readlink and setlink stay in the tree", () => {
  const world = new MacroWorld({ "resource-res1/size": "7" });
  const text = "%readlink{/mars/resource-res1/size}" +
    "%readlink{resource-res1/size}%readlink{userspace/none}" +
    "%setlink{v}{userspace/x}";
  assertEquals(evaluate(text, world), "77");
  assertEquals(world.written, [["userspace/x", "v"]]);
  for (const path of ["/etc/passwd", "../x", "a/b/c/d", ""]) {
    assertThrows(
      () => evaluate(`%readlink{${path}}`, world),
      MacroError,
      "is no link of the tree",
    );
  }
});

Deno.test("sleep waits for so long, and not for ever", () => {
  const world = new MacroWorld({});
  const before = world.realNs;
  evaluate("%sleep{2.5}", world);
  assertEquals(world.realNs - before, 2_500_000_000n);
  assertThrows(() => evaluate("%sleep{99999}", world), MacroError, "at most");
  assertThrows(() => evaluate("%sleep{-1}", world), MacroError, "at most");
});
