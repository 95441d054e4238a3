/**
 * Metadata at scale: two real daemons, and in their trees 2, 20 and 200
 * resources of ten hosts with a hundred logs each, 2,600 to 260,000 links.
 *
 *   exchange, one side empty   from the first dial to "both have everything"
 *   exchange, nothing new      the same after a reconnect
 *   view all                   of all resources, on a member
 *   a change by hand           `ln -s` and `mv` on one host, looked for on the
 *                              disk of the other, no trigger
 *   idle                       processor time of a daemon that has no work
 *   memory                     of that daemon
 */
import { sleep } from "../../src/base/time.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import type { Bench } from "./bench.ts";
import { atMost, type Figure, NO_GOAL, percentileOf } from "./figures.ts";
import { makeLargeTree } from "./large_tree.ts";

const RESOURCE_COUNTS = [2, 20, 200];
const RESOURCE_COUNTS_QUICK = [2];
const ABSENT_HOSTS = Array.from({ length: 9 }, (_, index) => `host${index}`);
const CHANGE_COUNT = 200;
const CHANGE_COUNT_QUICK = 30;
/** Each resource has its turn within. */
const IDLE_MS = 30_000;
const IDLE_MS_QUICK = 3_000;
/** After a reconnect all of them are looked at a few times more. */
const SETTLE_MS = 25_000;
const SETTLE_MS_QUICK = 1_000;
/** Changes come now and then, not in step with anything the daemon does. */
const PAUSE_MS_MAX = 40;
/** Looking costs CPU time that the daemons want, too. */
const LOOK_EVERY_MS = 0.2;
const VISIBLE_MS_MAX = 10_000;
const CHANGED = "userspace/changed";
const MEMORY = "/dev/shm";
/** What Linux counts processor time in. */
const TICKS_PER_SECOND = 100;

export async function benchMetadataScale(bench: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  const counts = bench.isQuick ? RESOURCE_COUNTS_QUICK : RESOURCE_COUNTS;
  for (const resourceCount of counts) {
    figures.push(...await measureScale(bench, resourceCount));
  }
  return figures;
}

async function measureScale(
  bench: Bench,
  resourceCount: number,
): Promise<Figure[]> {
  await using hosts = new Hosts(parentOfTrees());
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  if (alpha === undefined || beta === undefined) return [];
  await connected(alpha, beta, 0);
  await beta.end("SIGTERM");
  await alpha.end("SIGTERM");
  const linkCount = makeLargeTree(alpha.marsDir, {
    hosts: ["alpha", ...ABSENT_HOSTS],
    resourceCount,
  });
  alpha.start("--trace=info");
  await started(alpha);
  const beforeS = processorSeconds(alpha);
  const fullMs = await reconnect(alpha, beta);
  const spentS = processorSeconds(alpha) - beforeS + processorSeconds(beta);
  await beta.end("SIGTERM");
  const nothingMs = await reconnect(alpha, beta);
  const viewMs = await viewAll(alpha);
  const visible = await changes(bench, alpha, beta);
  await sleep(bench.isQuick ? SETTLE_MS_QUICK : SETTLE_MS);
  const idle = await idleShare(alpha, bench.isQuick ? IDLE_MS_QUICK : IDLE_MS);
  const memoryMb = residentMb(alpha);

  const label = `${linkCount.toLocaleString("en")} links`;
  const figure = (
    what: string,
    unit: string,
    value: number,
    most: number | undefined,
  ): Figure => ({
    what: `${label}: ${what}`,
    unit,
    ours: [value],
    theirs: [],
    against: "",
    goal: most === undefined ? NO_GOAL : atMost(most),
  });
  const figures = [
    figure("view all", "ms", viewMs, 2_000),
    figure("a change by hand, visible, p50", "ms", visible.p50Ms, 5),
    figure("— p99", "ms", visible.p99Ms, 50),
    figure("exchange, one side empty", "ms", fullMs, 5_000),
    figure("— processor time of both", "s", spentS, undefined),
    figure("exchange, nothing new", "ms", nothingMs, 5_000),
    figure("idle daemon, share of a processor", "%", 100 * idle, 1),
    figure("memory, resident", "MB", memoryMb, 300),
  ];
  for (const { what, unit, ours } of figures) {
    bench.note(`${what}: ${ours[0]?.toFixed(2)} ${unit}`);
  }
  return figures;
}

