/** The best rates of late. */
import { assertEquals } from "@std/assert";
import { BestRate } from "./best_rates.ts";

const HOUR_MS = 3_600_000;

Deno.test("BestRate keeps what was fastest, and tells only what matters", () => {
  const best = new BestRate(undefined);
  assertEquals(best.observe(0, 0), 0);
  assertEquals(best.observe(1_000, 1), 1_000);
  assertEquals(best.observe(1_200, 2), 1_000);
  assertEquals(best.observe(1_300, 3), 1_300);
  assertEquals(best.observe(7, 4), 1_300);
  assertEquals(best.observe(0, 5), 1_300);
});

Deno.test("BestRate forgets after two periods in which something slower moved", () => {
  const best = new BestRate(undefined);
  best.observe(1_000, 0);
  assertEquals(best.observe(10, HOUR_MS), 1_000);
  assertEquals(best.observe(20, HOUR_MS + 1), 1_000);
  assertEquals(best.observe(10, 2 * HOUR_MS), 20);
});

Deno.test("BestRate does not forget because nothing moves", () => {
  const best = new BestRate(undefined);
  best.observe(1_000, 0);
  for (let hour = 1; hour < 100; hour++) {
    assertEquals(best.observe(0, hour * HOUR_MS), 1_000);
  }
});

Deno.test("BestRate goes on from what an earlier daemon has told", () => {
  const best = new BestRate("1000");
  assertEquals(best.observe(10, 0), 1_000);
  assertEquals(best.observe(10, HOUR_MS), 10);
  assertEquals(new BestRate("junk").observe(10, 0), 10);
});
