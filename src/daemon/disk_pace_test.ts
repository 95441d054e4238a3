import { assert, assertEquals } from "@std/assert";
import { SimClock } from "../../tests/sim/host.ts";
import { VirtualTime } from "../../tests/sim/virtual_time.ts";
import { DiskPace } from "./disk_pace.ts";

/** How long ten pieces of a million bytes take. */
async function tookMs(text: string | undefined): Promise<number> {
  const time = new VirtualTime();
  using _ = time.install();
  const pace = new DiskPace(new SimClock(time));
  pace.text = text;
  let endMs = -1;
  const pass = async (): Promise<void> => {
    for (let count = 0; count < 10; count++) await pace.pass(1_000_000);
    endMs = time.nowMs;
  };
  time.spawn(pass());
  await time.run(60_000);
  return endMs;
}

Deno.test("DiskPace keeps to the rate of its link", async () => {
  const slowMs = await tookMs("1m");
  assert(slowMs >= 8_900 && slowMs <= 9_100, `${slowMs} ms`);
  const quickMs = await tookMs("100G");
  assert(quickMs <= 20, `${quickMs} ms`);
});

Deno.test("DiskPace knows no limit where nothing readable is set", async () => {
  for (const text of [undefined, "", "0", "fast", "-1", "."]) {
    assertEquals(await tookMs(text), 0, text);
  }
});

Deno.test("DiskPace lets go at once who waits when its link changes", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const pace = new DiskPace(new SimClock(time));
  pace.text = "1K";
  let endMs = -1;
  time.spawn((async () => {
    for (const each of [pace, pace.fetching]) {
      await each.pass(1e9);
      await each.pass(1);
    }
    endMs = time.nowMs;
  })());
  await time.run(5_000);
  assertEquals(endMs, -1, "A thousand bytes are not a billion");
  pace.text = "0";
  await time.run(10_000);
  assert(endMs >= 5_000, "Nobody waits for days");
});
