// deno-lint-ignore-file no-console -- A bench prints its numbers.
/**
 * Where the time of a fetch goes: the same bytes, with one thing less each
 * time. Beside `log_fetch.ts`, which gives the one ratio that counts.
 *
 *   bare     bare `node:tls`, from memory; the dialer counts
 *   piped    bare `node:tls`, from a file to a file with the streams of Node,
 *            one flush at the end: what a plain program does
 *   durable  bytes of memory through `Appender` to a file: no line
 *   kept     a log from a file to a file, which is never flushed
 *   dropped  a log from a file; the dialer drops the bytes
 *   fetch    a log from a file to a file, flushed, as a daemon does it
 *
 * Rounds alternate; each ratio is to the bare rate of its round.
 *
 *   deno run --allow-all tests/bench/fetch.ts [MiB] [ROUNDS]
 *
 * This file is its own child for the acceptor of "piped".
 */
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { MarsError } from "../../src/base/errors.ts";
import { Appender } from "../../src/transfer/appender.ts";
import {
  type FileOpener,
  type RandomFile,
  systemFiles,
} from "../../src/transfer/file.ts";
import { type Identity, loadIdentity } from "../../src/peer/identity.ts";
import { loadNodeTls, PROTOCOL, tlsOptions } from "../../src/peer/tls.ts";
import { loadShim } from "../../ffi/shim.ts";
import { trustingPair } from "../support/members.ts";
import { HOSTNAME, receiveBare, withAcceptor } from "./acceptor.ts";
import { interleave } from "./bench.ts";
import { spreadOf } from "./figures.ts";
import { fetchLog } from "./log_fetch.ts";
import { makeDisk, settleDisks } from "./programs.ts";

const MIB = 1024 * 1024;
/** Accepts for all sides but "piped". */
const LOG_FETCH = new URL("log_fetch.ts", import.meta.url).pathname;
const SHIM = new URL("../../build/libmars.so", import.meta.url);

/** A file with some of its operations left out. */
function opener(
  files: FileOpener,
  change: (file: RandomFile) => Partial<RandomFile>,
): FileOpener {
  return {
    open: async (path, mode) => {
      const file = await files.open(path, mode);
      return {
        path,
        read: (target, offsetBytes) => file.read(target, offsetBytes),
        write: (source, offsetBytes) => file.write(source, offsetBytes),
        zero: (offsetBytes, lengthBytes) => file.zero(offsetBytes, lengthBytes),
        digest: (extent, blockBytes, seed) =>
          file.digest(extent, blockBytes, seed),
        nextData: (offsetBytes) => file.nextData(offsetBytes),
        forget: (offsetBytes, lengthBytes) =>
          file.forget(offsetBytes, lengthBytes),
        flush: () => file.flush(),
        truncate: (lengthBytes) => file.truncate(lengthBytes),
        sizeBytes: () => file.sizeBytes(),
        close: () => file.close(),
        ...change(file),
      };
    },
  };
}

async function append(
  files: FileOpener,
  path: string,
  totalBytes: number,
): Promise<number> {
  const startMs = performance.now();
  const appender = await Appender.open({ files, path }, {
    onDurable: () => {},
    onFailure: () => {},
  });
  const bytes = new Uint8Array(MIB).fill(7);
  for (let at = 0; at < totalBytes; at += MIB) await appender.append(bytes);
  await appender.flush();
  await appender.close();
  return performance.now() - startMs;
}

async function acceptPiped(dir: string): Promise<void> {
  const tls = await loadNodeTls();
  const identity = await loadIdentity(`${dir}/alpha`, "alpha");
  const server = tls.createServer(
    tlsOptions(identity, [PROTOCOL.line]),
    (socket) => {
      const log = createReadStream(`${dir}/log`, { highWaterMark: 256 * 1024 });
      pipeline(log, socket).catch(() => socket.destroy());
    },
  );
  server.listen(0, HOSTNAME, () => {
    const address = server.address();
    if (typeof address === "object") console.log(address?.port);
  });
}

async function receivePiped(
  identity: Identity,
  port: number,
  { path, totalBytes }: { readonly path: string; readonly totalBytes: number },
): Promise<number> {
  const tls = await loadNodeTls();
  const copy = createWriteStream(path);
  return await new Promise<number>((resolve, reject) => {
    let startMs = 0;
    let bytes = 0;
    const socket = tls.connect({
      ...tlsOptions(identity, [PROTOCOL.line]),
      host: HOSTNAME,
      port,
      servername: "",
    }, () => startMs = performance.now());
    socket.on("error", reject);
    copy.on("error", reject);
    copy.on("drain", () => socket.resume());
    socket.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (!copy.write(chunk)) socket.pause();
      if (bytes < totalBytes) return;
      copy.end(() => {
        // Durable, as the fetch is when it ends.
        using file = Deno.openSync(path, { write: true });
        file.syncDataSync();
        resolve(performance.now() - startMs);
        socket.destroy();
      });
    });
  });
}

function show(rates: ReadonlyMap<string, readonly number[]>): void {
  const bare = rates.get("bare") ?? [];
  console.log("side      median MB/s   best   ratio to bare");
  for (const [name, values] of rates) {
    const ratios = values.map((rate, round) => rate / (bare[round] ?? rate));
    console.log(
      name.padEnd(10) + spreadOf(values).median.toFixed(0).padStart(11) +
        Math.max(...values).toFixed(0).padStart(7) +
        spreadOf(ratios).median.toFixed(2).padStart(16),
    );
  }
}

async function main(totalBytes: number, rounds: number): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-bench-" });
  try {
    const { beta } = await trustingPair(dir);
    await makeDisk(`${dir}/log`, totalBytes);
    const path = `${dir}/copy`;
    const system = systemFiles(loadShim(SHIM));
    const kept = opener(system, () => ({ flush: () => Promise.resolve() }));
    const dropped = opener(system, () => ({
      write: () => Promise.resolve(),
      flush: () => Promise.resolve(),
    }));
    const fetch = (files: FileOpener) => (): Promise<number> =>
      withAcceptor(
        LOG_FETCH,
        ["mars", dir, String(totalBytes)],
        (port) => fetchLog(beta, { port, path, files }),
      );
    const sides: [string, () => Promise<number>][] = [
      ["bare", () =>
        withAcceptor(
          LOG_FETCH,
          ["bare", dir, String(totalBytes)],
          (port) =>
            receiveBare(beta.identity, port, { warmBytes: 0, totalBytes }),
        )],
      ["piped", () =>
        withAcceptor(
          import.meta.filename,
          ["piped", dir],
          (port) => receivePiped(beta.identity, port, { path, totalBytes }),
        )],
      ["durable", () => append(system, path, totalBytes)],
      ["kept", fetch(kept)],
      ["dropped", fetch(dropped)],
      ["fetch", fetch(system)],
    ];
    const rates = new Map<string, number[]>(sides.map(([name]) => [name, []]));
    await interleave(
      rounds,
      sides.map(([name, measure]) => async () => {
        const tookMs = await measure();
        rates.get(name)?.push(totalBytes / tookMs / 1000);
        await Deno.remove(path).catch(() => {});
        await settleDisks();
      }),
    );
    show(rates);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

if (import.meta.main) {
  const [mib = "512", rounds = "5"] = Deno.args;
  if (mib === "piped") {
    await acceptPiped(rounds);
  } else if (Number(mib) >= 1 && Number(rounds) >= 1) {
    await main(Number(mib) * MIB, Number(rounds));
  } else {
    throw new MarsError("Usage: fetch.ts [MiB] [ROUNDS]");
  }
}
