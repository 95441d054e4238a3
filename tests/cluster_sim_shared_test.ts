/**
 * Simulated clusters with two resources whose logs share file systems: see
 * `sim/share_chaos.ts`.
 */
import { ClusterWorld, SHARED } from "./sim/cluster_world.ts";

const CHAOS_MS = 8_000;
const SEEDS = 10;

Deno.test("A greedy resource pushes no other into emergency mode", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await ClusterWorld.run({ ...SHARED, seed, chaosMs: CHAOS_MS });
  }
});
