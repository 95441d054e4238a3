/**
 * Fetch of a log over TLS, beside bare `node:tls` with mutual authentication;
 * two processes, over loopback.
 *
 *   bare   the acceptor writes from memory, the dialer counts
 *   mars   `PeerServer` reads the log from a file, `LogFetcher` appends it to
 *          another one and makes it durable
 *
 * `link.ts` measures what lies between: the line alone, without files.
 *
 * This file is its own child: with a side and a directory as arguments it is
 * the acceptor, and prints its port.
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { MarsError } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/time.ts";
import { dial, PeerServer } from "../../src/peer/connection.ts";
import { LogFetcher } from "../../src/transfer/fetch.ts";
import { logHandlers } from "../../src/transfer/log_service.ts";
import { type FileOpener, systemFiles } from "../../src/transfer/file.ts";
import { loadShim } from "../../ffi/shim.ts";
import { type Member, memberOf, trustingPair } from "../support/members.ts";
import { acceptBare, HOSTNAME, receiveBare, withAcceptor } from "./acceptor.ts";
import { type Bench, interleave } from "./bench.ts";
import { type Figure, ratioAtLeast } from "./figures.ts";
import { makeDisk, settleDisks } from "./programs.ts";

const MIB = 1024 * 1024;
const TOTAL_BYTES = 768 * MIB;
const TOTAL_BYTES_QUICK = 128 * MIB;
/** What bare TLS likes best; see `link.ts`. */
const BARE_WRITE_BYTES = 256 * 1024;
const RESOURCE = "mydata";
const LOG = { sequence: 1, host: "alpha" };
const SHIM = new URL("../../build/libmars.so", import.meta.url);

export async function benchLogFetch(bench: Bench): Promise<Figure[]> {
  const totalBytes = bench.isQuick ? TOTAL_BYTES_QUICK : TOTAL_BYTES;
  const dir = await Deno.makeTempDir({ prefix: "mars-bench-" });
  try {
    const { beta } = await trustingPair(dir);
    await makeDisk(`${dir}/log`, totalBytes);
    const files = systemFiles(loadShim(SHIM));
    const sizes = { warmBytes: 0, totalBytes };
    const ours: number[] = [];
    const theirs: number[] = [];
    await interleave(bench.rounds, [
      async () => {
        const tookMs = await withAcceptor(
          import.meta.filename,
          ["bare", dir, String(totalBytes)],
          (port) => receiveBare(beta.identity, port, sizes),
        );
        theirs.push(totalBytes / tookMs / 1000);
      },
      async () => {
        const tookMs = await withAcceptor(
          import.meta.filename,
          ["mars", dir, String(totalBytes)],
          (port) => fetchLog(beta, { port, path: `${dir}/copy`, files }),
        );
        ours.push(totalBytes / tookMs / 1000);
        await Deno.remove(`${dir}/copy`);
        await settleDisks();
      },
    ]);
    bench.note(`fetch ${ours.map(Math.round)}, bare ${theirs.map(Math.round)}`);
    return [{
      what: "encrypted fetch of a log, loopback",
      unit: "MB/s",
      ours,
      theirs,
      against: "bare node:tls, both authenticated",
      goal: ratioAtLeast(0.9),
    }];
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

export async function fetchLog(
  beta: Member,
  { port, path, files }: {
    readonly port: number;
    readonly path: string;
    readonly files: FileOpener;
  },
): Promise<number> {
  const client = await dial({
    ...beta,
    host: "alpha",
    address: { hostname: HOSTNAME, port },
    trafficClass: "log",
    timeoutMs: 10_000,
  });
  const startMs = performance.now();
  const fetcher = LogFetcher.start({
    rpc: client,
    files,
    resource: RESOURCE,
    log: LOG,
    path,
    onProgress: () => {},
  });
  const result = await fetcher.finished;
  const tookMs = performance.now() - startMs;
  client.close();
  await client.closed;
  if (result.kind === "complete") return tookMs;
  throw new MarsError(`The fetch ended as ${JSON.stringify(result)}`);
}

async function acceptFetch(dir: string, totalBytes: number): Promise<void> {
  const server = await PeerServer.start({
    ...await memberOf(dir, "alpha"),
    listen: { hostname: HOSTNAME, port: 0 },
    handlers: {
      meta: {},
      sync: {},
      log: logHandlers({
        files: systemFiles(loadShim(SHIM)),
        source: {
          durableEnd: () => ({ bytes: totalBytes, isFinal: true }),
          onGrowth: () => () => {},
          logPath: () => `${dir}/log`,
        },
      }),
    },
    join: undefined,
    clock: systemClock,
  });
  console.log(server.port);
}

if (import.meta.main) {
  const [side, dir, totalBytes] = Deno.args;
  if (side === "bare" && dir !== undefined) {
    const writeBytes = BARE_WRITE_BYTES;
    await acceptBare(dir, { totalBytes: Number(totalBytes), writeBytes });
  } else if (side === "mars" && dir !== undefined) {
    await acceptFetch(dir, Number(totalBytes));
  } else {
    console.error("This is a part of tests/bench/run.ts");
    Deno.exit(2);
  }
}
