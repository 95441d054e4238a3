import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import {
  MemoryLine,
  type MemoryLineOptions,
} from "../../tests/support/memory_line.ts";
import { Random } from "../../tests/sim/random.ts";
import { equalBytes } from "../base/bytes.ts";
import { ERRNO, MarsError } from "../base/errors.ts";
import type { Position } from "../resource/view.ts";
import { diskHandlers } from "./disk_service.ts";
import {
  DiskVerify,
  type ReplayFacts,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyResult,
} from "./verify.ts";

const THERE = "there";
const HERE = "here";
const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
const WAIT_MS = 60_000;

interface Write {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/**
 * A primary and a secondary with the log between them; record n stands at
 * position n. Each step of the world writes, writes back, fetches or replays a
 * little; steps happen whenever the verification waits for something.
 */
class World {
  readonly files = new MemoryFiles();
  readonly random: Random;
  readonly sizeBytes: number;
  readonly log: Write[] = [];
  /** The primary's: everything before is on its disk. */
  writtenBack = 0;
  /** The secondary's log, how far replay was told, and is. */
  fetched = 0;
  told = 0;
  replayed = 0;
  /** What the secondary has heard of the primary's. */
  heard = 0;
  /** No client writes any more. */
  isQuiet = false;
  verify: DiskVerify | undefined;
  readonly reports: VerifyProgress[] = [];
  line: MemoryLine;

  constructor(seed: number, sizeBytes: number) {
    this.random = new Random(seed);
    this.sizeBytes = sizeBytes;
    const disk = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes; at += SECTOR_BYTES) disk[at] = at % 251;
    this.files.set(THERE, disk);
    this.files.set(HERE, disk);
    this.line = this.connect();
  }

  connect(options: Partial<MemoryLineOptions> = {}): MemoryLine {
    const source = {
      open: async () => {
        const file = await this.files.open(THERE, "read");
        return {
          sizeBytes: file.sizeBytes(),
          read: (target: Uint8Array, offsetBytes: number) =>
            file.read(target, offsetBytes),
          nextData: (offsetBytes: number) => file.nextData(offsetBytes),
          digest: file.digest.bind(file),
          position: (end: "from" | "upTo") => {
            const at = end === "from" ? this.writtenBack : this.log.length;
            return `log-000000001-alpha,${at},0`;
          },
          close: () => file.close(),
        };
      },
    };
    this.line = new MemoryLine({
      from: "beta",
      peer: "alpha",
      handlers: diskHandlers(source),
      delay: async () => {
        this.steps(this.random.below(4));
        await Promise.resolve();
      },
      ...options,
    });
    return this.line;
  }

  steps(count: number): void {
    for (let index = 0; index < count; index++) this.step();
  }

  step(): void {
    switch (this.random.below(5)) {
      case 0:
        if (!this.isQuiet) this.write();
        break;
      case 1:
        this.writeBack();
        break;
      case 2:
        this.fetched = this.log.length;
        break;
      case 3:
        this.heard = this.writtenBack;
        break;
      case 4:
        this.replay(this.random.below(4));
    }
    this.verify?.tell(this.facts());
  }

  write(): void {
    const sectors = this.sizeBytes / SECTOR_BYTES;
    // Some places are hot.
    const first = this.random.chance(0.5)
      ? this.random.below(24)
      : this.random.below(sectors);
    const count = Math.min(1 + this.random.below(8), sectors - first);
    const value = 1 + this.random.below(255);
    this.log.push({
      offsetBytes: first * SECTOR_BYTES,
      bytes: new Uint8Array(count * SECTOR_BYTES).fill(value),
    });
  }

  /** Some of what is in the log, newest last; at times a whole sweep. */
  writeBack(): void {
    const isWhole = this.random.chance(0.4);
    const end = this.log.length;
    for (let at = this.writtenBack; at < end; at++) {
      if (isWhole || this.random.chance(0.5)) this.apply(THERE, at, end);
    }
    if (isWhole) this.writtenBack = end;
  }

  /** Record `at`; bytes of it that a record before `end` replaces are left out. */
  apply(path: string, at: number, end: number): void {
    const { offsetBytes, bytes } = this.log[at] ??
      { offsetBytes: 0, bytes: new Uint8Array() };
    const disk = this.files.get(path);
    for (let done = 0; done < bytes.length; done += SECTOR_BYTES) {
      const place = offsetBytes + done;
      const isReplaced = this.log.slice(at + 1, end).some((later) =>
        place >= later.offsetBytes &&
        place < later.offsetBytes + later.bytes.length
      );
      if (!isReplaced) {
        disk.set(bytes.subarray(done, done + SECTOR_BYTES), place);
      }
    }
  }

  /** Further, as far as it is told; nothing is in flight behind a step. */
  replay(count: number): void {
    const hold = this.verify?.holdAt?.bytes;
    const goal = hold === undefined
      ? this.fetched
      : Math.max(this.told, Math.min(this.fetched, hold));
    this.told = Math.max(this.told, goal);
    const end = Math.min(this.told, this.replayed + count);
    for (; this.replayed < end; this.replayed++) {
      const write = this.log[this.replayed];
      if (write !== undefined) {
        this.files.get(HERE).set(write.bytes, write.offsetBytes);
      }
    }
  }

