import { assertEquals } from "@std/assert";
import { FUTURE_NS_MAX, LamportClock } from "./lamport.ts";
import { NS_PER_S } from "./time.ts";

const START_NS = 1_700_000_000n * NS_PER_S;

/** A Lamport clock and the wall clock below it. */
function clocks(): { wall: { nowNs: bigint }; lamport: LamportClock } {
  const wall = { nowNs: START_NS };
  const lamport = new LamportClock({
    realNs: () => wall.nowNs,
    monotonicMs: () => 0,
  });
  return { wall, lamport };
}

Deno.test("observe() moves the clock, but not for stamps far in the future", () => {
  const { lamport } = clocks();

  assertEquals(lamport.observe(START_NS + FUTURE_NS_MAX - 1n), true);
  assertEquals(lamport.now(), START_NS + FUTURE_NS_MAX - 1n);
  assertEquals(clocks().lamport.observe(START_NS + FUTURE_NS_MAX), false);
});

Deno.test("observe() goes on believing when the wall clock has fallen back", () => {
  const { wall, lamport } = clocks();
  lamport.observe(START_NS);
  wall.nowNs = START_NS - 2n * FUTURE_NS_MAX;

  assertEquals(lamport.observe(START_NS), true);
  assertEquals(lamport.observe(START_NS + NS_PER_S), true);
  assertEquals(lamport.now(), START_NS + NS_PER_S);
});

Deno.test("hear() lets the clock fall back if a host agrees with the wall", () => {
  const { wall, lamport } = clocks();
  wall.nowNs = START_NS + 2n * FUTURE_NS_MAX;
  lamport.next();
  wall.nowNs = START_NS;

  assertEquals(lamport.observe(START_NS), true);
  assertEquals(lamport.fallCount, 0);
  assertEquals(lamport.hear(START_NS + NS_PER_S), true);
  assertEquals(lamport.fallCount, 1);
  assertEquals(lamport.now(), START_NS + NS_PER_S);
});

Deno.test("hear() stays where others are when the wall clock is wrong", () => {
  const { wall, lamport } = clocks();
  lamport.observe(START_NS);
  wall.nowNs = START_NS - 2n * FUTURE_NS_MAX;

  assertEquals(lamport.hear(START_NS + NS_PER_S), true);
  assertEquals(lamport.fallCount, 0);
  assertEquals(lamport.now(), START_NS + NS_PER_S);
});

Deno.test("resume() goes on where another process of the host is", () => {
  const { lamport } = clocks();
  const farNs = START_NS + 2n * FUTURE_NS_MAX;
  assertEquals(lamport.observe(farNs), false);
  lamport.resume(farNs);
  assertEquals(lamport.next(), farNs + 1n);
  assertEquals(lamport.observe(farNs + NS_PER_S), true);
  lamport.resume(START_NS);
  assertEquals(lamport.now(), farNs + NS_PER_S);
});
