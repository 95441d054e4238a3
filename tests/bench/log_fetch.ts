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
import { type Identity, loadIdentity } from "../../src/peer/identity.ts";
import { loadNodeTls, PROTOCOL, tlsOptions } from "../../src/peer/tls.ts";
import { TrustStore } from "../../src/peer/trust.ts";
import { LogFetcher } from "../../src/transfer/fetch.ts";
import { logHandlers } from "../../src/transfer/log_service.ts";
import { type FileOpener, systemFiles } from "../../src/transfer/file.ts";
import { loadShim } from "../../ffi/shim.ts";
import { type Bench, interleave } from "./bench.ts";
import { type Figure, ratioAtLeast } from "./figures.ts";
import { makeDisk, settleDisks } from "./programs.ts";

const MIB = 1024 * 1024;
const TOTAL_BYTES = 768 * MIB;
const TOTAL_BYTES_QUICK = 128 * MIB;
/** What bare TLS likes best; see `link.ts`. */
const BARE_WRITE_BYTES = 256 * 1024;
const HOSTNAME = "127.0.0.1";
const RESOURCE = "mydata";
const LOG = { sequence: 1, host: "alpha" };
const SHIM = new URL("../../build/libmars.so", import.meta.url);

export async function benchLogFetch(bench: Bench): Promise<Figure[]> {
  const totalBytes = bench.isQuick ? TOTAL_BYTES_QUICK : TOTAL_BYTES;
  const dir = await Deno.makeTempDir({ prefix: "mars-bench-" });
  try {
    const alpha = await loadIdentity(`${dir}/alpha`, "alpha");
    const beta = await loadIdentity(`${dir}/beta`, "beta");
    (await TrustStore.load(`${dir}/alpha`)).add(beta.publicKeyLine);
    const trust = await TrustStore.load(`${dir}/beta`);
    trust.add(alpha.publicKeyLine);
    await makeDisk(`${dir}/log`, totalBytes);
    const files = systemFiles(loadShim(SHIM));
    const ours: number[] = [];
    const theirs: number[] = [];
    await interleave(bench.rounds, [
      async () => {
        const tookMs = await withAcceptor(
          ["bare", dir, String(totalBytes)],
          (port) => receiveBare(beta, port, totalBytes),
        );
        theirs.push(totalBytes / tookMs / 1000);
      },
      async () => {
        const tookMs = await withAcceptor(
          ["mars", dir, String(totalBytes)],
          (port) => fetchLog(beta, trust, { port, path: `${dir}/copy`, files }),
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

/** Runs an acceptor in a process of its own while `measure` talks to it. */
export async function withAcceptor(
  args: readonly string[],
  measure: (port: number) => Promise<number>,
  program = import.meta.filename ?? "",
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", program, ...args],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    return await measure(Number(new TextDecoder().decode(value)));
  } finally {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  }
}

export async function receiveBare(
  identity: Identity,
  port: number,
  totalBytes: number,
): Promise<number> {
  const tls = await loadNodeTls();
  return await new Promise((resolve, reject) => {
    let startMs = 0;
    let bytes = 0;
    const socket = tls.connect({
      ...tlsOptions(identity, [PROTOCOL.line]),
      host: HOSTNAME,
      port,
      servername: "",
    }, () => {
      startMs = performance.now();
      socket.write("go");
    });
    socket.on("error", reject);
    socket.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes < totalBytes) return;
      resolve(performance.now() - startMs);
      socket.destroy();
    });
  });
}

export async function fetchLog(
  identity: Identity,
  trust: TrustStore,
  { port, path, files }: {
    readonly port: number;
    readonly path: string;
    readonly files: FileOpener;
  },
): Promise<number> {
  const client = await dial({
    identity,
    trust,
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

async function acceptBare(dir: string, totalBytes: number): Promise<void> {
  const tls = await loadNodeTls();
  const identity = await loadIdentity(`${dir}/alpha`, "alpha");
  const body = new Uint8Array(MIB).fill(7);
  const server = tls.createServer(
    tlsOptions(identity, [PROTOCOL.line]),
    (socket) => {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.once("data", () => {
        let leftBytes = totalBytes;
        const next = (): void => {
          if (leftBytes <= 0) return;
          const start = leftBytes % MIB;
          leftBytes -= BARE_WRITE_BYTES;
          socket.write(body.subarray(start, start + BARE_WRITE_BYTES), next);
        };
        // Two are on their way at any time.
        next();
        next();
      });
    },
  );
  server.listen(0, HOSTNAME, () => {
    const address = server.address();
    if (typeof address === "object") console.log(address?.port);
  });
}

async function acceptFetch(dir: string, totalBytes: number): Promise<void> {
  const server = await PeerServer.start({
    identity: await loadIdentity(`${dir}/alpha`, "alpha"),
    trust: await TrustStore.load(`${dir}/alpha`),
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
    await acceptBare(dir, Number(totalBytes));
  } else if (side === "mars" && dir !== undefined) {
    await acceptFetch(dir, Number(totalBytes));
  } else {
    console.error("This is a part of tests/bench/run.ts");
    Deno.exit(2);
  }
}
