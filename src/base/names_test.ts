import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "./assert.ts";
import {
  formatSequence,
  isIdentifier,
  logFileName,
  parseLogFileName,
} from "./names.ts";

Deno.test("isIdentifier() takes letters, digits, underscores and inner dashes", () => {
  for (const text of ["a", "_", "7up", "my-data", "A_b-9", "x".repeat(63)]) {
    assertEquals(isIdentifier(text), true, text);
  }
});

Deno.test("isIdentifier() refuses everything else", () => {
  const texts = ["", "-a", "a.b", "a b", "ä", "a/b", "a\n", "x".repeat(64)];
  for (const text of [...texts, "(none)", "none", "all", "any", "localhost"]) {
    assertEquals(isIdentifier(text), false, text);
  }
});

Deno.test("formatSequence() pads to nine digits and does not cut", () => {
  assertEquals(formatSequence(0), "000000000");
  assertEquals(formatSequence(42), "000000042");
  assertEquals(formatSequence(1234567890), "1234567890");
  assertThrows(() => formatSequence(-1), AssertionError);
  assertThrows(() => formatSequence(0.5), AssertionError);
});

Deno.test("parseLogFileName() is the inverse of logFileName()", () => {
  const anyHost = fc.stringMatching(/^[A-Za-z0-9_][-.A-Za-z0-9_]{0,20}$/);
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 999_999_999_999 }),
    anyHost,
    (sequence, host) => {
      const log = { sequence, host };
      assertEquals(parseLogFileName(logFileName(log)), log);
    },
  ));
});

Deno.test("parseLogFileName() reads the number as plain decimal", () => {
  assertEquals(parseLogFileName("log-7-a-b"), { sequence: 7, host: "a-b" });
});

Deno.test("parseLogFileName() refuses what is no name of a log", () => {
  const names = [
    "log-000000001",
    "log-000000001-",
    "log--a",
    "log-1x-a",
    "log-000000001-a,0",
    "log-000000001-a:0",
    "log-000000001-a/b",
    ".log-000000001-a",
    "version-000000001-a",
    "log-9999999999999999-a",
  ];
  for (const name of names) {
    assertEquals(parseLogFileName(name), undefined, name);
  }
});
