/**
 * All benches, side by side with the alternatives, as one table.
 *
 *   deno run --allow-all tests/bench/run.ts [--quick] [--markdown] [--plots=DIR] [NAME…]
 *
 *   --quick      a smoke test: everything runs, numbers mean little
 *   --markdown   the table as it stands in docs/benchmarks.md
 *   --plots=DIR  also draws what is shown as a plot in docs/
 *   NAME         only these parts: see PARTS
 *
 * Budgets are ratios between things measured on the same machine in the same
 * minute. A missed budget is shown, and is no error: the exit code says whether
 * everything could be measured.
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import type { Bench, Measure } from "./bench.ts";
import { benchDistance } from "./distance.ts";
import { benchDurableWrites } from "./durable_writes.ts";
import { type Figure, isMet, markdownTable, textTable } from "./figures.ts";
import { benchHandover } from "./handover.ts";
import { benchLogFetch } from "./log_fetch.ts";
import { describeMachine } from "./machine.ts";
import { benchMemory } from "./memory.ts";
import { benchMetadataScale } from "./metadata_scale.ts";
import { missing } from "./programs.ts";
import { benchRandomWrites } from "./random_writes.ts";
import { benchReplayRate } from "./replay_rate.ts";
import { benchScanRate } from "./scan_rate.ts";
import { benchSequentialWrites } from "./sequential_writes.ts";
import { benchSync } from "./sync.ts";
import { benchStarts } from "./starts.ts";
import { benchVisibleLinks } from "./visible_links.ts";

const FULL = { rounds: 5, seconds: 2 };
const QUICK = { rounds: 1, seconds: 1 };

interface Part {
  readonly name: string;
  readonly needs: readonly string[];
  readonly measure: Measure;
}

const PARTS: readonly Part[] = [
  part("random", benchRandomWrites, "fio", "nbdkit", "qemu-nbd"),
  part("durable", benchDurableWrites, "fio"),
  part("sequential", benchSequentialWrites, "fio", "nbdkit"),
  part("replay", benchReplayRate, "fio"),
  part("fetch", benchLogFetch),
  part("distance", benchDistance, "fio", "taskset"),
  part("sync", benchSync),
  part("links", benchVisibleLinks),
  part("metadata", benchMetadataScale),
  part("handover", benchHandover),
  part("start", benchStarts),
  part("memory", benchMemory, "fio"),
  part("scan", benchScanRate),
];

function part(
  name: string,
  measure: Measure,
  ...needs: readonly string[]
): Part {
  return { name, measure, needs };
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args, {
    boolean: ["quick", "markdown"],
    string: ["_", "plots"],
  });
  const isQuick = options["quick"] === true;
  const isMarkdown = options["markdown"] === true;
  const plotsTo = options["plots"];
  const wanted = new Set(options._.map(String));
  const bench: Bench = {
    isQuick,
    ...(isQuick ? QUICK : FULL),
    ...(typeof plotsTo === "string" ? { plotsTo } : {}),
    // The table alone goes to standard output.
    note: (text) => console.error(`  ${text}`),
  };
  const figures: Figure[] = [];
  let failedCount = 0;
  for (const { name, measure, needs } of PARTS) {
    if (wanted.size > 0 && !wanted.has(name)) continue;
    const absent = await missing(...needs);
    if (absent.length > 0) {
      console.error(`${name}: skipped, not installed: ${absent.join(", ")}`);
      continue;
    }
    console.error(name);
    const startMs = performance.now();
    try {
      figures.push(...await measure(bench));
    } catch (error) {
      failedCount++;
      console.error(`${name} failed:`, error);
    }
    const tookS = (performance.now() - startMs) / 1000;
    console.error(`  took ${tookS.toFixed(0)} s`);
  }
  await report(figures, isMarkdown);
  return failedCount === 0 ? 0 : 1;
}

async function report(
  figures: readonly Figure[],
  isMarkdown: boolean,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const machine = await describeMachine(directory);
  Deno.removeSync(directory);
  const results = figures.map(isMet);
  const count = (met: boolean): number =>
    results.filter((result) => result === met).length;
  const summary = `${count(true)} budgets met, ${count(false)} missed`;
  console.log(
    machine.map((line) => isMarkdown ? `- ${line}` : line).join("\n"),
  );
  console.log();
  console.log(isMarkdown ? markdownTable(figures) : textTable(figures));
  console.log(`\n${summary}`);
}

Deno.exit(await main());
