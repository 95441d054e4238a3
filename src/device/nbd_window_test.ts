import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Slot, Window } from "./nbd_window.ts";

const SIZE = 1000;
const SLOTS = 8;

function makeWindow(): Window {
  const memory = { bytes: new Uint8Array(SIZE), address: 0 };
  return new Window(memory, SLOTS, () => {});
}

Deno.test("Window never gives the same byte to two replies", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("reserve"),
      value: fc.integer({ min: 1, max: 400 }),
    }),
    fc.record({ kind: fc.constant("ready"), value: fc.nat(SLOTS) }),
    fc.record({ kind: fc.constant("send"), value: fc.nat(1) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const window = makeWindow();
    const live: Slot[] = [];
    for (const { kind, value } of steps) {
      if (kind === "reserve") {
        if (window.freeSlotCount === 0 || !window.hasRoom(value)) continue;
        const slot = window.take();
        window.reserve(slot, value);
        const endBytes = slot.replyStart + value;
        assert(endBytes <= SIZE);
        for (const other of live) {
          const otherEnd = other.replyStart + other.replyBytes;
          assert(endBytes <= other.replyStart || otherEnd <= slot.replyStart);
        }
        live.push(slot);
      } else if (kind === "ready") {
        const slot = live[value];
        if (slot?.state === "pending") slot.state = "ready";
      } else if (window.nextRun(value === 1)) {
        const sending = live.filter((slot) => slot.state === "sending");
        const sum = sending.reduce((sum, slot) => sum + slot.replyBytes, 0);
        assertEquals(window.runBytes, sum);
        assertEquals(window.runStart, sending[0]?.replyStart);
        if (value === 1) assertEquals(sending[0], live[0]);
        window.finishRun();
        while (live[0]?.state === "free") live.shift();
      } else {
        const isReady = (slot: Slot | undefined): boolean =>
          slot?.state === "ready";
        assertEquals(
          value === 1 ? isReady(live[0]) : live.some(isReady),
          false,
        );
      }
      assertEquals(window.count, live.length);
      assertEquals(window.freeSlotCount, SLOTS - live.length);
    }
  }));
});

Deno.test("Window has all its room again when everything was sent", () => {
  const window = makeWindow();
  for (let round = 0; round < 50; round++) {
    assert(window.hasRoom(SIZE));
    for (const length of [300, 17, 300]) {
      const slot = window.take();
      window.reserve(slot, length);
      slot.state = "ready";
    }
    while (window.nextRun(false)) window.finishRun();
  }
  assertEquals(window.count, 0);
});
