import { assert, assertEquals } from "@std/assert";
import { REASONS_PER_SOURCE_MAX, Refusals, SOURCES_MAX } from "./refusals.ts";

Deno.test("Refusals tells each reason once per source", () => {
  const refusals = new Refusals();
  assert(refusals.report("192.0.2.1", "unknown key"));
  assert(!refusals.report("192.0.2.1", "unknown key"));
  assert(refusals.report("192.0.2.1", "wrong protocol"));
  assert(refusals.report("192.0.2.2", "unknown key"));
});

Deno.test("Refusals tells few reasons per source, however many there are", () => {
  const refusals = new Refusals();
  const told = Array.from(
    { length: 1_000 },
    (_, index) => refusals.report("192.0.2.1", `unknown key ${index}`),
  );
  assertEquals(told.filter(Boolean).length, REASONS_PER_SOURCE_MAX);
  assert(refusals.report("192.0.2.2", "unknown key"));
});

Deno.test("Refusals forgets the oldest of too many sources", () => {
  const refusals = new Refusals();
  for (let index = 0; index <= SOURCES_MAX; index++) {
    assert(refusals.report(`source ${index}`, "unknown key"));
  }
  assert(!refusals.report(`source ${SOURCES_MAX}`, "unknown key"));
  assert(refusals.report("source 0", "unknown key"));
});
