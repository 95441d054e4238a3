/**
 * The NBD front end without a log, side by side with nbdkit's file plugin:
 * 4 KiB random writes and others with fio's nbd engine, same file system.
 *
 *   deno run --allow-all tests/bench/nbd.ts [seconds per run]
 *
 * Runs alternate, so that whatever else the machine does hits both alike.
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { EXPORT_NAME, startNbd } from "../support/nbd_server.ts";

const SIZE_BYTES = 256 * 1024 * 1024;
const ROUNDS = 3;
const JOBS = [
  { mode: "randwrite", block: "4k", depth: 1 },
  { mode: "randwrite", block: "4k", depth: 16 },
  { mode: "randread", block: "4k", depth: 1 },
  { mode: "randread", block: "4k", depth: 16 },
  { mode: "write", block: "1m", depth: 4 },
  { mode: "read", block: "1m", depth: 4 },
] as const;

async function fio(
  uri: string,
  job: (typeof JOBS)[number],
  seconds: number,
): Promise<number> {
  const { success, stdout, stderr } = await new Deno.Command("fio", {
    args: [
      "--name=bench",
      "--ioengine=nbd",
      `--uri=${uri}`,
      `--rw=${job.mode}`,
      `--bs=${job.block}`,
      `--iodepth=${job.depth}`,
      "--time_based",
      `--runtime=${seconds}`,
      `--size=${SIZE_BYTES}`,
      "--output-format=json",
    ],
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  // The nbd engine says something in front of it.
  const output = text.decode(stdout);
  const report = JSON.parse(output.slice(output.indexOf("{\n")));
  const { read, write } = report.jobs[0];
  return Math.max(read.iops, write.iops);
}

/** A file whose pages are all in the cache. */
async function makeDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  const bytes = new Uint8Array(1024 * 1024).fill(1);
  for (let at = 0; at < SIZE_BYTES; at += bytes.length) await file.write(bytes);
}

if (import.meta.main) {
  const seconds = Number(Deno.args[0] ?? "2");
  const directory = await Deno.makeTempDir();
  await makeDisk(`${directory}/theirs`);
  await makeDisk(`${directory}/ours`);
  const socket = `${directory}/nbdkit.sock`;
  const nbdkit = new Deno.Command("nbdkit", {
    args: ["-f", "-U", socket, "file", `${directory}/theirs`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await using server = await startNbd({
      sizeBytes: SIZE_BYTES,
      filePath: `${directory}/ours`,
    });
    console.log("operations per second   nbdkit file    mars nbd   ratio");
    for (const job of JOBS) {
      const theirs: number[] = [];
      const ours: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        theirs.push(await fio(`nbd+unix:///?socket=${socket}`, job, seconds));
        const uri = `nbd+unix:///${EXPORT_NAME}?socket=${server.path}`;
        ours.push(await fio(uri, job, seconds));
      }
      const their = Math.max(...theirs);
      const our = Math.max(...ours);
      const name = `${job.mode} ${job.block} depth ${job.depth}`;
      console.log(
        name.padEnd(24),
        their.toFixed(0).padStart(10),
        our.toFixed(0).padStart(11),
        (our / their).toFixed(2).padStart(7),
      );
    }
  } finally {
    nbdkit.kill("SIGTERM");
    await nbdkit.status;
    await Deno.remove(directory, { recursive: true });
  }
}
