/**
 * 4 KiB random writes over NBD, level "flush": through log, checksum and
 * write-back, side by side with servers that have no log.
 *
 * All write to files of one size on one file system. Between measurements
 * everything goes to the disk, so that nobody pays for the one before.
 */
import { Hosts } from "../support/hosts.ts";
import { type Bench, interleave, WARM_SECONDS } from "./bench.ts";
import { type Figure, NO_GOAL, ratioAtLeast } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import {
  fio,
  type FioResult,
  makeDisk,
  OtherServer,
  settleDisks,
} from "./programs.ts";

const BLOCK_BYTES = 4096;
const DISK_BYTES = 256 * 1024 * 1024;
const DEPTHS = [1, 16];

export async function benchRandomWrites(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [host] = await hosts.cluster("alpha");
  if (host === undefined) return [];
  const mars = await PrimaryResource.create(host, "mars", {
    sizeBytes: DISK_BYTES,
    level: "flush",
  });
  for (const name of ["nbdkit", "qemu"]) {
    await makeDisk(`${hosts.root}/${name}`, DISK_BYTES);
  }
  await using nbdkit = await OtherServer.nbdkit(`${hosts.root}/nbdkit`);
  await using qemu = await OtherServer.qemuNbd(`${hosts.root}/qemu`);
  const figures: Figure[] = [];
  for (const { uri } of [nbdkit, mars, qemu]) await warm(uri);
  await mars.settle();
  for (const depth of DEPTHS) {
    const results = new Map<string, FioResult[]>();
    const measure = async (name: string, uri: string): Promise<void> => {
      const result = await fio(uri, {
        mode: "randwrite",
        blockBytes: BLOCK_BYTES,
        depth,
        sizeBytes: DISK_BYTES,
        seconds: bench.seconds,
      });
      results.set(name, [...results.get(name) ?? [], result]);
      bench.note(
        `${name}, depth ${depth}: ${result.perSecond.toFixed(0)}/s, ` +
          `p50 ${result.p50Us.toFixed(0)} us, p99 ${
            result.p99Us.toFixed(0)
          } us`,
      );
      if (name === "mars") await mars.settle();
      else await settleDisks();
    };
    await interleave(bench.rounds, [
      () => measure("nbdkit", nbdkit.uri),
      () => measure("mars", mars.uri),
      () => measure("qemu-nbd", qemu.uri),
    ]);
    figures.push(...figuresOf(depth, results));
  }
  return figures;
}

async function warm(uri: string): Promise<void> {
  await fio(uri, {
    mode: "randwrite",
    blockBytes: BLOCK_BYTES,
    depth: 1,
    sizeBytes: DISK_BYTES,
    seconds: WARM_SECONDS,
  });
}

function figuresOf(
  depth: number,
  results: ReadonlyMap<string, readonly FioResult[]>,
): Figure[] {
  const series = (name: string, field: keyof FioResult): number[] =>
    (results.get(name) ?? []).map((result) => result[field]);
  const what = `4 KiB random write, depth ${depth}`;
  const ours = series("mars", "perSecond");
  return [
    {
      what,
      unit: "/s",
      ours,
      theirs: series("nbdkit", "perSecond"),
      against: "nbdkit file",
      goal: ratioAtLeast(1.0),
    },
    {
      what,
      unit: "/s",
      ours,
      theirs: series("qemu-nbd", "perSecond"),
      against: "qemu-nbd",
      goal: NO_GOAL,
    },
    ...(["p50Us", "p99Us"] as const).map((field): Figure => ({
      what: `— its latency, ${field.slice(0, 3)}`,
      unit: "µs",
      ours: series("mars", field),
      theirs: series("nbdkit", field),
      against: "nbdkit file",
      goal: NO_GOAL,
    })),
  ];
}
