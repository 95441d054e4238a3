/** Tests of precedence: when the daemon's thread yields, and when it must not. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Precedence, type YieldingThread } from "./precedence.ts";

const TICK_MS = 50;

/** A clock with timers, and a thread that answers only while it may run. */
class World implements YieldingThread {
  nowMs = 0;
  isYielding = false;
  /** Others leave it no processor, unless it runs as they do. */
  isCrowded = false;
  /** It does not answer, however it runs. */
  isBusy = false;
  isAnswered = true;
  /** How often it came to run. */
  runCount = 0;
  readonly #timers: { atMs: number; done: () => void }[] = [];
  readonly precedence = new Precedence({
    timer: (durationMs, done, tag) => {
      const atMs = this.nowMs + durationMs;
      this.#timers.push({ atMs, done: () => done(0, tag) });
    },
    monotonicMs: () => this.nowMs,
  }, this);

  /** A turn. @param openCount programs without a mount are not counted */
  request(requestCount: number, openCount = 0): void {
    this.precedence.endOfTurn({ requestCount, openCount });
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  yield(): void {
    this.isYielding = true;
  }

  restore(): void {
    this.isYielding = false;
  }

  ask(): void {
    this.isAnswered = false;
  }

  pass(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      this.#run();
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.nowMs = next.atMs;
      next.done();
    }
    this.nowMs = endMs;
  }

  #run(): void {
    if (this.isBusy || (this.isCrowded && this.isYielding)) return;
    if (!this.isAnswered) this.runCount++;
    this.isAnswered = true;
  }
}

/** Requests in every tick. */
function use(world: World, durationMs: number, from = 1): void {
  for (let passedMs = 0; passedMs < durationMs; passedMs += TICK_MS) {
    world.request(from + passedMs);
    world.pass(TICK_MS);
  }
}

Deno.test("Precedence lets the thread yield from the first request on", () => {
  const world = new World();
  world.request(0);
  assertEquals(world.isYielding, false);
  world.request(1);
  assertEquals(world.isYielding, true);
  assertEquals(world.isAnswered, false);
});

Deno.test("Precedence does not end between two requests of slow use", () => {
  const world = new World();
  for (let count = 1; count < 10; count++) {
    world.request(count);
    world.pass(900);
    assertEquals(world.isYielding, true);
  }
});

Deno.test("Precedence ends when nothing is requested, and leaves no timer", () => {
  const world = new World();
  use(world, 3_000);
  world.pass(1_100);
  assertEquals(world.isYielding, false);
  assertEquals(world.timerCount, 0);
});

Deno.test("Precedence begins anew with the next request", () => {
  const world = new World();
  use(world, 200);
  world.pass(2_000);
  use(world, 200, 10_000);
  assertEquals(world.isYielding, true);
  assertEquals(world.timerCount, 1);
});

Deno.test("Precedence lets a thread run that does not come to run", () => {
  const world = new World();
  world.isCrowded = true;
  use(world, 11_000);
  // Each time it waits for half a second, and then runs for a tick.
  assertEquals(world.runCount >= 18, true, `${world.runCount} runs`);
});

Deno.test("Precedence does not let it yield before it has answered", () => {
  const world = new World();
  world.isBusy = true;
  use(world, 550);
  assertEquals(world.isYielding, false);
  use(world, 5_000, 10_000);
  assertEquals(world.isYielding, false);
  world.isBusy = false;
  use(world, 100, 20_000);
  assertEquals(world.isYielding, true);
});

Deno.test("Precedence ends at once when the last client is gone", () => {
  const world = new World();
  world.request(1, 2);
  world.request(2, 1);
  assertEquals(world.isYielding, true);
  world.request(3, 0);
  assertEquals(world.isYielding, false);
  world.pass(5_000);
  assertEquals(world.timerCount, 0);
  // Whoever comes next, and whoever is not counted, comes first again.
  world.request(4, 0);
  assertEquals(world.isYielding, true);
});

Deno.test("end() restores at once, whatever timers are still to come", () => {
  const world = new World();
  use(world, 200);
  world.precedence.end();
  assertEquals(world.isYielding, false);
  world.pass(5_000);
  assertEquals(world.isYielding, false);
  assertEquals(world.timerCount, 0);
});

Deno.test("permit() restores at once, and until it is permitted again", () => {
  const world = new World();
  use(world, 200);
  world.precedence.permit(false);
  assertEquals(world.isYielding, false);
  use(world, 200, 10_000);
  assertEquals(world.isYielding, false);
  assertEquals(world.timerCount, 0);
  world.precedence.permit(true);
  use(world, 200, 20_000);
  assertEquals(world.isYielding, true);
});

Deno.test("Precedence never starves the thread, and always ends", () => {
  const anyStep = fc.record({
    isUsed: fc.boolean(),
    isCrowded: fc.boolean(),
    durationMs: fc.integer({ min: 1, max: 1_500 }),
  });
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
    const world = new World();
    let count = 0;
    for (const { isUsed, isCrowded, durationMs } of steps) {
      world.isCrowded = isCrowded;
      const runCount = world.runCount;
      const wasAnswered = world.isAnswered;
      if (isUsed) world.request(++count);
      world.pass(durationMs);
      // Asked, it has run after LATE_MS and a tick at most, or nobody asks.
      const hadTime = durationMs > 650 && !wasAnswered;
      if (hadTime) assertEquals(world.runCount > runCount, true);
    }
    world.pass(2_000);
    assertEquals(world.isYielding, false);
    assertEquals(world.timerCount, 0);
  }));
});