  facts(): ReplayFacts {
    return {
      toldAt: position(this.told),
      restsAt: this.replayed === this.told
        ? position(this.replayed)
        : undefined,
      sourceAt: position(this.heard),
    };
  }

  /** Runs a verification while the world goes on. */
  async run(options: Partial<VerifyOptions> = {}): Promise<VerifyResult> {
    const verify = DiskVerify.start({
      rpc: this.line,
      files: this.files,
      resource: "x",
      path: HERE,
      startBytes: 0,
      sizeBytes: this.sizeBytes,
      isRepair: false,
      records: ({ from, upTo }, onRecord) => {
        assert(upTo.bytes <= this.fetched, "the log is here");
        for (const write of this.log.slice(from.bytes, upTo.bytes)) {
          onRecord(write.offsetBytes, write.bytes);
        }
        return Promise.resolve();
      },
      facts: this.facts(),
      onProgress: (progress) => this.reports.push(progress),
      onHold: () => {},
      ...options,
    });
    this.verify = verify;
    const state = { isOver: false };
    const ticking = this.#tick(state);
    const result = await deadline(verify.finished, WAIT_MS);
    state.isOver = true;
    await ticking;
    this.verify = undefined;
    this.line.close();
    await this.line.idle();
    assertEquals(this.files.openCount, 0);
    return result;
  }

  async #tick(state: { isOver: boolean }): Promise<void> {
    while (!state.isOver) {
      // So that a busy primary is not busy for ever.
      if (this.log.length > 400) this.isQuiet = true;
      this.steps(1 + this.random.below(3));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Everything arrives everywhere. */
  settle(): void {
    this.fetched = this.log.length;
    this.told = this.fetched;
    this.replay(this.log.length);
    for (let at = this.writtenBack; at < this.log.length; at++) {
      this.apply(THERE, at, this.log.length);
    }
    this.writtenBack = this.log.length;
    this.heard = this.writtenBack;
  }

  /** Pages that were found to differ. */
  get found(): number[] {
    return this.reports.flatMap(({ differing }) =>
      differing.flatMap(({ offsetBytes, lengthBytes }) =>
        Array.from(
          { length: lengthBytes / PAGE_BYTES },
          (_, index) => offsetBytes / PAGE_BYTES + index,
        )
      )
    );
  }

  corrupt(page: number): void {
    const disk = this.files.get(HERE);
    const at = page * PAGE_BYTES + 5;
    disk[at] = (disk[at] ?? 0) ^ 0x5a;
  }

  get isEqual(): boolean {
    return equalBytes(this.files.get(HERE), this.files.get(THERE));
  }
}

function position(bytes: number): Position {
  return { log: { sequence: 1, host: "alpha" }, bytes };
}

const anyWorld = fc.record({
  seed: fc.nat(),
  sizePages: fc.integer({ min: 4, max: 600 }),
  writesBefore: fc.nat(40),
  bad: fc.uniqueArray(fc.nat(599), { maxLength: 5 }),
});

/** A world in the middle of its life. */
function worldOf(
  { seed, sizePages, writesBefore }: {
    seed: number;
    sizePages: number;
    writesBefore: number;
  },
): World {
  const world = new World(seed, sizePages * PAGE_BYTES);
  for (let count = 0; count < writesBefore; count++) world.write();
  world.steps(10);
  return world;
}

Deno.test("DiskVerify finds nothing where nothing is wrong, whatever is written", async () => {
  await fc.assert(
    fc.asyncProperty(anyWorld, async (shape) => {
      const world = worldOf(shape);
      assertEquals(await world.run(), { kind: "complete" });
      assertEquals(world.found, []);
      world.settle();
      assert(world.isEqual, "the world of this test is sound");
    }),
    { numRuns: 40 },
  );
});

Deno.test("DiskVerify finds exactly what is wrong, under load", async () => {
  await fc.assert(
    fc.asyncProperty(anyWorld, async (shape) => {
      const world = worldOf(shape);
      const bad = shape.bad.filter((page) => page < shape.sizePages);
      for (const page of bad) world.corrupt(page);
      const firstLater = world.replayed;
      assertEquals(await world.run(), { kind: "complete" });
      const { found } = world;
      assertEquals(found.filter((page) => !bad.includes(page)), []);
      // What replay has overwritten meanwhile may be right again.
      const untouched = bad.filter((page) =>
        !world.log.slice(firstLater).some(({ offsetBytes, bytes }) =>
          offsetBytes < (page + 1) * PAGE_BYTES &&
          offsetBytes + bytes.length > page * PAGE_BYTES
        )
      );
      assertEquals(untouched.filter((page) => !found.includes(page)), []);
      assertEquals(
        world.reports.at(-1)?.differingBytes,
        found.length * PAGE_BYTES,
      );
    }),
    { numRuns: 60 },
  );
});

Deno.test("DiskVerify repairs what is wrong, under load", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyWorld,
      fc.boolean(),
      async (shape, losesWrite) => {
        const world = worldOf(shape);
        for (const page of shape.bad) {
          if (page < shape.sizePages) world.corrupt(page);
        }
        // A write that was never replayed, and is not yet on the other disk.
        if (losesWrite) {
          world.write();
          world.replay(world.log.length);
          world.fetched = world.told = world.replayed = world.log.length;
        }
        assertEquals(await world.run({ isRepair: true }), { kind: "complete" });
        const last = world.reports.at(-1);
        assertEquals(last?.repairedBytes, last?.differingBytes);
        world.settle();
        assert(world.isEqual);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("DiskVerify goes on where it was cut, and repairs what is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyWorld,
      fc.array(fc.tuple(fc.nat(6), fc.constantFrom("cut", "cutReply")), {
        maxLength: 3,
      }),
      async (shape, cuts) => {
        const world = worldOf(shape);
        for (const page of shape.bad) {
          if (page < shape.sizePages) world.corrupt(page);
        }
        for (const [cutIndex, fault] of cuts) {
          world.connect({
            fault: (index) => index === cutIndex ? fault : "none",
          });
          const startBytes = world.reports.at(-1)?.doneBytes ?? 0;
          await world.run({ isRepair: true, startBytes });
        }
        world.connect();
        const startBytes = world.reports.at(-1)?.doneBytes ?? 0;
        const result = await world.run({ isRepair: true, startBytes });
        assertEquals(result, { kind: "complete" });
        world.settle();
        assert(world.isEqual);
      },
    ),
    { numRuns: 25 },
  );
});

