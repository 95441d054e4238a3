/** Tests of handle and worker with real files, ring and clients. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataPlane, SHIM_PATH, until } from "../../tests/support/data_plane.ts";
import { Random } from "../../tests/sim/random.ts";
import { equalBytes } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import { NbdClient } from "../cli/demo/nbd_client.ts";

const SIZE_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/** Writes random blocks, several at a time, and notes them in `model`. */
async function writeSome(
  client: NbdClient,
  model: Uint8Array,
  random: Random,
  count: number,
): Promise<void> {
  for (let done = 0; done < count; done += 8) {
    const used = new Set<number>();
    const writes: Promise<void>[] = [];
    for (let index = 0; index < 8; index++) {
      const block = random.below(model.length / BLOCK_BYTES);
      if (used.has(block)) continue;
      used.add(block);
      const data = new Uint8Array(BLOCK_BYTES).fill(random.below(256));
      model.set(data, block * BLOCK_BYTES);
      writes.push(client.write(block * BLOCK_BYTES, data));
    }
    await Promise.all(writes);
  }
}

Deno.test("DataplaneHandle logs, rotates, drains; replay makes the same disk", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const random = new Random(1);
  const model = new Uint8Array(SIZE_BYTES);
  plane.createDisk("copy");
  const { handle, client } = await plane.serving();
  await writeSome(client, model, random, 200);

  for (const sequence of [2, 3]) {
    plane.createLog(sequence);
    const writing = writeSome(client, model, random, 400);
    handle.adjust(plane.logging(sequence));
    await writing;
    await until(
      handle,
      "rotated",
      (actual) => actual.logSequence === sequence,
    );
    await writeSome(client, model, random, 40);
  }
  assert(equalBytes(await client.read(0, SIZE_BYTES), model));
  await client.disconnect();

  handle.adjust(plane.logging(3, { role: "idle" }));
  const idle = await until(handle, "idle", ({ role }) => role === "idle");
  assertEquals(idle.writtenBackSequence, 3);
  assertEquals(idle.writtenBackBytes, plane.logBytes(3));
  assertEquals(idle.writeCount > 1_000, true);
  assert(equalBytes(Deno.readFileSync(plane.path("disk")), model));

  const other = plane.start("copy");
  for (const sequence of [1, 2, 3]) {
    const endBytes = plane.logBytes(sequence);
    assert(endBytes > 0);
    other.adjust(plane.replaying(sequence, 0, endBytes));
    const actual = await until(
      other,
      "replayed",
      (actual) => actual.logSequence === sequence && actual.replayStatus === 1,
    );
    assertEquals(actual.writtenBackBytes, endBytes);
  }
  assert(equalBytes(Deno.readFileSync(plane.path("copy")), model));
});

Deno.test("DataplaneHandle never pulls a busy device away", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const { handle, client } = await plane.serving();
  handle.adjust(plane.logging(1, { role: "idle" }));
  const closing = await until(handle, "off", (actual) => actual.deviceOn === 0);
  assertEquals(closing.role, "log");
  assertEquals(closing.openCount, 1);
  await assertRejects(() => plane.connect());
  const data = new Uint8Array(BLOCK_BYTES).fill(7);
  await client.write(8192, data);
  assertEquals(handle.actual().role, "log");
  await client.disconnect();
  await until(handle, "idle", ({ role }) => role === "idle");
  const disk = Deno.readFileSync(plane.path("disk"));
  assert(equalBytes(disk.subarray(8192, 8192 + BLOCK_BYTES), data));
});

Deno.test("DataplaneHandle lets clients in again if logging goes on", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const { handle, client } = await plane.serving();
  handle.adjust(plane.logging(1, { role: "idle" }));
  await until(handle, "device off", (actual) => actual.deviceOn === 0);
  handle.adjust(plane.logging(1));
  await until(handle, "device on", (actual) => actual.deviceOn === 1);
  const second = await plane.connect();
  await second.disconnect();
  await client.disconnect();
});

Deno.test("stop() hangs up; replay of the own log recovers every write", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const model = new Uint8Array(SIZE_BYTES);
  const { handle, client } = await plane.serving();
  await writeSome(client, model, new Random(2), 300);
  await handle.stop();
  const { role, durableBytes, writtenBackBytes } = handle.actual();
  assertEquals(role, "stopped");
  assertEquals(durableBytes, plane.logBytes(1));
  // It looks at the clock before anything of the write is in the log.
  await assertRejects(() => client.write(0, new Uint8Array(BLOCK_BYTES)));
  await client.disconnect().catch(() => "the server has hung up");

  const next = plane.start("disk");
  next.adjust(plane.replaying(1, writtenBackBytes, durableBytes));
  await until(next, "recovered", (actual) => actual.replayStatus === 1);
  assert(equalBytes(Deno.readFileSync(plane.path("disk")), model));
});

