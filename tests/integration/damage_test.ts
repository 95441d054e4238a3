/** Real daemons whose logs are damaged or lost, before and after fetching. */
import { assert, assertStringIncludes } from "@std/assert";
import { RECORD_OVERHEAD_BYTES } from "../../src/log/record.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { flipped } from "../support/log_bytes.ts";
import { Recorder } from "../support/recorder.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  pairOf,
  resourceOf,
  sees,
  writeSome,
} from "../support/replicas.ts";

// What the recorder writes: blocks of 4096 bytes, each a record of its own.
const RECORD_BYTES = 4096 + RECORD_OVERHEAD_BYTES;
const HEADER_AT = 24;
const PAYLOAD_AT = 1_000;

function logPath(host: Host, sequence: number, author: string): string {
  const name = `log-${String(sequence).padStart(9, "0")}-${author}`;
  return `${host.marsDir}/resource-r/${name}`;
}

/** Flips a bit of the record with this index. */
function flip(path: string, record: number, at: number): void {
  const bytes = Deno.readFileSync(path);
  const changed = flipped(bytes, record * RECORD_BYTES + at);
  using file = Deno.openSync(path, { write: true });
  const start = record * RECORD_BYTES;
  file.seekSync(start, Deno.SeekMode.Start);
  file.writeSync(changed.subarray(start, start + RECORD_BYTES));
}

async function stopped(host: Host, state: string): Promise<void> {
  await host.waitLink(
    `resource-r/actual-${host.name}/${state}`,
    (value) => value === "0",
  );
}

Deno.test("Who finds a log damaged at its author gets it from another member", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await hosts.cluster("alpha", "beta", "gamma");
  assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
  await resourceOf([alpha, beta, gamma]);
  await beta.must("pause-fetch", "r");
  await stopped(beta, "is-copying");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 1 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 200);
  await client.disconnect();
  await caughtUp(gamma, alpha);
  flip(logPath(alpha, 1, "alpha"), 20, PAYLOAD_AT);
  flip(logPath(alpha, 1, "alpha"), 90, HEADER_AT);
  await beta.must("resume-fetch", "r");
  await waitFor(
    "beta to notice",
    () => beta.traces().includes("fetch: Damaged log"),
  );
  assertStringIncludes(
    beta.traces(),
    `Log \\"log-000000001-alpha\\" on \\"alpha\\": Damaged at ${
      20 * RECORD_BYTES
    }`,
  );
  await caughtUp(beta, alpha);
  assertSameDisks([beta, gamma], recorder);
  await sees(beta, /UpToDate .*Secondary alpha/);
});

Deno.test("A log that nobody else has, and that is damaged, is named in the view", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await beta.must("pause-fetch", "r");
  await stopped(beta, "is-copying");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 2 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 100);
  await client.disconnect();
  flip(logPath(alpha, 1, "alpha"), 30, HEADER_AT);
  await beta.must("resume-fetch", "r");
  const message = await beta.waitLink(
    "resource-r/actual-beta/msg-err-log-damaged",
    (value) => value.includes("Every member"),
  );
  assertStringIncludes(message, `Damaged at ${30 * RECORD_BYTES}`);
  assertStringIncludes(message, '"log-000000001-alpha" on "alpha"');
  assertStringIncludes(await beta.must("view", "r"), "err-log-damaged");
  // Everything before is there, nothing behind.
  await beta.waitLink(
    "resource-r/replay-beta",
    (value) => value.startsWith(`log-000000001-alpha,${30 * RECORD_BYTES},`),
  );
});

Deno.test("A primary has its own log mended by who has fetched it", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 4 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 300);
  await caughtUp(beta, alpha);
  await alpha.end("SIGKILL");
  await client.disconnect().catch(() => {});
  // As if nothing of it had been written back when the power failed.
  const path = logPath(alpha, 1, "alpha");
  const link = `${alpha.marsDir}/resource-r/replay-alpha`;
  const size = Deno.statSync(path).size;
  Deno.removeSync(link);
  Deno.symlinkSync(`log-000000001-alpha,0,${size}`, link);
  flip(path, 40, PAYLOAD_AT);
  Deno.truncateSync(path, size - 10 * RECORD_BYTES - 100);
  alpha.start();
  await waitFor(
    "the repair",
    () => alpha.traces().includes("repair: Log repaired"),
  );
  const again = await connect(alpha).catch((error) => {
    throw new Error(`${error}\n${alpha.traces()}`);
  });
  recorder.check(await again.read(0, recorder.sizeBytes));
  await writeSome(recorder, again, 50);
  await again.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("A fetched log that was damaged or lost here is mended by others", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await beta.must("pause-replay", "r");
  await stopped(beta, "is-replaying");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 3 });
  const client = await connect(alpha);
  for (let log = 1; log <= 3; log++) {
    await writeSome(recorder, client, 100);
    if (log === 3) break;
    await alpha.must("log-rotate", "r");
    await alpha.waitLink(
      `resource-r/version-00000000${log + 1}-alpha`,
      (value) => value.includes(`log-00000000${log + 1}-alpha`),
    );
  }
  await client.disconnect();
  const sizeOf = (host: Host, sequence: number): number => {
    try {
      return Deno.statSync(logPath(host, sequence, "alpha")).size;
    } catch {
      return -1; // Not there yet.
    }
  };
  await waitFor(
    "all logs on beta",
    () =>
      [1, 2, 3].every((log) =>
        sizeOf(beta, log) > 0 && sizeOf(beta, log) === sizeOf(alpha, log)
      ),
  );
  flip(logPath(beta, 1, "alpha"), 10, PAYLOAD_AT);
  flip(logPath(beta, 1, "alpha"), 50, HEADER_AT);
  Deno.removeSync(logPath(beta, 2, "alpha"));
  Deno.truncateSync(logPath(beta, 3, "alpha"), 5 * RECORD_BYTES + 77);
  await beta.must("resume-replay", "r");
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  const repairs = beta.traces().split("repair: Log repaired").length - 1;
  assert(repairs >= 1, `${repairs} repairs`);
  await sees(beta, /UpToDate .*Secondary alpha/);
});
