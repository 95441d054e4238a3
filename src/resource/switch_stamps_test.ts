/** Which switches a daemon has seen, as who has written them reads it. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Snapshot } from "../tree/snapshot.ts";
import {
  hasSeenSwitches,
  seenSwitches,
  SWITCH_LINKS,
  SWITCHES_SEEN,
} from "./switch_stamps.ts";

const SEEN = `resource-r/actual-beta/${SWITCHES_SEEN}`;

/** Switches of beta with these stamps, and what its daemon says. */
function snapshotOf(stamps: readonly bigint[], seen?: string): Snapshot {
  return new Snapshot([
    ...SWITCH_LINKS.map((link, index) => ({
      path: `resource-r/todo-beta/${link}`,
      value: "0",
      stampNs: stamps[index] ?? 0n,
    })),
    ...seen === undefined ? [] : [{ path: SEEN, value: seen, stampNs: 1n }],
  ]);
}

const anyStamps = fc.array(fc.bigInt(0n, 4_000_000_000_000_000_000n), {
  minLength: SWITCH_LINKS.length,
  maxLength: SWITCH_LINKS.length,
});

Deno.test("hasSeenSwitches() is true of those that are no newer than what was seen", () => {
  fc.assert(fc.property(
    anyStamps,
    anyStamps,
    fc.subarray([...SWITCH_LINKS]),
    (before, now, links) => {
      const seen = seenSwitches(snapshotOf(before), "r", "beta");
      const isSeen = hasSeenSwitches(snapshotOf(now, seen), {
        resource: "r",
        host: "beta",
        links,
      });
      const isExpected = links.every((link) => {
        const index = SWITCH_LINKS.indexOf(link);
        return (now[index] ?? 0n) <= (before[index] ?? 0n);
      });
      assertEquals(isSeen, isExpected);
      // More would need a block on ext4.
      assert(seen.length < 60, seen);
    },
  ));
});

Deno.test("hasSeenSwitches() expects nothing of a daemon that does not say it", () => {
  const facts = { resource: "r", host: "beta", links: SWITCH_LINKS };
  for (
    const seen of [undefined, "", "X", "1.5,2.5,3.5,4.5", ",,,", ".deleted"]
  ) {
    assertEquals(
      hasSeenSwitches(snapshotOf([7n, 7n, 7n, 7n], seen), facts),
      true,
    );
  }
});
