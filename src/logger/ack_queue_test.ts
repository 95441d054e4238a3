import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { AckQueue } from "./ack_queue.ts";

Deno.test("AckQueue answers in order however it grows and wraps", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: -90, max: 100 }), { maxLength: 40 }),
    (steps) => {
      const queue = new AckQueue();
      const answered: number[] = [];
      let pushed = 0;
      for (const step of steps) {
        for (let count = 0; count < step; count++) {
          const number = pushed++;
          queue.push((errno) => answered.push(number + errno), number);
        }
        for (let count = 0; count < -step && queue.count > 0; count++) {
          assertEquals(queue.firstNumber, answered.length);
          queue.shift()(0);
        }
      }
      assertEquals(queue.count, pushed - answered.length);
      queue.failAll(0);
      assertEquals(answered, Array.from({ length: pushed }, (_, at) => at));
    },
  ));
});

Deno.test("AckQueue.failAll() leaves what comes in meanwhile", () => {
  const queue = new AckQueue();
  const answered: number[] = [];
  queue.push((errno) => {
    answered.push(errno);
    queue.push((later) => answered.push(later), 2);
  }, 1);
  queue.failAll(5);
  assertEquals(answered, [5]);
  assertEquals(queue.count, 1);
});
