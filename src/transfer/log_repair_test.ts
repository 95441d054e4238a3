import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { flipped, logOf } from "../../tests/support/log_bytes.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { MemoryLine } from "../../tests/support/memory_line.ts";
import { ERRNO } from "../base/errors.ts";
import { portableCrc32c } from "../log/checksum.ts";
import { repairLog, type RepairResult } from "./log_repair.ts";
import { logHandlers } from "./log_service.ts";

const LOCAL = "local";
const REMOTE = "remote";
const { bytes: LOG, starts } = logOf(50);

/** Repairs `local` from record `index` on with what a peer has. */
async function repair(
  local: Uint8Array,
  remote: Uint8Array | undefined,
  index: number,
  prepare: (files: MemoryFiles) => void = () => {},
): Promise<{ result: RepairResult; after: Uint8Array }> {
  const files = new MemoryFiles();
  files.set(LOCAL, local);
  files.set(REMOTE, remote ?? new Uint8Array(0));
  prepare(files);
  const line = new MemoryLine({
    from: "beta",
    peer: "alpha",
    handlers: logHandlers({
      crc: portableCrc32c,
      files,
      source: {
        durableEnd: () => remote && { bytes: remote.length, isFinal: false },
        onGrowth: () => () => {},
        logPath: () => REMOTE,
      },
    }),
  });
  const result = await repairLog({
    rpc: line,
    files,
    crc: portableCrc32c,
    resource: "x",
    log: { sequence: 1, host: "alpha" },
    path: LOCAL,
    offsetBytes: starts[index] ?? 0,
    signal: new AbortController().signal,
  });
  line.close();
  await line.idle();
  assertEquals(files.openCount, 0);
  return { result, after: files.durable(LOCAL) };
}

Deno.test("repairLog() puts intact records where damaged ones were", async () => {
  const local = flipped(flipped(LOG, starts[7] ?? 0), (starts[20] ?? 0) + 90);
  const { result, after } = await repair(local, LOG, 7);
  assertEquals(result.kind, "repaired");
  assertEquals(after, LOG);
});

Deno.test("repairLog() writes whole records only, and none behind the end", async () => {
  const end = (starts[30] ?? 0) + 10;
  const local = flipped(LOG, (starts[7] ?? 0) + 60).subarray(0, end);
  const { result, after } = await repair(local, LOG, 7);
  assertEquals(result, {
    kind: "repaired",
    bytes: (starts[30] ?? 0) - (starts[7] ?? 0),
  });
  assertEquals(after.subarray(0, starts[30]), LOG.subarray(0, starts[30]));
  assertEquals(after.length, end);
});

Deno.test("repairLog() stops before what the peer has damaged", async () => {
  const local = flipped(LOG, (starts[7] ?? 0) + 60);
  const remote = flipped(LOG, (starts[9] ?? 0) + 60);
  const { after } = await repair(local, remote, 7);
  assertEquals(after, LOG);
});

Deno.test("repairLog() changes nothing if the peer has the same damage", async () => {
  const local = flipped(LOG, (starts[7] ?? 0) + 60);
  const { result, after } = await repair(local, local, 7);
  assert(result.kind === "damaged");
  assertStringIncludes(result.message, "does not match its checksum");
  assertEquals(after, local);
});

Deno.test("repairLog() cuts a record that ends too soon, for fetching", async () => {
  const local = LOG.subarray(0, (starts[40] ?? 0) + 100);
  const { result, after } = await repair(local, LOG, 40);
  assertEquals(result, { kind: "repaired", bytes: 0 });
  assertEquals(after, LOG.subarray(0, starts[40]));
});

Deno.test("repairLog() tells what the peer has not, and what fails here", async () => {
  const local = flipped(LOG, (starts[7] ?? 0) + 60);
  const missing = await repair(local, undefined, 7);
  assertEquals(missing.result, { kind: "missing" });
  const shorter = await repair(local, LOG.subarray(0, starts[7]), 7);
  assertEquals(shorter.result, { kind: "missing" });
  const failing = await repair(local, LOG, 7, (files) => {
    files.writeErrno = ERRNO.EIO;
  });
  assertEquals(failing.result.kind, "failed");
});
