/**
 * Vows in simulated clusters: the tree of a primary takes no links, it goes on
 * without a log, and dies. What it has written since is never overwritten from
 * the old log, whatever the tree says.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ERRNO } from "../src/base/errors.ts";
import { DISK, RESOURCE, stateOf } from "./sim/records.ts";
import { play, type Script, until } from "./sim/script.ts";

const SEEDS = 3;
const WRITES = 12;
/** Long enough for what was written to be flushed. */
const FLUSH_MS = 1_000;

const dies: Script = async (world, [alpha]) => {
  const disk = alpha.files.disk(DISK);
  const write = (): void => {
    const worker = alpha.worker(RESOURCE);
    for (let left = WRITES; left > 0; left--) worker?.write();
  };
  alpha.worker(RESOURCE)?.openDevice();
  write();
  alpha.files.refusal = world.seed % 2 === 0 ? ERRNO.EROFS : ERRNO.EIO;
  write();
  await until(world, () => alpha.worker(RESOURCE)?.isBypassing === true);
  assertEquals(alpha.vows.has(RESOURCE), true);
  write();
  await world.time.sleep(FLUSH_MS);
  const before = disk && stateOf(disk);
  if (world.seed % 3 === 0) alpha.kill();
  else {
    alpha.cutPower();
    world.watch.onPowerLoss(alpha);
  }
  // Checked, and mounted again.
  alpha.files.refusal = 0;
  alpha.start();
  await until(world, () => alpha.worker(RESOURCE)?.isServing === true);
  assertEquals(disk && stateOf(disk), before);
  await until(world, () => !alpha.vows.has(RESOURCE));
};

Deno.test("A vow outlives the death of its host and the links of its tree", async () => {
  await play(SEEDS, dies);
});

Deno.test("A vow that is forgotten is noticed (I6)", async () => {
  const forgets: Script = (world, hosts) => {
    hosts[0].vows.get = () => undefined;
    return dies(world, hosts);
  };
  const { message } = await assertRejects(() => play(SEEDS, forgets), Error);
  assertStringIncludes(message, "not the state of");
});
