/**
 * How long a planned handover takes on an idle network: two real daemons, one
 * resource, and sixteen in parallel; from the start of the command to its end,
 * when the devices are there.
 *
 * The roles go back and forth. Nothing is written meanwhile, so everything is
 * replayed, as it is where a handover is planned.
 */
import { assert } from "../../src/base/assert.ts";
import { type Host, Hosts } from "../support/hosts.ts";
import type { Bench } from "./bench.ts";
import { atMost, type Figure } from "./figures.ts";

const RESOURCE_COUNT = 16;
const DISK_BYTES = 1 << 20;
const SECONDS_MAX = 2;
const MS_PER_S = 1000;

export async function benchHandover(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined, "two hosts");
  const names = Array.from({ length: RESOURCE_COUNT }, (_, at) => `r${at}`);
  for (const name of names) {
    for (const host of [alpha, beta]) makeDisk(host, name);
    await alpha.must("create-resource", name, diskOf(alpha, name));
    await beta.must("join-resource", name, diskOf(beta, name), "--timeout=60");
  }
  for (const name of names) {
    await beta.waitLink(
      `resource-${name}/syncstatus-beta`,
      (value) => value === String(DISK_BYTES),
    );
  }
  const one: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    for (const host of [beta, alpha]) {
      one.push(await handOver(host, ["r0"]));
      bench.note(`one resource: ${one.at(-1)?.toFixed(2)} s`);
    }
    for (const host of [beta, alpha]) {
      all.push(await handOver(host, ["all", "--parallel"]));
      bench.note(`${RESOURCE_COUNT} resources: ${all.at(-1)?.toFixed(2)} s`);
    }
  }
  const figure = (what: string, ours: readonly number[]): Figure => ({
    what: `planned handover, ${what}`,
    unit: "s",
    ours,
    theirs: [],
    against: "",
    goal: atMost(SECONDS_MAX),
  });
  return [
    figure("one resource", one),
    figure(`${RESOURCE_COUNT} resources in parallel`, all),
  ];
}

function diskOf(host: Host, name: string): string {
  return `${host.directory}/disk-${name}`;
}

function makeDisk(host: Host, name: string): void {
  using file = Deno.openSync(diskOf(host, name), { create: true, write: true });
  file.truncateSync(DISK_BYTES);
}

async function handOver(
  host: Host,
  words: readonly string[],
): Promise<number> {
  const startedMs = performance.now();
  await host.must("primary", ...words, "--timeout=60");
  return (performance.now() - startedMs) / MS_PER_S;
}
