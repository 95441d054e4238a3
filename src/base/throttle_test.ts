import { assert, assertEquals } from "@std/assert";
import { VirtualTime } from "../../tests/sim/virtual_time.ts";
import { Throttle } from "./throttle.ts";

Deno.test("Throttle lets bytes pass at its rate, in order", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const throttle = new Throttle(() => time.nowMs, 1_000);
  const passed: { index: number; atMs: number }[] = [];
  for (let index = 0; index < 5; index++) {
    throttle.pass(500).then(() => passed.push({ index, atMs: time.nowMs }));
  }
  await time.run(60_000);
  assertEquals(passed.map(({ index }) => index), [0, 1, 2, 3, 4]);
  const lastMs = passed.at(-1)?.atMs ?? 0;
  assert(lastMs >= 1_900 && lastMs <= 2_010, `${lastMs} ms`);
});

Deno.test("Throttle keeps to a new rate at once", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const throttle = new Throttle(() => time.nowMs, 1_000);
  await throttle.pass(100_000);
  let passedMs: number | undefined;
  throttle.pass(1).then(() => passedMs = time.nowMs);
  await time.run(10_000);
  assertEquals(passedMs, undefined);
  throttle.bytesPerSecond = undefined;
  await time.run(11_000);
  assert(passedMs !== undefined && passedMs <= 10_600);
});

Deno.test("Throttle lets go who has lost interest, and takes nothing", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const throttle = new Throttle(() => time.nowMs, 1_000);
  await throttle.pass(10_000);
  const cancel = new AbortController();
  const canceled = throttle.pass(1_000_000, cancel.signal);
  let passedMs: number | undefined;
  throttle.pass(1).then(() => passedMs = time.nowMs);
  await time.run(1_000);
  cancel.abort();
  await canceled;
  await time.run(30_000);
  assert(passedMs !== undefined && passedMs <= 10_010, `${passedMs} ms`);
});

Deno.test("Throttle without a limit does not wait", async () => {
  const throttle = new Throttle(() => 0);
  for (let count = 0; count < 1_000; count++) await throttle.pass(1e9);
});
