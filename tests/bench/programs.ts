/** Programs of others that a bench uses: fio, and the NBD servers beside us. */
import { MarsError } from "../../src/base/errors.ts";
import { waitFor } from "../support/hosts.ts";
import { readFioReport } from "./fio_report.ts";

const decoder = new TextDecoder();

/** Runs a program that must succeed; returns what it printed. */
export async function run(
  program: string,
  ...args: readonly string[]
): Promise<string> {
  const output = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
  }).output();
  if (output.success) return decoder.decode(output.stdout);
  throw new MarsError(
    `"${program} ${args.join(" ")}" ended with ${output.code}: ` +
      decoder.decode(output.stderr),
  );
}

/** Names of `programs` that are not installed. */
export async function missing(
  ...programs: readonly string[]
): Promise<string[]> {
  const absent: string[] = [];
  for (const program of programs) {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `command -v ${program}`],
      stdout: "null",
    }).output();
    if (!success) absent.push(program);
  }
  return absent;
}

/** Nothing of what was measured before may be on its way to the disk. */
export async function settleDisks(): Promise<void> {
  await run("sync");
}

/** A file full of bytes that are not zero, on the disk and not in the cache. */
export async function makeDisk(path: string, sizeBytes: number): Promise<void> {
  const piece = new Uint8Array(1024 * 1024).fill(1);
  {
    using file = Deno.openSync(path, { create: true, write: true });
    for (let at = 0; at < sizeBytes; at += piece.length) file.writeSync(piece);
  }
  await forgetPages(path);
}

/**
 * Drops a file from the cache of the kernel. Pages that were read or written in
 * large pieces make later small writes several times slower on ext4; a disk
 * that has been in use for long has none.
 */
export async function forgetPages(path: string): Promise<void> {
  await run(
    "dd",
    `of=${path}`,
    "oflag=nocache",
    "conv=notrunc,fdatasync",
    "count=0",
    "status=none",
  );
}

/** One run of fio against an NBD server. */
export interface FioJob {
  readonly mode: "randwrite" | "write";
  readonly blockBytes: number;
  readonly depth: number;
  /** Writes stay below; with `seconds` absent each byte is written once. */
  readonly sizeBytes: number;
  readonly seconds?: number;
  /** A flush after so many writes. */
  readonly flushEvery?: number;
  /** No faster than that. */
  readonly perSecond?: number;
  /** It runs nowhere else. */
  readonly processor?: number;
}

export interface FioResult {
  readonly perSecond: number;
  readonly writeCount: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Of the writes and of flushes between them. */
  readonly tookMs: number;
}

/** Program and first words that keep what follows on a processor. */
function processorWords(processor?: number): [string, ...string[]] {
  if (processor === undefined) return ["env"];
  return ["taskset", "-c", String(processor)];
}

export async function fio(uri: string, job: FioJob): Promise<FioResult> {
  const text = await run(
    ...processorWords(job.processor),
    "fio",
    "--name=bench",
    "--ioengine=nbd",
    `--uri=${uri}`,
    `--rw=${job.mode}`,
    `--bs=${job.blockBytes}`,
    `--iodepth=${job.depth}`,
    `--size=${job.sizeBytes}`,
    ...(job.seconds === undefined
      ? []
      : ["--time_based", `--runtime=${job.seconds}`]),
    ...(job.flushEvery === undefined ? [] : [`--fsync=${job.flushEvery}`]),
    ...(job.perSecond === undefined ? [] : [`--rate_iops=${job.perSecond}`]),
    "--clat_percentiles=0",
    "--lat_percentiles=1",
    "--output-format=json",
  );
  const { count, ...report } = readFioReport(text, "write");
  return { ...report, writeCount: count };
}

/** An NBD server of others on the file of a disk. */
export class OtherServer {
  readonly name: string;
  readonly uri: string;
  readonly #child: Deno.ChildProcess;

  private constructor(name: string, uri: string, child: Deno.ChildProcess) {
    this.name = name;
    this.uri = uri;
    this.#child = child;
  }

  /** nbdkit's file plugin. */
  static nbdkit(disk: string): Promise<OtherServer> {
    const socket = `${disk}.nbdkit.sock`;
    return OtherServer.#start("nbdkit", socket, [
      "-f",
      "-U",
      socket,
      "file",
      disk,
    ]);
  }

  /** qemu's server, cache mode "writeback" as in virtual machines. */
  static qemuNbd(disk: string): Promise<OtherServer> {
    const socket = `${disk}.qemu.sock`;
    return OtherServer.#start("qemu-nbd", socket, [
      "-t",
      "-f",
      "raw",
      "--cache=writeback",
      "-k",
      socket,
      disk,
    ]);
  }

  static async #start(
    program: string,
    socket: string,
    args: readonly string[],
  ): Promise<OtherServer> {
    const child = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const uri = `nbd+unix:///?socket=${socket}`;
    const server = new OtherServer(program, uri, child);
    await waitFor(`${program} to listen`, () => isSocket(socket));
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}

function isSocket(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
