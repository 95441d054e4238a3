import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import {
  MemoryLine,
  type MemoryLineOptions,
} from "../../tests/support/memory_line.ts";
import { equalBytes } from "../base/bytes.ts";
import { ERRNO, MarsError } from "../base/errors.ts";
import {
  diskHandlers,
  type DiskSource,
  DiskSync,
  type SourceDisk,
  type SyncOptions,
  type SyncProgress,
  type SyncResult,
} from "./sync.ts";

const SOURCE = "source";
const LOCAL = "local";
const WAIT_MS = 20_000;
const MIB = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;

function sourceOf(files: MemoryFiles): DiskSource {
  return {
    async open(resource: string, peer: string): Promise<SourceDisk> {
      if (resource !== "x" || peer !== "beta") {
        throw new MarsError(`Cannot read the disk of "${resource}"`);
      }
      const file = await files.open(SOURCE, "read");
      return {
        sizeBytes: file.sizeBytes(),
        read: (target, offsetBytes) => file.read(target, offsetBytes),
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

Deno.test("DiskSync fetches only what differs", async () => {
  const changes = [5, 3 * MIB, 3 * MIB + BLOCK_BYTES, 9 * MIB + 17];
  const source = diskOf(10 * MIB, changes);
  const copy = new Copy({ source, local: diskOf(10 * MIB, []) });
  await copy.run();
  const readCount = copy.line.calls.filter((name) => name === "disk.read");
  // The two neighbors travel together.
  assertEquals(readCount.length, 3);
  assertEquals(copy.reports.at(-1), {
    syncedBytes: 10 * MIB,
    equalCount: 156,
    copiedCount: 4,
  });
});

Deno.test("DiskSync leaves holes where both disks are zero", async () => {
  const zeroes = new Uint8Array(9 * MIB);
  const copy = new Copy({ source: zeroes, local: zeroes });
  assertEquals(await copy.run(), { kind: "complete" });
  assertEquals(copy.files.writeCount, 0);
});

Deno.test("DiskSync overwrites data with zeroes", async () => {
  const copy = new Copy({
    source: new Uint8Array(MIB),
    local: diskOf(MIB, []),
  });
  await copy.run();
  assert(equalBytes(copy.files.durable(LOCAL), new Uint8Array(MIB)));
});

Deno.test("DiskSync writes equal blocks again in mode copy", async () => {
  const disk = diskOf(MIB, []);
  const copy = new Copy({ source: disk, local: disk });
  await copy.run({ mode: "copy" });
  assertEquals(copy.files.writeCount, 1);
  assertEquals(copy.line.calls, ["disk.read"]);
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
