/**
 * Initial copy onto a nearly identical disk, beside copying all of it; two
 * processes with mutual authentication.
 *
 *   ours     `DiskSync`, which asks for digests first
 *   theirs   `DiskSync` that was told to believe nothing that is here
 *   readers  both disks are read at once, each by a `dd`, and nothing else: no
 *            comparison of them can be faster
 *
 * Once over loopback, where the processor is what is short, and once over a
 * line of 100 Mbit/s. One page of each 64 MiB differs.
 *
 * This file is its own child: with a directory as argument it is the acceptor,
 * and prints its port.
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { MarsError } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/time.ts";
import { TokenBucket } from "../../src/base/token_bucket.ts";
import { dial, PeerServer } from "../../src/peer/connection.ts";
import { LINE_TIMING } from "../../src/peer/line.ts";
import { BucketPace, type Pace } from "../../src/peer/pace.ts";
import type { LineTerms } from "../../src/peer/terms.ts";
import { diskHandlers } from "../../src/transfer/disk_service.ts";
import { type FileOpener, systemFiles } from "../../src/transfer/file.ts";
import { DiskSync } from "../../src/transfer/sync.ts";
import { loadShim } from "../../ffi/shim.ts";
import { type Member, memberOf, trustingPair } from "../support/members.ts";
import { HOSTNAME, withAcceptor } from "./acceptor.ts";
import { type Bench, interleave } from "./bench.ts";
import { type Figure, NO_GOAL, ratioAtLeast } from "./figures.ts";
import { run, settleDisks } from "./programs.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 1024 * MIB;
const DISK_BYTES_QUICK = 128 * MIB;
/** As much as is copied over the slow line, in a few seconds. */
const SLOW_COPY_BYTES = 48 * MIB;
const SLOW_BYTES_PER_SECOND = 100_000_000 / 8;
const CHANGE_EVERY_BYTES = 64 * MIB;
const RESOURCE = "mydata";
const SHIM = new URL("../../build/libmars.so", import.meta.url);

interface Side {
  readonly dir: string;
  readonly beta: Member;
  readonly files: FileOpener;
}