/** A quiet world with one page that is wrong. */
function badWorld(): World {
  const world = new World(1, 64 * PAGE_BYTES);
  world.isQuiet = true;
  world.corrupt(7);
  return world;
}

Deno.test("DiskVerify writes nothing unless it shall repair", async () => {
  const world = badWorld();
  const before = world.files.get(HERE).slice();
  assertEquals(await world.run(), { kind: "complete" });
  assertEquals(world.found, [7]);
  assertEquals(world.files.writeCount, 0);
  assert(equalBytes(world.files.get(HERE), before));
});

Deno.test("DiskVerify counts nothing as repaired that is not durable", async () => {
  const world = badWorld();
  world.files.flushErrno = ERRNO.EIO;
  const result = await world.run({ isRepair: true });
  assertEquals(result.kind, "failed");
  assertEquals(world.reports, []);
});

Deno.test("DiskVerify repairs nothing if replay does not rest", async () => {
  const world = badWorld();
  world.write();
  world.fetched = world.heard = world.writtenBack = 1;
  world.apply(THERE, 0, 1);
  // Somebody lets replay go on while the records are looked at.
  const result = await world.run({
    isRepair: true,
    records: () => {
      world.told++;
      world.verify?.tell(world.facts());
      return Promise.resolve();
    },
  });
  assertEquals(result, {
    kind: "lost",
    message: "Cannot verify: replay has not waited",
  });
  assertEquals(world.files.writeCount, 0);
});

Deno.test("DiskVerify stops while it waits, whatever for", async () => {
  for (const wait of ["source", "replay"] as const) {
    const world = badWorld();
    world.steps = () => {};
    world.log.push({ offsetBytes: 0, bytes: new Uint8Array(SECTOR_BYTES) });
    if (wait === "source") world.told = 1;
    let release = (): void => {};
    const isAsked = new Promise<void>((resolve) => release = resolve);
    const stopping = isAsked.then(() => world.verify?.stop());
    const running = world.run({ onHold: () => release() });
    // Nothing is asked of the peer before it has come so far.
    if (wait === "source") setTimeout(release, 20);
    assertEquals(await running, { kind: "stopped" });
    await stopping;
    const calls = world.line.calls.filter((name) => name === "disk.read");
    assertEquals(calls.length, wait === "source" ? 0 : 1);
  }
});

Deno.test("DiskVerify ends when the peer lies or is too old", async () => {
  const lies: MemoryLineOptions["onReply"][] = [
    ({ params, body }) => ({ params, body: body.subarray(1) }),
    ({ body }) => ({ params: {}, body }),
    ({ body }) => ({ params: { from: "x", upTo: 7 }, body }),
  ];
  for (const onReply of lies) {
    const world = badWorld();
    world.connect(onReply === undefined ? {} : { onReply });
    assertEquals((await world.run({ isRepair: true })).kind, "lost");
    assertEquals(world.files.writeCount, 0);
  }
});

Deno.test("DiskVerify says that a log is not here, and repairs nothing", async () => {
  const world = badWorld();
  const result = await world.run({
    isRepair: true,
    records: () => Promise.reject(new MarsError("Cannot read a log")),
  });
  assertEquals(result, { kind: "lost", message: "Cannot read a log" });
  assertEquals(world.files.writeCount, 0);
});
