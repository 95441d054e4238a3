import { assertEquals, assertMatch } from "@std/assert";
import { readable } from "./readable.ts";

Deno.test("readable() turns stamps into local time", () => {
  assertMatch(
    readable("at 1795351445.000000123, then"),
    /^at 2026-11-2[123] \d\d:\d\d:05, then$/,
  );
});

Deno.test("readable() explains codes, but no other numbers", () => {
  assertEquals(
    readable("-5,-5,0x12"),
    "-5[EIO:Input/output_error],-5[EIO:Input/output_error],0x12",
  );
  for (const text of ["1-5", "--5", "-5.5", "-999", "log-000000005-a", "-5a"]) {
    assertEquals(readable(text), text);
  }
});

Deno.test("readable() lets nothing reach the terminal", () => {
  assertEquals(readable("a\u001b[31mb\u009b\u0007\n\tc"), "a?[31mb??\n\tc");
});
