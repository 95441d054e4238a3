/** Simulated clusters, one half of the fixed set. */
import { runShard } from "./sim/shard.ts";

Deno.test("Clusters of seeds 1 to 1000 keep every invariant", async () => {
  await runShard(1, 1001);
});