Deno.test("DataplaneHandle appends to no old log, but takes the next one", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  Deno.writeFileSync(plane.logPath(1), new Uint8Array(10));
  const handle = plane.start("disk", { traceLevel: "error" });
  handle.adjust(plane.logging(1));
  const actual = await until(
    handle,
    "refused",
    ({ logErrno }) => logErrno !== 0,
  );
  assertEquals(actual.logErrno, ERRNO.EEXIST);
  assertEquals(actual.role, "idle");
  assertEquals(plane.logBytes(1), 10);
  plane.createLog(2);
  handle.adjust(plane.logging(2));
  const on = await until(handle, "device on", ({ deviceOn }) => deviceOn === 1);
  assertEquals(on.logErrno, 0);
});

Deno.test("DataplaneHandle goes on with its log when the next cannot be opened", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  plane.createLog(1);
  const handle = plane.start("disk");
  handle.adjust(plane.logging(1));
  await until(handle, "device on", (actual) => actual.deviceOn === 1);
  handle.adjust(plane.logging(2));
  const actual = await until(handle, "shown", ({ logErrno }) => logErrno !== 0);
  assertEquals(actual.logErrno, ERRNO.ENOENT);
  assertEquals(actual.logSequence, 1);
  const client = await plane.connect();
  await client.write(0, new Uint8Array(BLOCK_BYTES));
  plane.createLog(2);
  const later = await until(
    handle,
    "rotated",
    ({ logSequence }) => logSequence === 2,
  );
  assertEquals(later.logErrno, 0);
  await client.disconnect();
});

Deno.test("DataplaneHandle waits for a disk, and shows why", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const handle = plane.start("disk");
  handle.adjust(plane.logging(1, { role: "idle" }));
  const actual = await until(
    handle,
    "shown",
    ({ diskErrno }) => diskErrno !== 0,
  );
  assertEquals(actual.diskErrno, ERRNO.ENOENT);
  assertEquals(actual.diskBytes, 0);
  plane.createDisk("disk");
  const later = await until(
    handle,
    "open",
    ({ diskBytes }) => diskBytes === SIZE_BYTES,
  );
  assertEquals(later.diskErrno, 0);
});

Deno.test("DataplaneHandle refuses a device larger than its disk", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  plane.createLog(1);
  const handle = plane.start("disk");
  handle.adjust(plane.logging(1, { sizeBytes: SIZE_BYTES + 512 }));
  const actual = await until(
    handle,
    "shown",
    ({ diskErrno }) => diskErrno !== 0,
  );
  assertEquals(actual.diskErrno, ERRNO.EFBIG);
  assertEquals(actual.deviceOn, 0);
});

Deno.test("DataplaneHandle lets a device grow while it is open", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  plane.createLog(1);
  const handle = plane.start("disk");
  handle.adjust(plane.logging(1, { sizeBytes: SIZE_BYTES / 2 }));
  await until(handle, "device on", (actual) => actual.deviceOn === 1);
  const client = await plane.connect();
  const last = SIZE_BYTES - BLOCK_BYTES;
  await assertRejects(() => client.read(last, BLOCK_BYTES));
  handle.adjust(plane.logging(1));
  await until(
    handle,
    "adopted",
    (actual) => actual.desiredVersion === handle.desiredVersion,
  );
  assertEquals((await client.read(last, BLOCK_BYTES)).length, BLOCK_BYTES);
  await client.disconnect();
});

/** A log of some writes, made by a primary; returns its positions' ends. */
async function makeLog(plane: DataPlane): Promise<Uint8Array> {
  const model = new Uint8Array(SIZE_BYTES);
  plane.createDisk("primary");
  plane.createLog(1);
  const handle = plane.start("primary");
  handle.adjust(plane.logging(1));
  await until(handle, "device on", (actual) => actual.deviceOn === 1);
  const client = await plane.connect();
  await writeSome(client, model, new Random(3), 64);
  await client.disconnect();
  await handle.stop();
  return model;
}

