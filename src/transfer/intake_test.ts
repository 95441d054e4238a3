/** Who may exchange links: names of clusters, and of merged ones. */
import { assertEquals, assertThrows } from "@std/assert";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import { MarsError } from "../base/errors.ts";
import { FUTURE_NS_MAX, LamportClock } from "../base/lamport.ts";
import type { Link } from "../tree/snapshot.ts";
import type { ApplyContext } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { LinkIntake } from "./intake.ts";

/** A host of cluster `uuid` with links `todo-global/merged-…`. */
function intakeOf(uuid: string, ...merged: string[]): LinkIntake {
  const clock = new ManualClock();
  const tree = new MemoryTree(
    clock,
    merged.map((name) => ({
      path: `todo-global/merged-${name}`,
      value: uuid,
      stampNs: 1n,
    })),
  );
  return new LinkIntake({
    tree,
    host: "alpha",
    lamport: new LamportClock(clock),
    uuid: () => uuid === "" ? undefined : uuid,
    onTaken: () => {},
  });
}

function admits(left: LinkIntake, right: LinkIntake): boolean {
  try {
    left.admit("beta", right.greeting());
    return true;
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
    return false;
  }
}

Deno.test("admit() lets in who has any name of the cluster in common", () => {
  const cases: [LinkIntake, LinkIntake, boolean][] = [
    [intakeOf("a"), intakeOf("a"), true],
    [intakeOf("a"), intakeOf("b"), false],
    [intakeOf("a"), intakeOf("(any)"), true],
    [intakeOf("a"), intakeOf(""), false],
    [intakeOf(""), intakeOf(""), false],
    // One side knows of the merge.
    [intakeOf("a", "b"), intakeOf("b"), true],
    [intakeOf("a", "c"), intakeOf("b"), false],
    // Both were merged with a third one.
    [intakeOf("a", "c"), intakeOf("b", "c"), true],
    // A merged name alone makes no member.
    [intakeOf("", "a"), intakeOf("a"), false],
  ];
  for (const [left, right, isOne] of cases) {
    assertEquals(admits(left, right), isOne);
    assertEquals(admits(right, left), isOne);
  }
});

Deno.test("admit() refuses names that are no list of texts", () => {
  const greeting = intakeOf("a").greeting();
  for (const merged of ["a", 5, [5], {}]) {
    assertThrows(
      () => intakeOf("a").admit("beta", { ...greeting, merged }),
      MarsError,
    );
  }
});

Deno.test("take() gives the tree tombstones of what is no link here: of logs", () => {
  const clock = new ManualClock();
  const applied: Link[] = [];
  class RecordingTree extends MemoryTree {
    override apply(links: Iterable<Link>, context: ApplyContext): Link[] {
      const all = [...links];
      applied.push(...all);
      return super.apply(all, context);
    }
  }
  const intake = new LinkIntake({
    tree: new RecordingTree(clock),
    host: "alpha",
    lamport: new LamportClock(clock),
    uuid: () => "a",
    onTaken: () => {},
  });
  const path = "resource-x/log-000000001-beta";
  const tombstone = { path, value: TOMBSTONE, stampNs: 5n };

  intake.take("beta", [tombstone]);
  intake.take("gamma", [{ path: "userspace/x", value: "1", stampNs: 5n }]);
  // Again: the log may have been needed the first time.
  intake.take("gamma", [tombstone]);

  assertEquals(
    applied.filter((link) => link.path === path),
    [tombstone, tombstone],
  );
});

Deno.test("take() forgets what was deleted before the clock fell back", () => {
  const clock = new ManualClock();
  const lamport = new LamportClock(clock);
  const taken: Link[] = [];
  const intake = new LinkIntake({
    tree: new MemoryTree(clock),
    host: "alpha",
    lamport,
    uuid: () => "a",
    onTaken: (links) => taken.push(...links),
  });
  const path = "userspace/x";
  const rightNs = clock.nowNs;
  clock.nowNs += FUTURE_NS_MAX;
  const tombstone = { path, value: TOMBSTONE, stampNs: clock.nowNs + 1n };
  const late = { path, value: "1", stampNs: clock.nowNs };
  intake.take("beta", [tombstone]);
  assertEquals(intake.take("gamma", [late]), [tombstone]);

  clock.nowNs = rightNs;
  lamport.hear(rightNs);
  const anew = { path, value: "2", stampNs: rightNs + 2n };

  assertEquals(intake.take("beta", [anew]), []);
  assertEquals(taken, [anew]);
});
