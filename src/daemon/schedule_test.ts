import { assert, assertEquals } from "@std/assert";
import { type Link, Snapshot } from "../tree/snapshot.ts";
import { Schedule } from "./schedule.ts";

const SIZE = "resource-x/size";

function link(path: string, value: string, stampNs = 1n): Link {
  return { path, value, stampNs };
}

const TREE = new Snapshot([
  link(SIZE, "4096"),
  link("resource-x/todo-alpha/attach", "1"),
  link("resource-y/size", "4096"),
  link("actual-alpha/time", "1.000000000"),
  link("actual-alpha/alive", "1"),
]);

/** A schedule in which both resources were stepped at 0. */
function stepped(): Schedule {
  const schedule = new Schedule();
  schedule.observe(TREE, "");
  for (const resource of ["x", "y"]) {
    schedule.begin(resource, TREE);
    schedule.end(resource, { nowMs: 0, isGood: true, isIdle: true });
  }
  return schedule;
}

function dueOf(
  schedule: Schedule,
  snapshot: Snapshot,
  nowMs = 1,
): readonly string[] {
  return schedule.take(["x", "y"], snapshot, nowMs).taken;
}

Deno.test("Schedule has every new resource stepped", () => {
  assertEquals(dueOf(new Schedule(), TREE), ["x", "y"]);
  assertEquals(dueOf(stepped(), TREE), []);
});

Deno.test("Schedule has a resource stepped when a value below it changes", () => {
  const changed = TREE.with([link(SIZE, "8192", 2n)]);
  const grown = TREE.with([link("resource-x/primary", "alpha")]);
  assertEquals(dueOf(stepped(), changed), ["x"]);
  assertEquals(dueOf(stepped(), grown), ["x"]);
  assertEquals(dueOf(stepped(), TREE.without([SIZE])), ["x"]);
  assertEquals(
    dueOf(stepped(), TREE.without(["resource-x/todo-alpha/attach"])),
    ["x"],
  );
});

Deno.test("Schedule takes a new stamp for no change", () => {
  const refreshed = TREE.with([link(SIZE, "4096", 2n)]);
  assertEquals(dueOf(stepped(), refreshed), []);
});

Deno.test("Schedule does not lose a change that comes during a step", () => {
  const schedule = stepped();
  schedule.begin("x", TREE);
  schedule.poke("x");
  schedule.end("x", { nowMs: 1, isGood: true, isIdle: true });
  assertEquals(dueOf(schedule, TREE), ["x"]);

  schedule.begin("x", TREE);
  const changed = TREE.with([link(SIZE, "8192", 2n)]);
  schedule.end("x", { nowMs: 1, isGood: true, isIdle: true });
  assertEquals(dueOf(schedule, changed), ["x"]);
});

Deno.test("Schedule has all stepped when something shared changes", () => {
  const host = TREE.with([link("ips/ip-alpha", "10.0.0.1")]);
  const setting = TREE.with([link("defaults-alpha/sync-limit", "1")]);
  for (const snapshot of [host, setting]) {
    const schedule = stepped();
    schedule.observe(snapshot, "");
    assertEquals(dueOf(schedule, snapshot), ["x", "y"]);
  }
  const schedule = stepped();
  schedule.observe(TREE, "emergency");
  assertEquals(dueOf(schedule, TREE), ["x", "y"]);
});

Deno.test("Schedule takes no notice of signs of life", () => {
  const schedule = stepped();
  const later = TREE.with([
    link("actual-alpha/time", "2.000000000", 2n),
    link("userspace/note", "text"),
  ]);
  schedule.observe(later, "");
  assertEquals(dueOf(schedule, later), []);
});

Deno.test("Schedule looks at quiet resources more and more rarely, not never", () => {
  const schedule = stepped();
  const at: number[] = [];
  for (let nowMs = 0; nowMs < 100_000; nowMs += 500) {
    if (!dueOf(schedule, TREE, nowMs).includes("x")) continue;
    at.push(nowMs);
    schedule.begin("x", TREE);
    schedule.end("x", { nowMs, isGood: true, isIdle: true });
  }
  assertEquals(at, [1_000, 5_000, 21_000, 81_000]);

  schedule.poke("x");
  schedule.begin("x", TREE);
  schedule.end("x", { nowMs: 100_000, isGood: true, isIdle: true });
  assert(dueOf(schedule, TREE, 101_000).includes("x"));
});

Deno.test("Schedule tries again soon what did not go well", () => {
  const schedule = stepped();
  for (const nowMs of [1_000, 2_000, 3_000, 4_000]) {
    assert(dueOf(schedule, TREE, nowMs).includes("x"));
    schedule.begin("x", TREE);
    schedule.end("x", { nowMs, isGood: false, isIdle: true });
  }
});

Deno.test("Schedule keeps rounds short, but not for those that changed", () => {
  const names = Array.from({ length: 100 }, (_, index) => `r${index}`);
  const sizes = names.map((name) => link(`resource-${name}/size`, "4096"));
  const tree = new Snapshot(sizes);
  const schedule = new Schedule();
  const stepped: string[] = [];
  const round = (snapshot: Snapshot): boolean => {
    const { taken, hasMore } = schedule.take(names, snapshot, 1);
    for (const name of taken) {
      schedule.begin(name, snapshot);
      schedule.end(name, { nowMs: 1, isGood: true, isIdle: true });
    }
    stepped.push(...taken);
    return hasMore;
  };
  while (round(tree));
  assertEquals(stepped, names);

  stepped.length = 0;
  schedule.pokeAll();
  const changed = tree.with([link("resource-r99/size", "8192", 2n)]);
  assertEquals(round(changed), true);
  assertEquals(stepped[0], "r99");
  assert(stepped.length < names.length);
});
