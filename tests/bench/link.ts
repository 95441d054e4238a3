// deno-lint-ignore-file no-console -- A bench prints its numbers.
/**
 * How fast bulk goes over an authenticated line, side by side with bare
 * `node:tls`: replies of 1 MiB, between two processes, over loopback.
 *
 *   bare    mutual certificates, no keys looked up, no frames: the acceptor
 *           writes, the dialer counts
 *   line    `dial` and `PeerServer`: CALLS calls in flight, a body each
 *
 * Bare is measured with the write size that is best for it, so that the ratio
 * is honest. Rounds alternate; the median of their ratios counts.
 *
 *   deno run --allow-all tests/bench/link.ts
 */
import { systemClock } from "../../src/base/time.ts";
import { dial, PeerServer } from "../../src/peer/connection.ts";
import { type Member, memberOf, trustingPair } from "../support/members.ts";
import { acceptBare, HOSTNAME, receiveBare, withAcceptor } from "./acceptor.ts";
import { spreadOf } from "./figures.ts";

const MIB = 1024 * 1024;
/** Not measured: both sides get warm. */
const WARM_BYTES = 64 * MIB;
const TOTAL_BYTES = 1024 * MIB;
const BODY_BYTES = MIB;
const CALLS = 4;
const ROUNDS = 7;
const LINE_NAME = "line, replies of 1 MiB";
const BARE_SIZES = {
  warmBytes: WARM_BYTES,
  totalBytes: WARM_BYTES + TOTAL_BYTES,
};

/** What the project wants of itself. */
const RATIO_MIN = 0.9;

type Side = "bare" | "line";

/** Bytes that the bare acceptor writes at a time. */
const BARE_WRITES = [64 * 1024, 256 * 1024, BODY_BYTES];

async function acceptLines(dir: string): Promise<void> {
  const body = new Uint8Array(BODY_BYTES).fill(7);
  const server = await PeerServer.start({
    ...await memberOf(dir, "alpha"),
    listen: { hostname: HOSTNAME, port: 0 },
    handlers: {
      meta: {},
      sync: {},
      log: { read: () => Promise.resolve({ params: {}, body }) },
    },
    join: undefined,
    clock: systemClock,
  });
  console.log(server.port);
}

async function measureLine(
  beta: Member,
  port: number,
): Promise<number> {
  const client = await dial({
    ...beta,
    host: "alpha",
    address: { hostname: HOSTNAME, port },
    trafficClass: "log",
    timeoutMs: 10_000,
  });
  const fetch = async (bytes: number): Promise<void> => {
    let left = bytes / BODY_BYTES;
    await Promise.all(Array.from({ length: CALLS }, async () => {
      const into = new Uint8Array(BODY_BYTES);
      while (left-- > 0) await client.call("read", {}, { into });
    }));
  };
  await fetch(WARM_BYTES);
  const startMs = performance.now();
  await fetch(TOTAL_BYTES);
  const tookMs = performance.now() - startMs;
  client.close();
  await client.closed;
  return tookMs;
}

/** Megabytes per second. */
async function measure(
  dir: string,
  side: Side,
  writeBytes: number,
): Promise<number> {
  const beta = await memberOf(dir, "beta");
  const words = [side, dir, String(writeBytes)];
  const tookMs = await withAcceptor(
    import.meta.filename,
    words,
    (port) =>
      side === "bare"
        ? receiveBare(beta.identity, port, BARE_SIZES)
        : measureLine(beta, port),
  );
  return TOTAL_BYTES / MIB / (tookMs / 1000);
}

async function main(): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-bench-" });
  try {
    await trustingPair(dir);
    const rates = new Map<string, number[]>();
    const note = (name: string, rate: number): void => {
      rates.set(name, [...rates.get(name) ?? [], rate]);
    };
    for (let round = 0; round < ROUNDS; round++) {
      for (const writeBytes of BARE_WRITES) {
        const name = `bare, writes of ${writeBytes / 1024} KiB`;
        note(name, await measure(dir, "bare", writeBytes));
      }
      note(LINE_NAME, await measure(dir, "line", BODY_BYTES));
    }
    let best: readonly number[] = [0];
    for (const [name, values] of rates) {
      const rate = spreadOf(values).median;
      console.log(`${name.padEnd(28)} ${rate.toFixed(0).padStart(6)} MiB/s`);
      if (name !== LINE_NAME && rate > spreadOf(best).median) best = values;
    }
    // Round by round, so that what else the machine does weighs on both.
    const ratios = (rates.get(LINE_NAME) ?? [])
      .map((rate, round) => rate / (best[round] ?? rate));
    console.log(
      `line / best bare: ${
        spreadOf(ratios).median.toFixed(2)
      } (at least ${RATIO_MIN})`,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const [side, dir, writeBytes] = Deno.args;
if (side === "bare" && dir !== undefined) {
  const { totalBytes } = BARE_SIZES;
  await acceptBare(dir, { totalBytes, writeBytes: Number(writeBytes) });
} else if (side === "line" && dir !== undefined) {
  await acceptLines(dir);
} else if (import.meta.main) {
  await main();
}
