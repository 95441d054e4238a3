/**
 * A part of the fixed set of clusters that the gate runs; each part is a file
 * of its own, so that they run in parallel.
 */
import { MarsError } from "../../src/base/errors.ts";
import { ClusterWorld, SimFailure } from "./cluster_world.ts";

/** Failures that are told in full. */
const SHOWN_MAX = 2;

/** Runs clusters of `[firstSeed, endSeed)`. @throws MarsError for failures */
export async function runShard(
  firstSeed: number,
  endSeed: number,
): Promise<void> {
  const failures: { readonly seed: number; readonly text: string }[] = [];
  for (let seed = firstSeed; seed < endSeed; seed++) {
    try {
      await ClusterWorld.run({ seed });
    } catch (error) {
      if (!(error instanceof SimFailure)) throw error;
      failures.push({ seed, text: error.message });
    }
  }
  if (failures.length === 0) return;
  const seeds = failures.map(({ seed }) => seed).join(" ");
  const texts = failures.slice(0, SHOWN_MAX).map(({ text }) => text);
  throw new MarsError(
    `${failures.length} clusters failed, seeds ${seeds}\n${texts.join("\n\n")}`,
  );
}
