/** Simulated clusters that once found something: see `sim/named_seeds.ts`. */
import { MS_PER_S } from "../src/base/time.ts";
import { ClusterWorld } from "./sim/cluster_world.ts";
import { NAMED_SEEDS } from "./sim/named_seeds.ts";

for (const { seed, chaosS, about } of NAMED_SEEDS) {
  Deno.test(`Seed ${seed} for ${chaosS} s: ${about}`, async () => {
    await ClusterWorld.run({ seed, chaosMs: chaosS * MS_PER_S });
  });
}
