import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Gate } from "./gate.ts";

Deno.test("Gate never lets in more than it has places, and everybody in turn", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }),
    async (placesMax, turns) => {
      const gate = new Gate(placesMax);
      const order: number[] = [];
      let inside = 0;
      let insideMax = 0;
      await Promise.all(turns.map((count, index) =>
        gate.pass(async () => {
          order.push(index);
          insideMax = Math.max(insideMax, ++inside);
          for (let left = count; left > 0; left--) await Promise.resolve();
          inside--;
        })
      ));
      assertEquals(insideMax, Math.min(placesMax, turns.length));
      assertEquals(order, turns.map((_count, index) => index));
    },
  ));
});

Deno.test("Gate gives a place back when the work fails", async () => {
  const gate = new Gate(1);
  const failing = gate.pass(() => Promise.reject(new Error("broken")));
  const next = gate.pass(() => Promise.resolve(5));
  await assertRejects(() => failing, Error, "broken");
  assertEquals(await next, 5);
});
