/** Tests of emergency mode in a worker with real files, ring and clients. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataPlane, until } from "../../tests/support/data_plane.ts";
import { equalBytes } from "../base/bytes.ts";
import type { NbdClient } from "../cli/demo/nbd_client.ts";
import type { DataplaneHandle } from "./handle.ts";

const SIZE_BYTES = 1024 * 1024;
const BLOCK_BYTES = 4096;
const BEHIND_HOLE = 12;

function block(byte: number): Uint8Array {
  return new Uint8Array(BLOCK_BYTES).fill(byte);
}

function diskBlock(plane: DataPlane, index: number): Uint8Array {
  const disk = Deno.readFileSync(plane.path("disk"));
  return disk.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
}

/** A primary that has left its log, and a write that waits. */
async function waiting(plane: DataPlane): Promise<{
  readonly handle: DataplaneHandle;
  readonly client: NbdClient;
  readonly write: Promise<void>;
}> {
  const { handle, client } = await plane.serving();
  await client.write(0, block(1));
  handle.adjust(plane.logging(1, { bypass: "prepare" }));
  const ready = await until(handle, "ready", (actual) => actual.bypass === 1);
  assertEquals(ready.writtenBackBytes, plane.logBytes(1));
  const write = client.write(0, block(2));
  await until(handle, "in flight", (actual) => actual.inFlight === 1);
  assert(equalBytes(diskBlock(plane, 0), block(1)));
  return { handle, client, write };
}

Deno.test("A worker serves without a log when it may, and logs behind a hole", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const { handle, client, write } = await waiting(plane);
  const logBytes = plane.logBytes(1);
  handle.adjust(plane.logging(1, { bypass: "serve" }));
  await write;
  assertEquals(handle.actual().bypass, 2);
  assert(equalBytes(diskBlock(plane, 0), block(2)));
  assertEquals(plane.logBytes(1), logBytes);

  // Named by a plan that did not know yet: a log without a hole is no way out.
  plane.createLog(2);
  handle.adjust(plane.logging(2));
  await client.write(BLOCK_BYTES, block(3));
  assertEquals(plane.logBytes(2), 0);

  plane.createLog(BEHIND_HOLE);
  handle.adjust(plane.logging(BEHIND_HOLE));
  const resumed = await until(
    handle,
    "logging",
    (actual) => actual.logSequence === BEHIND_HOLE,
  );
  assertEquals(resumed.bypass, 0);
  assertEquals(resumed.writtenBackSequence, BEHIND_HOLE);
  await client.write(0, block(4));
  assertEquals(plane.logBytes(BEHIND_HOLE), 4180);
  assert(equalBytes(await client.read(0, BLOCK_BYTES), block(4)));
  await client.disconnect();
  handle.adjust(plane.logging(BEHIND_HOLE, { role: "idle" }));
  await until(handle, "idle", ({ role }) => role === "idle");
  assert(equalBytes(diskBlock(plane, 0), block(4)));
  assert(equalBytes(diskBlock(plane, 1), block(3)));
});

Deno.test("A worker lets clients finish although its role is over", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const { handle, client, write } = await waiting(plane);
  handle.adjust(plane.logging(1, { role: "idle", bypass: "prepare" }));
  await until(handle, "closing", (actual) => actual.deviceOn === 0);
  handle.adjust(plane.logging(1, { role: "idle", bypass: "serve" }));
  await write;
  await client.disconnect();
  const idle = await until(handle, "idle", ({ role }) => role === "idle");
  assertEquals(idle.bypass, 0);
  assert(equalBytes(diskBlock(plane, 0), block(2)));
});

Deno.test("stop() does not wait for the permission to serve", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const { handle, client, write } = await waiting(plane);
  const lost = assertRejects(() => write);
  await handle.stop();
  await lost;
  assertEquals(handle.actual().role, "stopped");
  assert(equalBytes(diskBlock(plane, 0), block(1)));
  await client.disconnect().catch(() => "the server has hung up");
});
