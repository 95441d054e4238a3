/**
 * A simulated cluster that lives on: chaos, peace, repair and rest, again and
 * again; nothing piles up. `make soak-sim` does the same for an hour.
 */
import { assertStringIncludes, assertThrows } from "@std/assert";
import { MS_PER_S } from "../src/base/time.ts";
import { ClusterWorld } from "./sim/cluster_world.ts";
import { Growth, RESTS_MIN } from "./sim/growth.ts";
import { Violation } from "./sim/truth.ts";

Deno.test("Nothing grows in a cluster that lives on", async () => {
  const growth = new Growth();
  await ClusterWorld.run({
    seed: 1,
    chaosMs: 2 * MS_PER_S,
    cycleCount: RESTS_MIN,
    onRest: growth.look,
  });
  growth.check();
});

Deno.test("Growth notices what piles up", async () => {
  const growth = new Growth();
  let count = 0;
  await ClusterWorld.run({
    seed: 2,
    chaosMs: 100,
    cycleCount: RESTS_MIN,
    onRest: (world) => {
      growth.look(world);
      for (const host of world.hosts) {
        host.writeLinks({
          [`userspace/note-${++count}`]: "1",
          [`userspace/note-${++count}`]: "1",
        });
      }
    },
  });
  const { message } = assertThrows(() => growth.check(), Violation);
  assertStringIncludes(message, "links of a host grow from ");
});
