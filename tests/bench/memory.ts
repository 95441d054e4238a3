/**
 * Memory of a daemon with one and with several resources, idle and after load.
 *
 *   resident   all pages in memory; those of the deno binary, too, which all
 *              processes that run it share
 *   private    pages that only this process has: what one more daemon costs
 *
 * Pages of log files and disks belong to the cache of the kernel.
 */
import { type Host, Hosts } from "../support/hosts.ts";
import type { Bench } from "./bench.ts";
import { atMost, type Figure, NO_GOAL } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import { fio } from "./programs.ts";

const DISK_BYTES = 64 * 1024 * 1024;
const RESOURCE_COUNTS = [1, 8];
const DEPTH = 16;
const BASE_MB = 150;
const RESOURCE_MB = 15;

interface MemoryUse {
  readonly residentMb: number;
  readonly privateMb: number;
}

export async function benchMemory(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [host] = await hosts.cluster("alpha");
  if (host === undefined) return [];
  const resources: PrimaryResource[] = [];
  const figures: Figure[] = [];
  for (const count of RESOURCE_COUNTS) {
    while (resources.length < count) {
      const name = `r${resources.length}`;
      resources.push(
        await PrimaryResource.create(host, name, {
          sizeBytes: DISK_BYTES,
          level: "flush",
        }),
      );
    }
    figures.push(...figuresOf(count, "idle", memoryUse(host)));
    for (const resource of resources) await load(resource, bench);
    figures.push(...figuresOf(count, "after load", memoryUse(host)));
    bench.note(`${count} resources: ${JSON.stringify(memoryUse(host))}`);
  }
  return figures;
}

async function load(resource: PrimaryResource, bench: Bench): Promise<void> {
  await fio(resource.uri, {
    mode: "randwrite",
    blockBytes: 4096,
    depth: DEPTH,
    sizeBytes: DISK_BYTES,
    seconds: bench.isQuick ? 1 : 2,
  });
  await resource.settle();
}

function memoryUse(host: Host): MemoryUse {
  const text = Deno.readTextFileSync(`/proc/${host.pid}/smaps_rollup`);
  const kilobytes = (field: string): number =>
    Number(new RegExp(`^${field}: *(\\d+) kB$`, "m").exec(text)?.[1]);
  return {
    residentMb: kilobytes("Rss") * 1024 / 1e6,
    privateMb: (kilobytes("Private_Clean") + kilobytes("Private_Dirty")) *
      1024 / 1e6,
  };
}

function figuresOf(count: number, when: string, use: MemoryUse): Figure[] {
  const what = `daemon, ${count} resource${count === 1 ? "" : "s"}, ${when}`;
  const common = { unit: "MB", theirs: [], against: "" };
  return [
    {
      ...common,
      what: `memory of the ${what}: resident`,
      ours: [use.residentMb],
      goal: atMost(BASE_MB + RESOURCE_MB * count),
    },
    { ...common, what: "— private", ours: [use.privateMb], goal: NO_GOAL },
  ];
}
