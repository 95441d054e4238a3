import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { waitFor } from "../../tests/support/deadline.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import {
  MemoryLine,
  type MemoryLineOptions,
} from "../../tests/support/memory_line.ts";
import { equalBytes } from "../base/bytes.ts";
import { ERRNO, MarsError } from "../base/errors.ts";
import type { RpcClient, RpcHandlers, RpcReply } from "../peer/rpc.ts";
import { diskHandlers, type DiskSource } from "./disk_service.ts";
import type { FileOpener } from "./file.ts";
import { DiskSync, type SyncOptions } from "./sync.ts";
import type { SyncProgress, SyncResult } from "./sync_result.ts";

const SOURCE = "source";
const LOCAL = "local";
const WAIT_MS = 20_000;
const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;

function sourceOf(files: MemoryFiles): DiskSource {
  return {
    async open(resource, peer) {
      if (resource !== "x" || peer !== "beta") {
        throw new MarsError(`Cannot read the disk of "${resource}"`);
      }
      const file = await files.open(SOURCE, "read");
      return {
        sizeBytes: file.sizeBytes(),
        read: (target, offsetBytes) => file.read(target, offsetBytes),
        nextData: (offsetBytes) => file.nextData(offsetBytes),
        digest: file.digest.bind(file),
        position: (end) => `log-000000001-alpha,${end === "from" ? 7 : 9},0`,
        close: () => file.close(),
      };
    },
  };
}

/** Two disks, the line between them, and one copy. */
class Copy {
  readonly files = new MemoryFiles();
  readonly reports: SyncProgress[] = [];
  line: MemoryLine;

  constructor(
    disks: { source: Uint8Array; local: Uint8Array },
    line: Partial<MemoryLineOptions> = {},
  ) {
    this.files.set(SOURCE, disks.source);
    this.files.set(LOCAL, disks.local);
    this.line = this.#connect(line);
  }

  #connect(options: Partial<MemoryLineOptions>): MemoryLine {
    return new MemoryLine({
      from: "beta",
      peer: "alpha",
      handlers: diskHandlers(sourceOf(this.files)),
      ...options,
    });
  }

  reconnect(options: Partial<MemoryLineOptions> = {}): void {
    this.line = this.#connect(options);
  }

  start(options: Partial<SyncOptions> = {}): DiskSync {
    const source = this.files.get(SOURCE);
    return DiskSync.start({
      rpc: this.line,
      files: this.files,
      resource: "x",
      path: LOCAL,
      startBytes: 0,
      sizeBytes: source.length,
      mode: "compare",
      onProgress: (progress) => {
        // What is reported must survive the loss of power at this moment.
        const startBytes = options.startBytes ?? 0;
        const durable = this.files.durable(LOCAL);
        assert(equalBytes(
          durable.subarray(startBytes, progress.syncedBytes),
          source.subarray(startBytes, progress.syncedBytes),
        ));
        this.reports.push(progress);
      },
      ...options,
    });
  }

  async run(options: Partial<SyncOptions> = {}): Promise<SyncResult> {
    const result = await deadline(this.start(options).finished, WAIT_MS);
    this.line.close();
    await this.line.idle();
    assertEquals(this.files.openCount, 0);
    return result;
  }

  get syncedBytes(): number {
    return this.reports.at(-1)?.syncedBytes ?? 0;
  }
}

/** A disk with the given bytes changed; everything else depends on the place. */
function diskOf(lengthBytes: number, changes: readonly number[]): Uint8Array {
  const disk = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; at += 512) disk[at] = at / 512 % 250;
  for (const change of changes) {
    const at = change % lengthBytes;
    disk[at] = (disk[at] ?? 0) ^ 0xff;
  }
  return disk;
}

/** Sizes are multiples of 4096, as those of disks are. */
const anyDisks = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 2400 }).map((count) => count * 4096),
  startPart: fc.double({ min: 0, max: 1, noNaN: true }),
  changes: fc.array(fc.nat(10 * MIB), { maxLength: 40 }),
  extraBytes: fc.nat(5000),
});

