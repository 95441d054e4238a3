/** Values of options: what is taken, and what is refused. */
import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../base/errors.ts";
import { type Options, optionsOf, parseCommandLine } from "./options.ts";

function options(...args: string[]): Options {
  return optionsOf(parseCommandLine(args), false);
}

Deno.test("--timeout=-1 waits for ever, as one word and as two", () => {
  for (const words of [["--timeout=-1"], ["--timeout", "-1"]]) {
    assertEquals(options("up", ...words, "all").timeoutMs, Infinity);
  }
  assertEquals(options("--timeout", "5", "up").timeoutMs, 5000);
  assertThrows(() => options("up", "-1"), UsageError, "-1");
});

Deno.test("Options with few values take no other", () => {
  assertEquals(options("--ignore-deleted-peers=2").ignoreDeletedPeers, 2);
  assertEquals(options("--systemd-enable=0").systemd, false);
  assertThrows(
    () => options("--ignore-deleted-peers=3"),
    UsageError,
    'Cannot use "3" as --ignore-deleted-peers: expected 0 or 1 or 2',
  );
  assertThrows(() => options("--systemd-enable=2"), UsageError, "0 or 1");
});
