/**
 * Fetches over a real line: buffers are lent, sent and lent again, and every
 * byte must be that of its own log.
 */
import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { loadShim } from "../../ffi/shim.ts";
import { equalBytes } from "../../src/base/bytes.ts";
import { systemClock } from "../../src/base/time.ts";
import { dial, PeerServer } from "../../src/peer/connection.ts";
import type { RpcClient } from "../../src/peer/rpc.ts";
import { type FetchResult, LogFetcher } from "../../src/transfer/fetch.ts";
import { logHandlers } from "../../src/transfer/log_service.ts";
import { systemFiles } from "../../src/transfer/file.ts";
import { trustingPair } from "../support/members.ts";

const DEADLINE_MS = 60_000;
const HOSTNAME = "127.0.0.1";
const MIB = 1024 * 1024;
const LOG = { sequence: 1, host: "alpha" };
/** With a full window each they want twice what may be in flight. */
const RESOURCES = Array.from({ length: 16 }, (_, index) => `r${index}`);

const files = systemFiles(
  loadShim(new URL("../../build/libmars.so", import.meta.url)),
);

/** A line from beta to alpha, whose logs lie in `dir`. */
async function withLine(
  lengthOf: (resource: string) => number,
  use: (rpc: RpcClient, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-fetch-" });
  try {
    const { alpha, beta } = await trustingPair(dir);
    const source = {
      durableEnd: (resource: string) => ({
        bytes: lengthOf(resource),
        isFinal: true,
      }),
      onGrowth: () => () => {},
      logPath: (resource: string) => `${dir}/${resource}-log`,
    };
    const server = await PeerServer.start({
      ...alpha,
      listen: { hostname: HOSTNAME, port: 0 },
      handlers: { meta: {}, sync: {}, log: logHandlers({ source, files }) },
      join: undefined,
      clock: systemClock,
    });
    try {
      const rpc = await dial({
        ...beta,
        host: "alpha",
        address: { hostname: HOSTNAME, port: server.port },
        trafficClass: "log",
        timeoutMs: DEADLINE_MS,
      });
      await use(rpc, dir);
      rpc.close();
      await rpc.closed;
    } finally {
      await server.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Bytes that tell the log and the place they belong to. */
function logOf(index: number, lengthBytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4));
  for (let at = 0; at < words.length; at++) words[at] = at * 64 + index;
  return new Uint8Array(words.buffer, 0, lengthBytes);
}

function start(rpc: RpcClient, dir: string, resource: string): LogFetcher {
  return LogFetcher.start({
    rpc,
    files,
    resource,
    log: LOG,
    path: `${dir}/${resource}-copy`,
    onProgress: () => {},
  });
}

Deno.test("sixteen fetches share a line and none gets bytes of another", async () => {
  const lengthOf = (resource: string): number =>
    4 * MIB + 7919 * RESOURCES.indexOf(resource);
  await withLine(lengthOf, async (rpc, dir) => {
    const logs = RESOURCES.map((resource, index) =>
      logOf(index, lengthOf(resource))
    );
    await Promise.all(
      RESOURCES.map((resource, index) =>
        Deno.writeFile(
          `${dir}/${resource}-log`,
          logs[index] ?? new Uint8Array(),
        )
      ),
    );
    // Some are stopped on the way: their calls are canceled while the bodies of
    // others travel, and then they go on.
    const results = await deadline(
      Promise.all(RESOURCES.map(async (resource, index) => {
        const fetcher = start(rpc, dir, resource);
        if (index % 3 !== 0) return await fetcher.finished;
        const stopped: FetchResult = await fetcher.stop();
        assert(["stopped", "complete"].includes(stopped.kind));
        return await start(rpc, dir, resource).finished;
      })),
      DEADLINE_MS,
    );
    for (const [index, result] of results.entries()) {
      const resource = RESOURCES[index] ?? "";
      assertEquals(result, { kind: "complete" }, resource);
      const copy = await Deno.readFile(`${dir}/${resource}-copy`);
      assert(equalBytes(copy, logs[index] ?? new Uint8Array()), resource);
    }
  });
});
