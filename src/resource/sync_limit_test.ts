import { assertEquals } from "@std/assert";
import { syncsAllowed } from "./sync_limit.ts";

const wish = (resource: string, isSyncing = false) => ({ resource, isSyncing });

Deno.test("syncsAllowed() lets the first ones in by name", () => {
  const wishes = [wish("c"), wish("a"), wish("b")];
  assertEquals([...syncsAllowed(wishes, 2)], ["a", "b"]);
});

Deno.test("syncsAllowed() takes nobody's place away, unless there are too many", () => {
  const wishes = [wish("a"), wish("c", true), wish("b", true)];
  assertEquals([...syncsAllowed(wishes, 2)], ["b", "c"]);
  assertEquals([...syncsAllowed(wishes, 1)], ["b"]);
});

Deno.test("syncsAllowed() without a limit lets all of them", () => {
  assertEquals(syncsAllowed([wish("a"), wish("b")], 0).size, 2);
});
