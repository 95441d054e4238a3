import { assertEquals } from "@std/assert";
import { type Link, Snapshot } from "../tree/snapshot.ts";
import { outdated } from "./handmade.ts";

const S = 1_000_000_000n;

function link(path: string, value: string, seconds: bigint): Link {
  return { path, value, stampNs: seconds * S };
}

const BEFORE = new Snapshot([
  link("resource-x/todo-alpha/attach", "1", 5_000n),
  link("actual-beta/tree", "0.1", 5_000n),
  link("uuid", "real", 5_000n),
]);

const paths = (...found: Link[]): string[] =>
  outdated(BEFORE, found, "alpha").map(({ path }) => path);

Deno.test("outdated() finds values that others would not take", () => {
  const path = "resource-x/todo-alpha/attach";
  assertEquals(paths(link(path, "0", 4_000n)), [path]);
  assertEquals(paths(link(path, "0", 5_000n)), [path]);
  assertEquals(paths(link(path, "0", 5_001n)), []);
});

Deno.test("outdated() leaves alone what is new, equal, or not ours", () => {
  assertEquals(paths(link("ips/ip-alpha", "10.0.0.1", 4_000n)), []);
  assertEquals(paths(link("resource-x/todo-alpha/attach", "1", 4_000n)), []);
  assertEquals(paths(link("actual-beta/tree", "9", 4_000n)), []);
});

Deno.test("outdated() leaves stamps alone that shall lose", () => {
  assertEquals(paths(link("uuid", "(any)", 1n)), []);
});
