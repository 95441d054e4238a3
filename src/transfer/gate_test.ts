import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Gate } from "./gate.ts";

Deno.test("Gate never lets in more than it has places, and forgets nobody", async () => {
  const anyTurns = fc.integer({ min: 1, max: 5 });
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.tuple(fc.nat(20), anyTurns), { minLength: 1, maxLength: 20 }),
    async (placesMax, visitors) => {
      const gate = new Gate(placesMax);
      const entered: number[] = [];
      let inside = 0;
      await Promise.all(visitors.map(async ([delay, stay], index) => {
        await turns(delay);
        await gate.pass(async () => {
          entered.push(index);
          inside++;
          assert(inside <= placesMax);
          await turns(stay);
          inside--;
        });
      }));
      assertEquals(entered.sort((a, b) => a - b), [...visitors.keys()]);
    },
  ));
});

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await Promise.resolve();
}

Deno.test("Gate gives a place back when the work fails", async () => {
  const gate = new Gate(1);
  const failing = gate.pass(() => Promise.reject(new Error("broken")));
  const next = gate.pass(() => Promise.resolve(5));
  await assertRejects(() => failing, Error, "broken");
  assertEquals(await next, 5);
});

Deno.test("Gate lets in who waits in the order of arrival", async () => {
  const gate = new Gate(2);
  const entered: number[] = [];
  await Promise.all(
    [4, 1, 3, 1, 2, 1].map((stay, index) =>
      gate.pass(async () => {
        entered.push(index);
        await turns(stay);
      })
    ),
  );
  assertEquals(entered, [0, 1, 2, 3, 4, 5]);
});

Deno.test("Gate lets in by turn, as long as there are places", async () => {
  const anyVisit = fc.record({
    turn: fc.nat(5),
    places: fc.integer({ min: 1, max: 4 }),
    stay: fc.nat(5),
  });
  await fc.assert(fc.asyncProperty(
    fc.array(anyVisit, { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 1, max: 6 }),
    async (visits, placesMax, countMax) => {
      const gate = new Gate(placesMax, countMax);
      const opened = Promise.withResolvers<void>();
      const first = gate.pass(() => opened.promise, { places: placesMax });
      const entered: (readonly [turn: number, index: number])[] = [];
      let taken = 0;
      let inside = 0;
      const all = visits.map(({ turn, places, stay }, index) =>
        gate.pass(async () => {
          entered.push([turn, index]);
          taken += places;
          assert(taken <= placesMax || taken === places);
          assert(++inside <= countMax);
          await turns(stay);
          taken -= places;
          inside--;
        }, { turn, places })
      );
      opened.resolve();
      await Promise.all([first, ...all]);
      const expected = visits.map(({ turn }, index) => [turn, index] as const)
        .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      assertEquals(entered, expected);
    },
  ));
});
