/**
 * Scripts: one thing after the other in a simulated cluster, in the place of
 * chaos. When a script is over there is peace and repair, with all their checks,
 * as after chaos.
 */
import type { SimHost } from "./host.ts";
import { ClusterWorld } from "./cluster_world.ts";
import { Violation } from "./truth.ts";

const TURN_MS = 250;
/** Longer than any script. */
const SCRIPT_MS = 30_000;
const TURNS_MAX = 80;

/** @param hosts all of them; at least two, the first one is primary */
export type Script = (
  world: ClusterWorld,
  hosts: readonly [SimHost, SimHost],
) => Promise<void>;

/** Lets clusters of seeds 1 to `seedCount` live. @throws SimFailure */
export async function play(seedCount: number, script: Script): Promise<void> {
  for (let seed = 1; seed <= seedCount; seed++) {
    let wasBegun = false;
    let isOver = false;
    const begin = (world: ClusterWorld): void => {
      const [first, second] = world.hosts;
      if (wasBegun || !first || !second) return;
      wasBegun = true;
      world.time.spawn(
        script(world, [first, second]).then(() => {
          isOver = true;
        }),
      );
    };
    await ClusterWorld.run({
      seed,
      onWorld: (world) => {
        world.chaos = {
          durationMs: SCRIPT_MS,
          pauseMs: () => TURN_MS,
          act: () => begin(world),
          end: world.chaos.end,
        };
      },
    });
    if (!isOver) throw new Violation("a script takes too long");
  }
}

/** Waits in virtual time. @throws Violation if it never comes to that */
export async function until(
  world: ClusterWorld,
  isSo: () => boolean,
): Promise<void> {
  for (let left = TURNS_MAX; left > 0; left--) {
    if (isSo()) return;
    await world.time.sleep(TURN_MS);
  }
  throw new Violation(`it does not come to that: ${isSo}`);
}
