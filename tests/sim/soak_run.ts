/**
 * A soak in the simulator: `make soak-sim`, an hour of chaos in virtual time.
 *
 *   --seed=N      the first seed, 1
 *   --count=N     how many clusters, 1
 *   --minutes=N   of chaos in each, virtual; 60, and 20 at least
 *   --verbose     print every event
 *
 * Every minute of chaos is followed by peace, repair and rest, and then by
 * chaos of other kinds in the same cluster. All that is checked elsewhere is
 * checked here, and that nothing grows: see `growth.ts`.
 */
// A program for the terminal.
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { messageOf } from "../../src/base/errors.ts";
import { MS_PER_S } from "../../src/base/time.ts";
import { ClusterWorld, SimFailure } from "./cluster_world.ts";
import { Growth, RESTS_MIN } from "./growth.ts";
import { Violation } from "./truth.ts";

/** Of chaos, before an administrator puts everything right. */
const CYCLE_MS = 60 * MS_PER_S;

const args = parseArgs(Deno.args, {
  string: ["seed", "count", "minutes"],
  boolean: ["verbose"],
});
const first = Number(args["seed"] ?? 1);
const count = Number(args["count"] ?? 1);
const cycleCount = Math.max(RESTS_MIN, Number(args["minutes"] ?? 60));
const failed: number[] = [];
for (let seed = first; seed < first + count; seed++) {
  const started = performance.now();
  const growth = new Growth();
  try {
    const { virtualMs, writeCount } = await ClusterWorld.run({
      seed,
      cycleCount,
      chaosMs: CYCLE_MS,
      onRest: growth.look,
      ...(args["verbose"] === true ? { onEvent: console.log } : {}),
    });
    const seconds = Math.round((performance.now() - started) / MS_PER_S);
    const minutes = (virtualMs / (60 * MS_PER_S)).toFixed(0);
    console.log(
      `seed ${seed}: ${minutes} virtual minutes, ${writeCount} writes, in ` +
        `${seconds} s; ${growth.report().join(", ")}`,
    );
    growth.check();
  } catch (error) {
    const isForeseen = error instanceof SimFailure ||
      error instanceof Violation;
    if (!isForeseen) throw error;
    console.log(messageOf(error));
    failed.push(seed);
  }
}
if (failed.length > 0) console.log(`failed: ${failed.join(" ")}`);
Deno.exitCode = failed.length === 0 ? 0 : 1;