Deno.test("Replay in a worker follows a growing log", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const model = await makeLog(plane);
  plane.createDisk("copy");
  const handle = plane.start("copy");
  const endBytes = plane.logBytes(1);
  const tornBytes = endBytes - 1000;
  handle.adjust(plane.replaying(1, 0, tornBytes));
  const torn = await until(
    handle,
    "torn",
    (actual) => actual.replayStatus === 2,
  );
  assertEquals(torn.writtenBackBytes, endBytes - 4180);
  // What the daemon says later names the position as the begin: no new run.
  handle.adjust(plane.replaying(1, torn.writtenBackBytes, endBytes));
  const end = await until(handle, "end", (actual) => actual.replayStatus === 1);
  assertEquals(end.writtenBackBytes, endBytes);
  assertEquals(end.replayCount, endBytes / 4180);
  assert(equalBytes(Deno.readFileSync(plane.path("copy")), model));
});

Deno.test("Replay in a worker stops at damage, and begins again", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const model = await makeLog(plane);
  plane.createDisk("copy");
  const intact = Deno.readFileSync(plane.logPath(1));
  const damaged = intact.slice();
  damaged[4180 * 10 + 100] = 1 ^ (damaged[4180 * 10 + 100] ?? 0);
  Deno.writeFileSync(plane.logPath(1), damaged);
  const handle = plane.start("copy");
  handle.adjust(plane.replaying(1, 0, intact.length));
  const actual = await until(
    handle,
    "damage",
    ({ replayStatus }) => replayStatus < 0,
  );
  assertEquals(actual.writtenBackBytes, 4180 * 10);
  assertEquals(actual.replayStatus, -ERRNO.EBADMSG);
  Deno.writeFileSync(plane.logPath(1), intact);
  handle.adjust(plane.replaying(1, 4180 * 10, intact.length));
  await until(handle, "end", ({ replayStatus }) => replayStatus === 1);
  assert(equalBytes(Deno.readFileSync(plane.path("copy")), model));
});

Deno.test("A worker that throws ends itself and nothing else", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  plane.createDisk("other");
  const other = plane.start("other");
  const handle = plane.start("disk", { shimPath: `${SHIM_PATH}.missing` });
  const failed = new Promise<void>((resolve) => handle.onChange(resolve));
  handle.adjust(plane.logging(1, { role: "idle" }));
  await failed;
  assert(handle.failure !== undefined);
  await handle.stop();
  other.adjust(plane.logging(1, { role: "idle" }));
  await until(other, "open", ({ diskBytes }) => diskBytes === SIZE_BYTES);
  assertEquals(other.failure, undefined);
});

Deno.test("A worker that throws while logging hangs up; its log is good", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  const model = new Uint8Array(SIZE_BYTES);
  plane.createDisk("disk");
  plane.createLog(1);
  const handle = plane.start("disk", {
    workerUrl: new URL(
      "../../tests/support/failing_worker.ts",
      import.meta.url,
    ),
  });
  handle.adjust(plane.logging(1));
  await until(handle, "device on", (actual) => actual.deviceOn === 1);
  const client = await plane.connect();
  await writeSome(client, model, new Random(4), 100);
  Deno.writeTextFileSync(plane.path("fail"), "");
  // It looks at the clock before anything of the write is in the log.
  await assertRejects(() => client.write(0, new Uint8Array(BLOCK_BYTES)));
  await client.disconnect().catch(() => "the server has hung up");
  await handle.stop();
  assert(handle.failure !== undefined);

  const next = plane.start("disk");
  next.adjust(plane.replaying(1, 0, plane.logBytes(1)));
  await until(next, "recovered", (actual) => actual.replayStatus === 1);
  assert(equalBytes(Deno.readFileSync(plane.path("disk")), model));
});

Deno.test("onChange() tells of changes", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  const handle = plane.start("disk");
  const opened = new Promise<void>((resolve) =>
    handle.onChange(() => {
      if (handle.actual().diskBytes > 0) resolve();
    })
  );
  handle.adjust(plane.logging(1, { role: "idle" }));
  await opened;
});

Deno.test("stop() of a worker that was never adjusted ends it", async () => {
  await using plane = new DataPlane(SIZE_BYTES);
  plane.createDisk("disk");
  const handle = plane.start("disk");
  await handle.stop();
  assertEquals(handle.failure, undefined);
  handle.adjust(plane.logging(1));
  assertEquals(handle.actual().role, "stopped");
});