Deno.test("DiskSync makes any two disks equal from any start", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyDisks,
      fc.constantFrom("compare" as const, "copy" as const),
      async ({ sizeBytes, startPart, changes, extraBytes }, mode) => {
        const source = diskOf(sizeBytes, []);
        const local = diskOf(sizeBytes + extraBytes, changes);
        const startBytes = Math.floor(sizeBytes * startPart);
        const copy = new Copy({ source, local });
        assertEquals(await copy.run({ startBytes, mode }), {
          kind: "complete",
        });
        const expected = local.slice();
        expected.set(source.subarray(startBytes), startBytes);
        assert(equalBytes(copy.files.durable(LOCAL), expected));
        assertEquals(copy.syncedBytes, sizeBytes);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("DiskSync continues at the last report, wherever it was cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyDisks,
      fc.array(fc.tuple(fc.nat(12), fc.constantFrom("cut", "cutReply")), {
        maxLength: 5,
      }),
      async ({ sizeBytes, changes }, cuts) => {
        const source = diskOf(sizeBytes, changes);
        const copy = new Copy({ source, local: diskOf(sizeBytes, []) });
        for (const [cutIndex, fault] of cuts) {
          copy.reconnect({
            fault: (index) => index === cutIndex ? fault : "none",
          });
          await copy.run({ startBytes: copy.syncedBytes });
        }
        copy.reconnect();
        const startBytes = copy.syncedBytes;
        assertEquals(await copy.run({ startBytes }), { kind: "complete" });
        assert(equalBytes(copy.files.durable(LOCAL), source));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("DiskSync fetches only the pages that differ", async () => {
  const changes = [5, 3 * MIB, 3 * MIB + PAGE_BYTES, 9 * MIB + 17];
  const source = diskOf(10 * MIB, changes);
  const copy = new Copy({ source, local: diskOf(10 * MIB, []) });
  await copy.run();
  const readCount = copy.line.calls.filter((name) => name === "disk.read");
  // The two neighbors travel together.
  assertEquals(readCount.length, 3);
  // Two extents, one before the peer is known, and three blocks in them.
  const digestCount = copy.line.calls.length - readCount.length;
  assertEquals(digestCount, 2 + 3);
  assertEquals(copy.reports.at(-1), {
    syncedBytes: 10 * MIB,
    equalBytes: 10 * MIB - 4 * PAGE_BYTES,
    zeroedBytes: 0,
    copiedBytes: 4 * PAGE_BYTES,
    // As the peer says with each answer.
    readUpTo: {
      log: { sequence: 1, host: "alpha" },
      startBytes: 9,
      dirtyBytes: 0,
    },
  });
});

Deno.test("DiskSync neither reads nor sends nor writes holes", async () => {
  const zeroes = new Uint8Array(9 * MIB);
  const copy = new Copy({ source: zeroes, local: zeroes });
  assertEquals(await copy.run(), { kind: "complete" });
  assertEquals(copy.line.calls, Array(2).fill("disk.digests"));
  assertEquals(copy.files.readBytes, 0);
  assertEquals(copy.files.writeCount, 0);
  assertEquals(copy.files.zeroedBytes, 0);
});

Deno.test("DiskSync makes zero what is zero there, without asking for it", async () => {
  for (const mode of ["compare", "copy"] as const) {
    const local = diskOf(5 * MIB, []);
    const source = local.slice();
    source.fill(0, MIB, 3 * MIB + PAGE_BYTES);
    const copy = new Copy({ source, local });
    await copy.run({ mode });
    assert(equalBytes(copy.files.durable(LOCAL), source));
    const report = copy.reports.at(-1);
    const isCompare = mode === "compare";
    const zeroBytes = 2 * MIB + (isCompare ? PAGE_BYTES : 0);
    assertEquals(report?.zeroedBytes, zeroBytes);
    assertEquals(copy.files.zeroedBytes, zeroBytes);
    assertEquals(report?.copiedBytes, isCompare ? 0 : 3 * MIB);
  }
});

Deno.test("DiskSync writes equal blocks again in mode copy", async () => {
  const disk = diskOf(MIB, []);
  const copy = new Copy({ source: disk, local: disk });
  await copy.run({ mode: "copy" });
  assertEquals(copy.files.writeCount, 1);
  assertEquals(copy.line.calls, ["disk.digests", "disk.read"]);
});

Deno.test("DiskSync touches nothing but the extents that it is given", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyDisks,
      fc.array(fc.tuple(fc.nat(600), fc.integer({ min: 1, max: 300 })), {
        maxLength: 6,
      }),
      async ({ sizeBytes, startPart }, parts) => {
        const source = new Uint8Array(sizeBytes).fill(1);
        const local = new Uint8Array(sizeBytes).fill(2);
        const startBytes = Math.floor(sizeBytes / 4096 * startPart) * 4096;
        const expected = local.slice();
        let atBytes = 0;
        const extents = parts.flatMap(([gap, count]) => {
          const offsetBytes = atBytes + gap * 4096;
          atBytes = offsetBytes + count * 4096;
          const lengthBytes = Math.min(atBytes, sizeBytes) - offsetBytes;
          if (lengthBytes <= 0) return [];
          const firstBytes = Math.max(offsetBytes, startBytes);
          if (firstBytes < atBytes) expected.fill(1, firstBytes, atBytes);
          return [{ offsetBytes, lengthBytes }];
        });
        const copy = new Copy({ source, local });
        const reports: SyncProgress[] = [];
        const result = await copy.run({
          startBytes,
          extents,
          onProgress: (progress) => reports.push(progress),
        });
        assertEquals(result, { kind: "complete" });
        assert(equalBytes(copy.files.durable(LOCAL), expected));
        assertEquals(reports.at(-1)?.syncedBytes, sizeBytes);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("DiskSync keeps to its pace, and stops while it waits", async () => {
  const source = diskOf(48 * MIB, []);
  const copy = new Copy({ source, local: source });
  const passed: number[] = [];
  const running: { sync?: DiskSync } = {};
  running.sync = copy.start({
    pace: {
      pass: (bytes, signal) => {
        passed.push(bytes);
        if (passed.length < 3) return Promise.resolve();
        // Nobody lets the third one pass.
        void running.sync?.stop();
        return new Promise((resolve) => {
          if (signal?.aborted === true) resolve();
          signal?.addEventListener("abort", () => resolve());
        });
      },
    },
  });
  const result = await deadline(running.sync.finished, WAIT_MS);
  assertEquals(result, { kind: "stopped" });
  assertEquals(passed, [4 * MIB, 12 * MIB, 16 * MIB]);
  assertEquals(copy.line.calls.length, 2);
  copy.line.close();
  await copy.line.idle();
});

Deno.test("DiskSync tells how far it is while it waits for its pace", async () => {
  const source = diskOf(48 * MIB, []);
  source.fill(7);
  const copy = new Copy({ source, local: new Uint8Array(source.length) });
  // All is looked at, and five blocks may be fetched.
  let leftCount = 5;
  const running = copy.start({
    fetchPace: {
      pass: (_, signal) =>
        leftCount-- > 0 ? Promise.resolve() : new Promise((resolve) => {
          if (signal?.aborted === true) resolve();
          signal?.addEventListener("abort", () => resolve());
        }),
    },
  });
  const told = (): number => copy.reports.at(-1)?.syncedBytes ?? 0;
  await waitFor("blocks that count", () => told() >= 5 * MIB);
  assertEquals(told(), 5 * MIB);
  assertEquals(await running.stop(), { kind: "stopped" });
  assertEquals(told(), 5 * MIB);
  copy.line.close();
  await copy.line.idle();
});

Deno.test("DiskSync asks a slow line for few blocks at once, whatever came before", async () => {
  // Single pages first, which are quick on any line; then whole blocks.
  const source = diskOf(20 * MIB, []);
  for (let at = 0; at < 4 * MIB; at += 16 * PAGE_BYTES) source[at + 1] = 7;
  for (let at = 4 * MIB; at < source.length; at += PAGE_BYTES) {
    source[at + 1] = 7;
  }
  const copy = new Copy({ source, local: diskOf(source.length, []) });
  const line = new SlowLine(copy.line);
  assertEquals(await copy.run({ rpc: line }), { kind: "complete" });
  assertEquals(line.wholeCount, 16);
  assert(line.wholeAtOnceMax <= 6, `${line.wholeAtOnceMax} blocks at once`);
});

/** A line that brings 10 MiB in a second, one answer after the other. */
class SlowLine implements RpcClient {
  readonly peer: string;
  readonly features: ReadonlySet<string>;
  readonly closed: Promise<void>;
  /** Of the calls that ask for a whole block. */
  wholeCount = 0;
  wholeAtOnceMax = 0;
  readonly #line: MemoryLine;
  #wholeAtOnce = 0;
  #isFree = Promise.resolve();

  constructor(line: MemoryLine) {
    ({ peer: this.peer, features: this.features, closed: this.closed } = line);
    this.#line = line;
  }

  close(): void {
    this.#line.close();
  }

  async call(...words: Parameters<RpcClient["call"]>): Promise<RpcReply> {
    const [method, { lengthBytes }] = words;
    const bytes = method === "disk.read" ? Number(lengthBytes) : 0;
    const count = bytes === MIB ? 1 : 0;
    this.wholeCount += count;
    this.#wholeAtOnce += count;
    this.wholeAtOnceMax = Math.max(this.wholeAtOnceMax, this.#wholeAtOnce);
    const reply = await this.#line.call(...words);
    const ms = 100 * bytes / MIB;
    this.#isFree = this.#isFree.then(() =>
      new Promise((resolve) => setTimeout(resolve, ms))
    );
    await this.#isFree;
    this.#wholeAtOnce -= count;
    return reply;
  }
}

Deno.test("DiskSync hides long round trips", async () => {
  // 160 MiB with a change in each extent: three round trips, one after the
  // other, if all extents are looked at together.
  const source = diskOf(160 * MIB, []);
  const local = source.slice();
  for (let at = 3; at < local.length; at += 4 * MIB) local[at] = 255;
  const copy = new Copy({ source, local });
  let atOnce = 0;
  let most = 0;
  copy.reconnect({
    delay: async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 1));
      atOnce--;
    },
  });
  assertEquals(await copy.run(), { kind: "complete" });
  assert(most >= 40, `only ${most} calls at once`);
});

/** The files of a copy, whose own disk waits before it makes digests. */
function slowly(
  { files }: Copy,
  wait: (offsetBytes: number) => Promise<void>,
): FileOpener {
  return {
    open: async (path, mode) => {
      const file = await files.open(path, mode);
      const digest = file.digest.bind(file);
      file.digest = async (extent, ...how) => {
        await wait(extent.offsetBytes);
        return await digest(extent, ...how);
      };
      return file;
    },
  };
}

Deno.test("DiskSync reads its own disk while the peer reads the other", async () => {
  const source = diskOf(40 * MIB, [7 * MIB]);
  const copy = new Copy({ source, local: diskOf(40 * MIB, []) });
  const handlers = diskHandlers(sourceOf(copy.files));
  const begun = Promise.withResolvers<void>();
  copy.reconnect({
    handlers: {
      ...handlers,
      "disk.digests": async (call) => {
        // By its first answer the peer tells how.
        if (call.params["offsetBytes"] !== 0) await begun.promise;
        const reply = await handlers["disk.digests"]?.(call);
        assert(reply !== undefined);
        return reply;
      },
    },
  });
  const files = slowly(copy, (offsetBytes) => {
    if (offsetBytes > 0) begun.resolve();
    return Promise.resolve();
  });
  assertEquals(await copy.run({ files }), { kind: "complete" });
  assert(equalBytes(copy.files.durable(LOCAL), source));
});

Deno.test("DiskSync does not close the disk before it has been read", async () => {
  const disk = diskOf(40 * MIB, []);
  const copy = new Copy({ source: disk, local: disk });
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const files = slowly(copy, async (offsetBytes) => {
    if (offsetBytes === 0) return;
    begun.resolve();
    await held.promise;
  });
  const sync = copy.start({ files });
  await deadline(begun.promise, WAIT_MS);
  const stopped = sync.stop();
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals(copy.files.openCount, 1, "the own disk");
  held.resolve();
  assertEquals(await deadline(stopped, WAIT_MS), { kind: "stopped" });
  copy.line.close();
  await copy.line.idle();
});

Deno.test("DiskSync copies from a peer that knows only plain digests", async () => {
  const source = diskOf(6 * MIB, [5, 3 * MIB]);
  source.fill(0, 4 * MIB, 5 * MIB);
  const copy = new Copy({ source, local: diskOf(6 * MIB, []) });
  const handlers = diskHandlers(sourceOf(copy.files));
  const old: RpcHandlers = {
    ...handlers,
    "disk.digests": async (call) => {
      const { seed: _seed, ...params } = call.params;
      const reply = await handlers["disk.digests"]?.({ ...call, params });
      assert(reply !== undefined);
      return { params: {}, body: reply.body };
    },
  };
  copy.reconnect({ handlers: old });
  assertEquals(await copy.run(), { kind: "complete" });
  assert(equalBytes(copy.files.durable(LOCAL), source));
  assertEquals(copy.reports.at(-1)?.zeroedBytes, MIB);
  assertEquals(copy.reports.at(-1)?.copiedBytes, 2 * PAGE_BYTES);
});

Deno.test("DiskSync ends with the refusal of a source that cannot be read", async () => {
  const disk = diskOf(MIB, []);
  const copy = new Copy({ source: disk, local: diskOf(MIB, [9]) });
  copy.files.readErrno = ERRNO.EIO;
  const result = await copy.run();
  // The source was asked first; what it says is a text.
  assertEquals(result.kind, "lost");
  assertEquals(copy.files.writeCount, 0);
  assertEquals(copy.reports.map(({ syncedBytes }) => syncedBytes), [0]);
});

Deno.test("DiskSync copies what a lying peer calls different", async () => {
  const disk = diskOf(3 * MIB, []);
  const copy = new Copy({ source: disk, local: disk }, {
    onReply: ({ params, body }, index) => ({
      params,
      body: index === 0 ? body.map((byte) => byte ^ 1) : body,
    }),
  });
  assertEquals(await copy.run(), { kind: "complete" });
  assert(equalBytes(copy.files.durable(LOCAL), disk));
});

Deno.test("DiskSync reports nothing after a flush that failed", async () => {
  const copy = new Copy({
    source: diskOf(MIB, [7]),
    local: diskOf(MIB, []),
  });
  copy.files.flushErrno = ERRNO.EIO;
  const result = await copy.run();
  assertEquals(result.kind === "failed" && result.errno, ERRNO.EIO);
  assertEquals(copy.reports, []);
});

Deno.test("DiskSync ends with the errno of the own disk", async () => {
  const copy = new Copy({
    source: diskOf(9 * MIB, [7, 5 * MIB]),
    local: diskOf(9 * MIB, []),
  });
  copy.files.writeErrno = ERRNO.EIO;
  const result = await copy.run();
  assertEquals(result.kind === "failed" && result.errno, ERRNO.EIO);
  assertEquals(copy.reports, []);
});

Deno.test("DiskSync refuses a disk that is too small", async () => {
  const copy = new Copy({
    source: diskOf(MIB, []),
    local: diskOf(MIB - 4096, []),
  });
  const result = await copy.run();
  assertEquals(result, {
    kind: "failed",
    errno: ERRNO.ENOSPC,
    message: 'Cannot sync to "local": the disk is 4096 bytes too small',
  });
  assertEquals(copy.line.calls, []);
});

Deno.test("DiskSync ends when the peer sends less than it was asked for", async () => {
  const modes = ["compare", "copy"] as const;
  const cases = [0, 16, 17].flatMap((lengthBytes) =>
    modes.map((mode) => ({ lengthBytes, mode }))
  );
  for (const { lengthBytes, mode } of cases) {
    const copy = new Copy({
      source: diskOf(MIB, [7]),
      local: diskOf(MIB, []),
    }, {
      onReply: ({ params, body }) => ({
        params,
        body: body.subarray(0, lengthBytes),
      }),
    });
    assertEquals((await copy.run({ mode })).kind, "lost");
    assertEquals(copy.files.writeCount, 0);
  }
});

Deno.test("DiskSync.stop() reports what was copied", async () => {
  const sizeBytes = 40 * MIB;
  const source = diskOf(sizeBytes, []);
  const stop = { call: (): void => {} };
  const copy = new Copy({ source, local: new Uint8Array(sizeBytes) }, {
    delay: (index) => {
      if (index === 30) stop.call();
      return Promise.resolve();
    },
  });
  const sync = copy.start();
  stop.call = () => void sync.stop();
  assertEquals(await deadline(sync.finished, WAIT_MS), { kind: "stopped" });
  await copy.line.idle();
  assert(copy.syncedBytes < sizeBytes);
  assertEquals(copy.files.openCount, 0);
  copy.reconnect();
  await copy.run({ startBytes: copy.syncedBytes });
  assert(equalBytes(copy.files.durable(LOCAL), source));
});

Deno.test("diskHandlers() refuse what lies outside of the disk", async () => {
  const copy = new Copy({
    source: diskOf(MIB, []),
    local: diskOf(MIB, []),
  });
  const good = { resource: "x", offsetBytes: 0, lengthBytes: 4096 };
  const bad = [
    { ...good, offsetBytes: MIB },
    { ...good, offsetBytes: MIB - 4095 },
    { ...good, offsetBytes: -4096 },
    { ...good, offsetBytes: Number.MAX_SAFE_INTEGER },
    { ...good, lengthBytes: 0 },
    { ...good, lengthBytes: 64 * MIB },
    { ...good, resource: "y" },
    { ...good, resource: 5 },
  ];
  for (const method of ["disk.read", "disk.digests"]) {
    await copy.line.call(method, { ...good, blockBytes: 4096 });
    for (const params of bad) {
      const refusal = await copy.line
        .call(method, { ...params, blockBytes: 4096 })
        .then(() => "answered", (error: Error) => error.message);
      assertStringIncludes(refusal, "Cannot", JSON.stringify(params));
    }
  }
  for (const blockBytes of [0, 1, 4095, 5 * MIB, -4096]) {
    const refusal = await copy.line
      .call("disk.digests", { ...good, blockBytes })
      .then(() => "answered", (error: Error) => error.message);
    assertStringIncludes(refusal, "Cannot", String(blockBytes));
  }
  for (const seed of ["", "00", 5, "z".repeat(64), "0".repeat(66)]) {
    const refusal = await copy.line
      .call("disk.digests", { ...good, blockBytes: 4096, seed })
      .then(() => "answered", (error: Error) => error.message);
    assertStringIncludes(refusal, "Cannot", String(seed));
  }
  assertEquals(copy.files.openCount, 0);
});

Deno.test("DiskSync goes on while it flushes, and reports what was flushed", async () => {
  const extentCount = 20;
  const source = new Uint8Array(extentCount * 4 * MIB);
  for (let at = 1; at < source.length; at += 4 * MIB) source[at] = 1;
  const copy = new Copy({ source, local: new Uint8Array(source.length) });
  let flushingCount = 0;
  copy.files.onFlush = async () => {
    flushingCount++;
    assertEquals(flushingCount, 1);
    // The first flush begins before the end and lasts longer than all writes.
    let turnsLeft = 20;
    while (turnsLeft > 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (copy.files.writeCount === extentCount) turnsLeft--;
    }
    flushingCount--;
  };
  assertEquals(await copy.run(), { kind: "complete" });
  assertEquals(copy.reports.length, 2);
  assert((copy.reports[0]?.syncedBytes ?? 0) < source.length);
});

Deno.test("DiskSync does not close the disk before writes have returned", async () => {
  // One write in each of two extents.
  const copy = new Copy({
    source: diskOf(8 * MIB, [1, 5 * MIB]),
    local: diskOf(8 * MIB, []),
  });
  const releases: (() => void)[] = [];
  const areHeld = new Promise<void>((held) => {
    copy.files.onWrite = () => {
      if (releases.length === 1) held();
      return new Promise((resolve) => releases.push(resolve));
    };
  });
  const sync = copy.start();
  await deadline(areHeld, WAIT_MS);
  const stopped = sync.stop();
  // The file in memory throws if it is closed while it is used.
  for (const release of releases) {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    release();
  }
  assertEquals(await deadline(stopped, WAIT_MS), { kind: "stopped" });
  assertEquals(copy.files.writeCount, 2);
  await copy.line.idle();
});
