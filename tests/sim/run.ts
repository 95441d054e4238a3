/**
 * Runs clusters from seeds: `make sim SEED=n COUNT=m`.
 *
 *   --seed=N      the first seed, 1
 *   --count=N     how many, 1
 *   --chaos=S     seconds of chaos in each, virtual
 *   --cycles=N    how often there is chaos, then peace, repair and rest; 1
 *   --shared      two resources in file systems that are small for their logs
 *   --verbose     print every event
 */
// A program for the terminal.
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { ClusterWorld, SHARED, SimFailure } from "./cluster_world.ts";

const args = parseArgs(Deno.args, {
  string: ["seed", "count", "chaos", "cycles"],
  boolean: ["verbose", "shared"],
});
const first = Number(args["seed"] ?? 1);
const count = Number(args["count"] ?? 1);
const chaosS = args["chaos"];
const cycles = args["cycles"];
const failed: number[] = [];
const started = performance.now();
let virtualMs = 0;
for (let seed = first; seed < first + count; seed++) {
  try {
    const outcome = await ClusterWorld.run({
      seed,
      ...(args["shared"] === true ? SHARED : {}),
      ...(args["verbose"] === true ? { onEvent: console.log } : {}),
      ...(cycles === undefined ? {} : { cycleCount: Number(cycles) }),
      ...(chaosS === undefined ? {} : { chaosMs: Number(chaosS) * 1_000 }),
    });
    virtualMs += outcome.virtualMs;
    if (count === 1) console.log(JSON.stringify(outcome));
  } catch (error) {
    if (!(error instanceof SimFailure)) throw error;
    console.log(error.message);
    failed.push(seed);
  }
}
const seconds = (performance.now() - started) / 1_000;
console.log(
  `${count} clusters, ${failed.length} failed` +
    (failed.length === 0 ? "" : ` (${failed.join(" ")})`) +
    `, ${(virtualMs / 60_000).toFixed(1)} virtual minutes in ` +
    `${seconds.toFixed(1)} s`,
);
Deno.exitCode = failed.length === 0 ? 0 : 1;
