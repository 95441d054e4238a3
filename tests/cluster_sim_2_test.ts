/** Simulated clusters, one half of the fixed set. */
import { runShard } from "./sim/shard.ts";

Deno.test("Clusters of seeds 1001 to 2000 keep every invariant", async () => {
  await runShard(1001, 2001);
});
