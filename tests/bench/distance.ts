/**
 * What an application at the primary notices of the line to the secondary:
 * nothing. 4 KiB random writes at a steady rate, level "flush", while the line
 * is perfect, too slow, flapping, and dead; latency against that of the dead
 * line in the same round.
 *
 * The hosts would be two machines, and the primary's would have more than one
 * processor. So the application and the thread of the primary that serves its
 * device have one processor to themselves, and all else has the other: the
 * thread of the primary that sends, the secondary, this program. And the
 * secondary has a file system of its own, in memory: on a shared one the journal
 * of its writes would be what the primary waits for.
 */
import { assert } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { Network, networkTrouble } from "../support/network.ts";
import { type Bench, interleave } from "./bench.ts";
import { linePlot } from "./distance_plot.ts";
import { type Figure, ratioAtMost, spreadOf } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import { fio, type FioResult, run } from "./programs.ts";

const DISK_BYTES = 256 * 1024 * 1024;
const WRITES_PER_SECOND = 1_000;
const SLOW_BITS_PER_SECOND = 10_000_000;
const FLAP_MS = 300;
/** Longer, and more often, than other parts: the rarest must be many writes. */
const SECONDS_FACTOR = 2;
const ROUNDS_FACTOR = 2;

/** Where the application runs, and who serves its device. */
const DEVICE_PROCESSOR = 0;
/** Where all else runs. */
const REST_PROCESSOR = 1;
const MEMORY = "/dev/shm";

const PLOT_NAME = "benchmarks-lines.svg";
const PERCENTILES = ["p50Us", "p99Us", "p999Us"] as const;

/** A line, while `measure` runs. */
interface Condition {
  readonly name: string;
  readonly during: (
    network: Network,
    measure: () => Promise<void>,
  ) => Promise<void>;
}

const CONDITIONS: readonly Condition[] = [
  { name: "perfect line", during: (_network, measure) => measure() },
  {
    name: "10 Mbit/s",
    during: async (network, measure) => {
      network.limit("alpha", SLOW_BITS_PER_SECOND);
      await measure();
      network.limit("alpha", undefined);
    },
  },
  { name: "flapping", during: flap },
  {
    name: "no line",
    during: async (network, measure) => {
      network.part("alpha", "beta");
      await measure();
      network.join("alpha", "beta");
    },
  },
];

async function flap(
  network: Network,
  measure: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  const flapping = (async (): Promise<void> => {
    while (!isOver) {
      network.part("alpha", "beta");
      await new Promise((resolve) => setTimeout(resolve, FLAP_MS));
      network.join("alpha", "beta");
      await new Promise((resolve) => setTimeout(resolve, FLAP_MS));
    }
  })();
  await measure();
  isOver = true;
  await flapping;
}

export async function benchDistance(bench: Bench): Promise<Figure[]> {
  const trouble = networkTrouble();
  if (trouble !== undefined) {
    bench.note(`lines: skipped, because ${trouble}`);
    return [];
  }
  if (navigator.hardwareConcurrency < 2) {
    bench.note("lines: skipped, because each host needs its own processor");
    return [];
  }
  await using network = new Network(["alpha", "beta"]);
  await using here = new Hosts(undefined, network);
  await using away = new Hosts(MEMORY, network);
  const [alpha, beta] = [here.add("alpha"), away.add("beta")];
  // Inherited by all that is started from here on.
  await run("taskset", "-a", "-c", "-p", `${REST_PROCESSOR}`, `${Deno.pid}`);
  await here.unite([alpha, beta]);
  const mars = await PrimaryResource.create(alpha, "mars", {
    sizeBytes: DISK_BYTES,
    level: "flush",
  });
  await pinWorkers(alpha.pid);
  await beta.must("join-resource", "mars", beta.makeDisk(DISK_BYTES));
  await caughtUp(mars, beta);
  const results = new Map<string, FioResult[]>();
  const measure = async ({ name, during }: Condition): Promise<void> => {
    await during(network, async () => {
      const result = await write(mars.uri, SECONDS_FACTOR * bench.seconds);
      results.set(name, [...results.get(name) ?? [], result]);
      const texts = PERCENTILES.map((field) => result[field].toFixed(0));
      bench.note(`${name}: ${texts.join(", ")} us`);
    });
    await caughtUp(mars, beta);
    await mars.settle();
  };
  const measures = CONDITIONS.map((condition) => () => measure(condition));
  // The compiler of V8 works beside the first of each.
  await interleave(1, measures);
  results.clear();
  await interleave(ROUNDS_FACTOR * bench.rounds, measures);
  if (bench.plotsTo !== undefined) {
    const path = `${bench.plotsTo}/${PLOT_NAME}`;
    Deno.writeTextFileSync(path, linePlot(rowsOf(results)));
  }
  return figuresOf(results);
}

/** Workers serve devices; a thread has the number of a process here. */
async function pinWorkers(pid: number): Promise<void> {
  let count = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const comm = Deno.readTextFileSync(`/proc/${pid}/task/${name}/comm`);
    if (!comm.startsWith("worker-")) continue;
    count++;
    await run("taskset", "-c", "-p", String(DEVICE_PROCESSOR), name);
  }
  assert(count === 1, `${count} threads serve one device`);
}

function write(uri: string, seconds: number): Promise<FioResult> {
  return fio(uri, {
    mode: "randwrite",
    blockBytes: 4096,
    depth: 1,
    sizeBytes: DISK_BYTES,
    seconds,
    perSecond: WRITES_PER_SECOND,
    processor: DEVICE_PROCESSOR,
  });
}

async function caughtUp(mars: PrimaryResource, beta: Host): Promise<void> {
  await mars.writtenBack();
  await waitFor("the secondary to catch up", () => {
    const replay = mars.replayPosition("alpha");
    return replay !== "" && replay === mars.replayPosition(beta.name);
  });
}

type Results = ReadonlyMap<string, readonly FioResult[]>;

function series(
  results: Results,
  name: string,
  field: typeof PERCENTILES[number],
): number[] {
  return (results.get(name) ?? []).map((result) => result[field]);
}

function figuresOf(results: Results): Figure[] {
  return CONDITIONS.filter(({ name }) => name !== "no line").flatMap((
    { name },
  ) =>
    PERCENTILES.map((field): Figure => ({
      what: `latency of a write, ${name}, ${field.slice(0, -2)}`,
      unit: "µs",
      ours: series(results, name, field),
      theirs: series(results, "no line", field),
      against: "no line",
      goal: ratioAtMost(1.05),
    }))
  );
}

function rowsOf(results: Results): Parameters<typeof linePlot>[0] {
  return CONDITIONS.map(({ name }) => ({
    name,
    values: PERCENTILES.map((field) => spreadOf(series(results, name, field))),
  }));
}