/**
 * Memory, where there is such a file system: ext4 takes five times as long to
 * make an inode where thousands were deleted minutes ago, as by benches.
 */
function parentOfTrees(): string | undefined {
  try {
    return Deno.statSync(MEMORY).isDirectory ? MEMORY : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Starts `to`; milliseconds until both sides have everything. */
async function reconnect(from: Host, to: Host): Promise<number> {
  const fromAt = from.traces().length;
  const toAt = to.traces().length;
  to.start("--trace=info");
  await waitFor(
    `${to.name} to start`,
    () => timeOf(to, "daemon: Started", toAt),
  );
  const startMs = timeOf(to, "daemon: Started", toAt) ?? 0;
  const ends = await Promise.all([
    connected(from, to, fromAt),
    connected(to, from, toAt),
  ]);
  return Math.max(...ends) - startMs;
}

async function started(host: Host): Promise<void> {
  const at = host.traces().length;
  await waitFor(
    `${host.name} to start`,
    () => timeOf(host, "daemon: Started", at),
  );
}

async function connected(
  from: Host,
  to: Host,
  at: number,
): Promise<number> {
  const words = `peers: Connected peer=${to.name}`;
  return await waitFor(
    `${from.name} to have exchanged`,
    () => timeOf(from, words, at),
  );
}

/** When `words` were traced behind `at`. */
function timeOf(host: Host, words: string, at: number): number | undefined {
  const line = host.traces().slice(at).split("\n")
    .find((each) => each.includes(words));
  return line === undefined ? undefined : Date.parse(line.split(" ")[0] ?? "");
}

async function viewAll(host: Host): Promise<number> {
  await host.must("view", "all");
  const startMs = performance.now();
  await host.must("view", "all");
  return performance.now() - startMs;
}

async function changes(
  bench: Bench,
  from: Host,
  to: Host,
): Promise<{ p50Ms: number; p99Ms: number }> {
  Deno.mkdirSync(`${from.marsDir}/userspace`, { recursive: true });
  change(from, "first");
  await to.waitLink(CHANGED, (value) => value === "first");
  const count = bench.isQuick ? CHANGE_COUNT_QUICK : CHANGE_COUNT;
  const tookMs: number[] = [];
  for (let index = 0; index < count; index++) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.random() * PAUSE_MS_MAX)
    );
    tookMs.push(changeUntilVisible(from, to, `value ${index}`));
  }
  return {
    p50Ms: percentileOf(tookMs, 0.5),
    p99Ms: percentileOf(tookMs, 0.99),
  };
}

function change(host: Host, value: string): void {
  const draft = `${host.marsDir}/userspace/.tmp-changed`;
  Deno.symlinkSync(value, draft);
  Deno.renameSync(draft, `${host.marsDir}/${CHANGED}`);
}

/** Milliseconds. */
function changeUntilVisible(from: Host, to: Host, value: string): number {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const startMs = performance.now();
  change(from, value);
  while (to.link(CHANGED) !== value) {
    // Nobody changes the word: this only sleeps, and for less than a timer.
    Atomics.wait(clock, 0, 0, LOOK_EVERY_MS);
    if (performance.now() - startMs > VISIBLE_MS_MAX) return Infinity;
  }
  return performance.now() - startMs;
}

/** Share of one processor, over some time. */
async function idleShare(host: Host, forMs: number): Promise<number> {
  const startMs = performance.now();
  const before = processorSeconds(host);
  await sleep(forMs);
  const elapsedS = (performance.now() - startMs) / 1000;
  return (processorSeconds(host) - before) / elapsedS;
}

function processorSeconds(host: Host): number {
  const text = Deno.readTextFileSync(`/proc/${host.pid}/stat`);
  // The name of the program is in parentheses and may contain blanks.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentMb(host: Host): number {
  const text = Deno.readTextFileSync(`/proc/${host.pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(text)?.[1]) * 1024 / 1e6;
}
