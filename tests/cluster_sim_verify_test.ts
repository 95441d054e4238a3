/**
 * Simulated clusters in which disks are compared all the time, while everything
 * else happens as ever. Nothing damages a disk there but a failover by force or
 * a split brain, so whatever is found anywhere else was found wrongly.
 */
import { assert } from "@std/assert";
import { parseState, verifyPaths } from "../src/resource/verify_links.ts";
import { ClusterWorld } from "./sim/cluster_world.ts";
import { Random } from "./sim/random.ts";
import { RESOURCE } from "./sim/records.ts";

const SEEDS = 40;
const FIRST_SEED = 91_000;
/** Virtual time between two looks. */
const LOOK_MS = 150;

Deno.test("Disks of simulated clusters are compared, and nothing is found", async () => {
  let doneCount = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const random = new Random(seed);
    const found = new Set<string>();
    const done = new Set<string>();
    const worlds: ClusterWorld[] = [];
    const look = (world: ClusterWorld): void => {
      world.time.after(LOOK_MS, () => look(world));
      for (const host of world.hosts) {
        if (!host.isRunning) continue;
        const path = verifyPaths(RESOURCE, host.name).state;
        const text = host.look().value(path) ?? "";
        const state = parseState(text);
        if (state?.phase === "done") done.add(text);
        if (state !== undefined && state.differingBytes > 0) found.add(text);
        if (!world.isChaos || !random.chance(0.15)) continue;
        world.type(
          host,
          "verify",
          RESOURCE,
          ...random.chance(0.3) ? ["--repair"] : [],
          ...random.chance(0.1) ? ["--cancel"] : [],
        );
      }
    };
    await ClusterWorld.run({
      seed,
      onWorld: (world) => {
        worlds.push(world);
        look(world);
      },
    });
    doneCount += done.size;
    const isForced = worlds.some(({ watch }) => watch.isForced);
    assert(
      isForced || found.size === 0,
      `seed ${seed}: ${[...found].join("; ")}`,
    );
  }
  assert(doneCount > SEEDS, `only ${doneCount} comparisons came to an end`);
});
