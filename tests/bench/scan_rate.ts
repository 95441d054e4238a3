/** How fast a log is verified: records of 4 KiB with CRC32C, in memory. */
import type { Bench } from "./bench.ts";
import { atLeast, type Figure } from "./figures.ts";
import { scanRateOnce } from "./scan.ts";

const ROUNDS = 5;

export function benchScanRate(bench: Bench): Promise<Figure[]> {
  const shimPath = new URL("../../build/libmars.so", import.meta.url);
  const rates = Array.from(
    { length: bench.isQuick ? 1 : ROUNDS },
    () => scanRateOnce(shimPath),
  );
  return Promise.resolve([{
    what: "scan of a log with CRC32C",
    unit: "MB/s",
    ours: rates,
    theirs: [],
    against: "",
    goal: atLeast(400),
  }]);
}
