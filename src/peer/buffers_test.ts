import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MarsError } from "../base/errors.ts";
import { Buffers } from "./buffers.ts";

const LENGTH_BYTES = 16;
const neverAborted = new AbortController().signal;

Deno.test("Buffers are lent to one at a time, in order, and to everybody", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(
      fc.record({
        stay: fc.nat(4),
        // Some lose interest after so many turns, perhaps while they wait.
        abortAfter: fc.option(fc.nat(12), { nil: undefined }),
      }),
      { maxLength: 20 },
    ),
    async (countMax, users) => {
      const buffers = new Buffers({ lengthBytes: LENGTH_BYTES, countMax });
      const lent = new Set<Uint8Array>();
      const all = new Set<Uint8Array>();
      const served: number[] = [];
      let canceledCount = 0;
      await Promise.all(users.map(async ({ stay, abortAfter }, index) => {
        const abort = new AbortController();
        if (abortAfter !== undefined) {
          void turns(abortAfter).then(() => abort.abort());
        }
        try {
          const buffer = await buffers.take(abort.signal);
          served.push(index);
          assert(!lent.has(buffer));
          lent.add(buffer);
          all.add(buffer);
          await turns(stay);
          lent.delete(buffer);
          buffers.giveBack(buffer);
        } catch (error) {
          assert(error instanceof MarsError);
          assert(abort.signal.aborted);
          canceledCount++;
        }
      }));
      assertEquals(served, served.toSorted((left, right) => left - right));
      assertEquals(served.length + canceledCount, users.length);
      assert(all.size <= countMax);
      // Nobody took one along.
      for (let count = 0; count < countMax; count++) {
        await buffers.take(neverAborted);
      }
    },
  ));
});

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await Promise.resolve();
}

Deno.test("Buffers.take() is canceled by its signal", async () => {
  const buffers = new Buffers({ lengthBytes: LENGTH_BYTES, countMax: 1 });
  const buffer = await buffers.take(neverAborted);
  const abort = new AbortController();
  const waiting = buffers.take(abort.signal);
  abort.abort();
  await assertRejects(() => waiting, MarsError, "canceled");
  await assertRejects(() => buffers.take(abort.signal), MarsError, "canceled");
  buffers.giveBack(buffer);
  assert(await buffers.take(neverAborted) === buffer);
});

Deno.test("Buffers.giveBack() takes nothing twice, nor a part", async () => {
  const buffers = new Buffers({ lengthBytes: LENGTH_BYTES, countMax: 2 });
  const buffer = await buffers.take(neverAborted);
  assertThrows(() => buffers.giveBack(buffer.subarray(1)));
  buffers.giveBack(buffer);
  assertThrows(() => buffers.giveBack(buffer));
});
