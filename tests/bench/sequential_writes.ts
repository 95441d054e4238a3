/**
 * Sequential writes of 1 MiB over NBD, beside the raw rate of the file system
 * that holds log and disk: a new file, as a log is one, gets one write after the
 * other and a flush at the end.
 *
 *   burst      less than the dirty map holds; ends with a flush
 *   sustained  more than it holds; ends when everything is on the disk, hence
 *              every byte has been written twice
 *
 * What nbdkit makes of the same burst shows the price of the socket.
 */
import { Hosts } from "../support/hosts.ts";
import { type Bench, interleave } from "./bench.ts";
import { type Figure, NO_GOAL, ratioAtLeast } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";
import {
  fio,
  type FioResult,
  makeDisk,
  OtherServer,
  settleDisks,
} from "./programs.ts";

const MIB = 1024 * 1024;
const DEPTH = 4;
const BURST_BYTES = 192 * MIB;
const SUSTAINED_BYTES = 2048 * MIB;
const SUSTAINED_BYTES_QUICK = 768 * MIB;
const ROUNDS_MAX = 3;

export async function benchSequentialWrites(bench: Bench): Promise<Figure[]> {
  const sustainedBytes = bench.isQuick
    ? SUSTAINED_BYTES_QUICK
    : SUSTAINED_BYTES;
  await using hosts = new Hosts();
  const [host] = await hosts.cluster("alpha");
  if (host === undefined) return [];
  const mars = await PrimaryResource.create(host, "mars", {
    sizeBytes: sustainedBytes,
    level: "flush",
  });
  const raw = `${hosts.root}/raw`;
  const kitDisk = `${hosts.root}/nbdkit`;
  await makeDisk(kitDisk, BURST_BYTES);
  await using nbdkit = await OtherServer.nbdkit(kitDisk);

  const rates = { raw: noRates(), mars: noRates(), nbdkit: noRates() };
  for (const kind of ["burst", "sustained"] as const) {
    const sizeBytes = kind === "burst" ? BURST_BYTES : sustainedBytes;
    const sides = [
      async () => {
        rates.raw[kind].push(sizeBytes / writeRaw(raw, sizeBytes) / 1000);
        Deno.removeSync(raw);
        await settleDisks();
      },
      async () => {
        const startMs = performance.now();
        const { tookMs } = await writeAll(mars.uri, sizeBytes);
        // Without the time that fio needs to start and to end.
        const ownMs = performance.now() - startMs - tookMs;
        await mars.writtenBack();
        const totalMs = performance.now() - startMs - ownMs;
        const countedMs = kind === "burst" ? tookMs : totalMs;
        rates.mars[kind].push(sizeBytes / countedMs / 1000);
        await mars.settle();
      },
    ];
    if (kind === "burst") {
      sides.push(async () => {
        const { tookMs } = await writeAll(nbdkit.uri, sizeBytes);
        rates.nbdkit[kind].push(sizeBytes / tookMs / 1000);
        await settleDisks();
      });
    }
    const rounds = kind === "burst" ? bench.rounds : ROUNDS_MAX;
    await interleave(Math.min(bench.rounds, rounds), sides);
    for (const [name, of] of Object.entries(rates)) {
      bench.note(`${kind}, ${name}: ${of[kind].map(Math.round)} MB/s`);
    }
  }
  const figure = (
    what: string,
    ours: readonly number[],
    theirs: readonly number[],
    goal: Figure["goal"],
  ): Figure => ({
    what: `1 MiB sequential write, ${what}`,
    unit: "MB/s",
    ours,
    theirs,
    against: "raw, a new file",
    goal,
  });
  return [
    figure(
      "sustained",
      rates.mars.sustained,
      rates.raw.sustained,
      ratioAtLeast(0.45),
    ),
    figure("burst", rates.mars.burst, rates.raw.burst, ratioAtLeast(0.9)),
    figure("burst, by nbdkit", rates.nbdkit.burst, rates.raw.burst, NO_GOAL),
  ];
}

function noRates(): { burst: number[]; sustained: number[] } {
  return { burst: [], sustained: [] };
}

/** Each byte once, and a flush behind the last one. */
function writeAll(uri: string, sizeBytes: number): Promise<FioResult> {
  return fio(uri, {
    mode: "write",
    blockBytes: MIB,
    depth: DEPTH,
    sizeBytes,
    flushEvery: sizeBytes / MIB,
  });
}

/** The same without anything in between; milliseconds. */
function writeRaw(path: string, sizeBytes: number): number {
  using file = Deno.openSync(path, { write: true, createNew: true });
  const piece = new Uint8Array(MIB).fill(2);
  const startMs = performance.now();
  for (let at = 0; at < sizeBytes; at += piece.length) file.writeSync(piece);
  file.syncDataSync();
  return performance.now() - startMs;
}
