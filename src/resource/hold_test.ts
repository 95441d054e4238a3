import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { withHold } from "./hold.ts";
import { NOTHING, type Plan } from "./plan_types.ts";
import { comparePositions, type Position } from "./view.ts";

function at(sequence: number, bytes: number): Position {
  return { log: { sequence, host: "alpha" }, bytes };
}

function replaying({ log, bytes }: Position, logEndBytes: number): Plan {
  return { ...NOTHING, role: "replay", log, startBytes: bytes, logEndBytes };
}

/** Where replay may go. */
function endOf({ log, logEndBytes }: Plan): Position {
  assert(log !== undefined);
  return { log, bytes: logEndBytes };
}

Deno.test("withHold() lets replay come to the position, and no further", () => {
  const plan = replaying(at(2, 100), 900);
  assertEquals(withHold(plan, at(2, 500), undefined).logEndBytes, 500);
  assertEquals(withHold(plan, at(3, 0), undefined).logEndBytes, 900);
  assertEquals(withHold(plan, at(1, 500), undefined).logEndBytes, 100);
  assertEquals(withHold(plan, undefined, undefined).logEndBytes, 900);
});

Deno.test("withHold() never calls replay back, nor lets it pass the position", () => {
  const anyBytes = fc.nat(1_000);
  fc.assert(fc.property(
    fc.record({
      sequence: fc.nat(3),
      startBytes: anyBytes,
      moreBytes: anyBytes,
      hold: fc.tuple(fc.nat(3), anyBytes),
      told: fc.option(fc.tuple(fc.nat(3), anyBytes), { nil: undefined }),
    }),
    ({ sequence, startBytes, moreBytes, hold, told }) => {
      const plan = replaying(
        at(sequence, startBytes),
        startBytes + moreBytes,
      );
      const toldAt = told && at(...told);
      const held = withHold(plan, at(...hold), toldAt);
      assert(held.logEndBytes >= plan.startBytes);
      assert(held.logEndBytes <= plan.logEndBytes);
      const isSame = toldAt?.log.sequence === sequence;
      if (isSame && toldAt.bytes <= plan.logEndBytes) {
        assert(held.logEndBytes >= toldAt.bytes, "the end moves back");
      }
      const isFurther = comparePositions(endOf(held), at(...hold)) > 0;
      const wasFurther = [at(sequence, startBytes), toldAt].some((before) =>
        before !== undefined && before.log.sequence === sequence &&
        comparePositions(before, at(...hold)) > 0
      );
      assert(!isFurther || wasFurther);
    },
  ));
});

Deno.test("withHold() touches nothing but replay", () => {
  for (const role of ["log", "idle", "detached"] as const) {
    const plan = { ...replaying(at(2, 100), 900), role };
    assertEquals(withHold(plan, at(1, 0), undefined), plan);
  }
});