export async function benchSync(bench: Bench): Promise<Figure[]> {
  const sizeBytes = bench.isQuick ? DISK_BYTES_QUICK : DISK_BYTES;
  const dir = await Deno.makeTempDir({ prefix: "mars-bench-" });
  try {
    const { beta } = await trustingPair(dir);
    const files = systemFiles(loadShim(SHIM));
    const side = { dir, beta, files };
    makeDisks(dir, sizeBytes);
    const figures: Figure[] = [];
    for (const isSlow of [false, true]) {
      const copyBytes = isSlow ? SLOW_COPY_BYTES : sizeBytes;
      const ours: number[] = [];
      const theirs: number[] = [];
      const readers: number[] = [];
      await interleave(bench.rounds, [
        async () => {
          change(dir, sizeBytes);
          ours.push(
            await megabytesPerSecond(side, sizeBytes, "compare", isSlow),
          );
        },
        async () => {
          theirs.push(
            await megabytesPerSecond(side, copyBytes, "copy", isSlow),
          );
          await settleDisks();
        },
        async () => {
          if (!isSlow) readers.push(await bothRead(dir, sizeBytes));
        },
      ]);
      const line = isSlow ? "a line of 100 Mbit/s" : "loopback";
      bench.note(`${line}: ${ours.map(Math.round)}, ${theirs.map(Math.round)}`);
      figures.push({
        what: `copy onto a nearly identical disk, ${line}`,
        unit: "MB/s",
        ours,
        theirs,
        against: "the same, all of it copied",
        goal: ratioAtLeast(20),
      });
      if (readers.length === 0) continue;
      figures.push({
        what: `copy onto a nearly identical disk, ${line}`,
        unit: "MB/s",
        ours,
        theirs: readers,
        against: "both disks only read, by dd",
        goal: NO_GOAL,
      });
    }
    return figures;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Two equal disks, without a hole. */
function makeDisks(dir: string, sizeBytes: number): void {
  using source = Deno.openSync(`${dir}/source`, { create: true, write: true });
  using local = Deno.openSync(`${dir}/local`, { create: true, write: true });
  const piece = new Uint8Array(MIB).fill(1);
  for (let at = 0; at < sizeBytes; at += piece.length) {
    source.writeSync(piece);
    local.writeSync(piece);
  }
}

function change(dir: string, sizeBytes: number): void {
  using local = Deno.openSync(`${dir}/local`, { read: true, write: true });
  for (let at = 0; at < sizeBytes; at += CHANGE_EVERY_BYTES) {
    local.seekSync(at, Deno.SeekMode.Start);
    local.writeSync(new Uint8Array([2]));
  }
}

async function megabytesPerSecond(
  side: Side,
  sizeBytes: number,
  mode: "compare" | "copy",
  isSlow: boolean,
): Promise<number> {
  const tookMs = await withAcceptor(
    import.meta.filename,
    [side.dir],
    (port) => sync(side, { port, sizeBytes, mode, isSlow }),
  );
  return sizeBytes / tookMs / 1000;
}

async function sync(
  { dir, beta, files }: Side,
  { port, sizeBytes, mode, isSlow }: {
    readonly port: number;
    readonly sizeBytes: number;
    readonly mode: "compare" | "copy";
    readonly isSlow: boolean;
  },
): Promise<number> {
  const client = await dial({
    ...beta,
    host: "alpha",
    address: { hostname: HOSTNAME, port },
    trafficClass: "sync",
    timeoutMs: 10_000,
    ...isSlow && { terms: slowTerms() },
  });
  const startMs = performance.now();
  const running = DiskSync.start({
    rpc: client,
    files,
    resource: RESOURCE,
    path: `${dir}/local`,
    startBytes: 0,
    sizeBytes,
    mode,
    onProgress: () => {},
  });
  const result = await running.finished;
  const tookMs = performance.now() - startMs;
  client.close();
  await client.closed;
  if (result.kind === "complete") return tookMs;
  throw new MarsError(`The copy ended as ${JSON.stringify(result)}`);
}

/** How fast both disks can be read at the same time, in MB/s. */
async function bothRead(dir: string, sizeBytes: number): Promise<number> {
  const startMs = performance.now();
  await Promise.all(
    ["source", "local"].map((name) =>
      run("dd", `if=${dir}/${name}`, "of=/dev/null", "bs=64K", "status=none")
    ),
  );
  return sizeBytes / (performance.now() - startMs) / 1000;
}

/** A line that is slow in both directions. */
function slowTerms(): LineTerms {
  const monotonicMs = (): number => performance.now();
  const pace = (): Pace =>
    new BucketPace({
      buckets: [new TokenBucket(SLOW_BYTES_PER_SECOND, monotonicMs())],
      monotonicMs,
      count: () => {},
    });
  return {
    timing: () => LINE_TIMING,
    pace: () => ({ sending: pace(), receiving: pace() }),
    opened: () => () => {},
  };
}

async function accept(dir: string): Promise<void> {
  const files = systemFiles(loadShim(SHIM));
  const server = await PeerServer.start({
    ...await memberOf(dir, "alpha"),
    listen: { hostname: HOSTNAME, port: 0 },
    handlers: {
      meta: {},
      log: {},
      sync: diskHandlers({
        open: async () => {
          const file = await files.open(`${dir}/source`, "read");
          return {
            sizeBytes: file.sizeBytes(),
            read: (target, offsetBytes) => file.read(target, offsetBytes),
            nextData: (offsetBytes) => file.nextData(offsetBytes),
            digest: file.digest.bind(file),
            position: () => "log-000000001-alpha,0,0",
            close: () => file.close(),
          };
        },
      }),
    },
    join: undefined,
    clock: systemClock,
  });
  console.log(server.port);
}

if (import.meta.main) {
  const [dir] = Deno.args;
  if (dir === undefined) {
    console.error("This is a part of tests/bench/run.ts");
    Deno.exit(2);
  }
  await accept(dir);
}
