/** Tests of replay over a world with any order of completions. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  applyTo,
  buildLog,
  type BuiltLog,
  diskAfter,
  type Draft,
  outcomeOf,
  ReplayWorld,
} from "../../tests/support/replay_world.ts";
import { Random } from "../../tests/sim/random.ts";
import { equalBytes } from "../base/bytes.ts";
import { DETAIL } from "../log/verdict.ts";
import type { Replay } from "./replay.ts";

const DISK_BYTES = 64 * 1024;
const EIO = 5;

/** Records of up to 8 KiB on a small disk: most of them overlap some other. */
const anyDraft: fc.Arbitrary<Draft> = fc.record({
  sector: fc.nat(DISK_BYTES / 512 - 16),
  sectors: fc.integer({ min: 1, max: 16 }),
  byte: fc.integer({ min: 1, max: 255 }),
  code: fc.constantFrom(1, 1, 1, 1, 1, 2, 77),
}).map(({ sector, sectors, byte, code }) => ({
  offsetBytes: sector * 512,
  payload: new Uint8Array(sectors * 512).fill(byte),
  code,
}));

const anyLog = fc.array(anyDraft, { minLength: 1, maxLength: 60 })
  .map(buildLog);

/** Runs of neighbors: what is merged into larger writes. */
const anySequentialLog = fc.record({
  count: fc.integer({ min: 1, max: 15 }),
  byte: fc.nat(255),
}).map(({ count, byte }) =>
  buildLog(Array.from({ length: count }, (_, index) => ({
    offsetBytes: index * 4096,
    payload: new Uint8Array(4096).fill(byte + index),
    code: 1,
  })))
);

/** A few blocks again and again: neighbors of writes in flight. */
const anyCrowdedLog = fc.array(
  fc.record({
    block: fc.nat(7),
    blocks: fc.integer({ min: 1, max: 2 }),
    byte: fc.integer({ min: 1, max: 255 }),
  }),
  { minLength: 1, maxLength: 60 },
).map((drafts) =>
  buildLog(drafts.map(({ block, blocks, byte }) => ({
    offsetBytes: block * 512,
    payload: new Uint8Array(blocks * 512).fill(byte),
    code: 1,
  })))
);

const anySeed = fc.integer();

const WRITES_AND_FLUSHES = ["write", "flush"];

function worldOf(log: BuiltLog, seed: number): ReplayWorld {
  return new ReplayWorld(log.bytes, DISK_BYTES, { seed });
}

Deno.test("Replay makes the disk that the records in order make", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyLog, anySequentialLog, anyCrowdedLog),
      anySeed,
      (log, seed) => {
        const world = worldOf(log, seed);
        const replay = world.start(0, log.bytes.length);
        world.settle();
        assertEquals(outcomeOf(replay.state()), {
          status: 1,
          writtenBackBytes: log.bytes.length,
          diskErrno: 0,
        });
        const wanted = diskAfter(log, log.records.length, DISK_BYTES);
        assertEquals(world.diskAfterPowerCut(), wanted);
      },
    ),
  );
});

Deno.test("Replay crosses windows and wraps staging", () => {
  const random = new Random(4711);
  const diskBytes = 4 * 1024 * 1024;
  const log = buildLog(Array.from({ length: 400 }, () => ({
    offsetBytes: random.below(diskBytes / 512 - 64) * 512,
    payload: noise(random, (1 + random.below(63)) * 512),
    code: 1,
  })));
  assert(log.bytes.length > 4 * 1024 * 1024);
  const world = new ReplayWorld(log.bytes, diskBytes, { seed: 4711 });
  const replay = world.start(0, log.bytes.length);
  world.settle();
  assertEquals(replay.state().status, 1);
  const wanted = diskAfter(log, log.records.length, diskBytes);
  assert(equalBytes(world.diskAfterPowerCut(), wanted));
});

Deno.test("Replay writes neighbors together", () => {
  const log = buildLog(Array.from({ length: 16 }, (_, index) => ({
    offsetBytes: index * 4096,
    payload: new Uint8Array(4096).fill(index),
    code: 1,
  })));
  const options = { seed: 1, shortShare: 0 };
  const world = new ReplayWorld(log.bytes, DISK_BYTES, options);
  const lengths: number[] = [];
  world.io.inject = ({ kind, length }) => {
    if (kind === "write") lengths.push(length);
    return 0;
  };
  world.start(0, log.bytes.length);
  world.settle();
  assertEquals(lengths, [16 * 4096]);
});

Deno.test("Replay after a crash anywhere gives the disk of the log", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(120), (log, seed, stepCount) => {
      const world = worldOf(log, seed);
      const replay = world.start(0, log.bytes.length);
      world.run(stepCount);
      const { writtenBackBytes } = replay.state();
      const image = world.diskAfterPowerCut();
      const first = log.positions.indexOf(writtenBackBytes);
      assert(first >= 0, "the position is a record boundary");
      applyTo(image, log.records.slice(first));
      assertEquals(image, diskAfter(log, log.records.length, DISK_BYTES));
    }),
    { numRuns: 300 },
  );
});

Deno.test("Replay after a crash anywhere with failures gives the disk", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(120), (log, seed, stepCount) => {
      const world = worldOf(log, seed);
      world.failDisk(8, WRITES_AND_FLUSHES);
      const replay = world.start(0, log.bytes.length);
      world.run(stepCount);
      const { writtenBackBytes } = replay.state();
      const image = world.diskAfterPowerCut();
      applyTo(
        image,
        log.records.slice(log.positions.indexOf(writtenBackBytes)),
      );
      assertEquals(image, diskAfter(log, log.records.length, DISK_BYTES));
    }),
    { numRuns: 300 },
  );
});

Deno.test("Replay never moves its position back, also with failures", () => {
  fc.assert(fc.property(anyLog, anySeed, (log, seed) => {
    const world = worldOf(log, seed);
    world.failDisk(6, WRITES_AND_FLUSHES);
    const replay = world.start(0, log.bytes.length);
    let before = 0;
    while (world.io.step()) {
      const { writtenBackBytes } = replay.state();
      assert(writtenBackBytes >= before);
      before = writtenBackBytes;
    }
    assertEquals(before, log.bytes.length);
  }));
});

Deno.test("Replay repeats what the disk refuses until it is done", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(12), (log, seed, faultCount) => {
      const world = worldOf(log, seed);
      world.failDisk(faultCount, WRITES_AND_FLUSHES);
      const replay = world.start(0, log.bytes.length);
      world.settle();
      assertEquals(outcomeOf(replay.state()), {
        status: 1,
        writtenBackBytes: log.bytes.length,
        diskErrno: 0,
      });
      const wanted = diskAfter(log, log.records.length, DISK_BYTES);
      assertEquals(world.diskAfterPowerCut(), wanted);
    }),
  );
});

Deno.test("Replay shows the errno of a disk that fails, and stays", () => {
  const log = buildLog([{
    offsetBytes: 0,
    payload: new Uint8Array(512).fill(1),
    code: 1,
  }]);
  const world = worldOf(log, 1);
  world.failDisk(Infinity, ["write"]);
  const replay = world.start(0, log.bytes.length);
  world.run(100);
  assertEquals(outcomeOf(replay.state()), {
    status: 0,
    writtenBackBytes: 0,
    diskErrno: EIO,
  });
});

Deno.test("setEnd() continues with a log that grows byte by byte", () => {
  fc.assert(
    fc.property(
      anyLog,
      anySeed,
      fc.array(fc.nat(20_000), { maxLength: 20 }),
      (log, seed, growths) => {
        const world = worldOf(log, seed);
        world.setLog(new Uint8Array(0));
        const replay = world.start(0, 0);
        let endBytes = 0;
        for (const growth of [...growths, log.bytes.length]) {
          endBytes = Math.min(endBytes + growth, log.bytes.length);
          world.setLog(log.bytes.slice(0, endBytes));
          replay.setEnd(endBytes);
          world.run(growth % 7);
        }
        world.settle();
        assertEquals(replay.state().status, 1);
        assertEquals(replay.state().writtenBackBytes, log.bytes.length);
        const wanted = diskAfter(log, log.records.length, DISK_BYTES);
        assertEquals(world.diskAfterPowerCut(), wanted);
      },
    ),
  );
});

Deno.test("Replay stops before a torn tail with status 2", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(), (log, seed, cut) => {
      const endBytes = 1 + cut % log.bytes.length;
      const count = log.positions.findLastIndex((one) => one <= endBytes);
      const world = worldOf(log, seed);
      const replay = world.start(0, endBytes);
      world.settle();
      const isWhole = log.positions[count] === endBytes;
      assertEquals(outcomeOf(replay.state()), {
        status: isWhole ? 1 : 2,
        writtenBackBytes: log.positions[count] ?? -1,
        diskErrno: 0,
      });
      assertEquals(
        world.diskAfterPowerCut(),
        diskAfter(log, count, DISK_BYTES),
      );
    }),
  );
});

Deno.test("Replay of a file shorter than announced waits with status 2", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(), (log, seed, cut) => {
      const world = worldOf(log, seed);
      const logLength = cut % log.bytes.length;
      world.setLog(log.bytes.slice(0, logLength));
      const count = log.positions.findLastIndex((one) => one <= logLength);
      const replay = world.start(0, log.bytes.length);
      world.settle();
      assertEquals(replay.state().status, 2);
      assertEquals(replay.state().writtenBackBytes, log.positions[count]);
      assertEquals(
        world.diskAfterPowerCut(),
        diskAfter(log, count, DISK_BYTES),
      );
    }),
  );
});

Deno.test("Replay applies nothing at or behind damage", () => {
  fc.assert(
    fc.property(
      anyLog,
      anySeed,
      fc.nat(),
      fc.nat(),
      fc.nat(7),
      (log, seed, which, where, bit) => {
        const index = which % log.records.length;
        const position = log.positions[index] ?? 0;
        const length = (log.positions[index + 1] ?? 0) - position;
        // Not the trailer, which has spare bytes, and not a compressed payload,
        // which may mean the same with another bit.
        const isRaw = length === 84 + (log.records[index]?.payload.length ?? 0);
        const at = position + where % (isRaw ? length - 36 : 48);
        log.bytes[at] = (log.bytes[at] ?? 0) ^ (1 << bit);
        const world = worldOf(log, seed);
        const replay = world.start(0, log.bytes.length);
        world.settle();
        assert(replay.state().status < 0);
        assertEquals(replay.state().writtenBackBytes, position);
        assertEquals(
          world.diskAfterPowerCut(),
          diskAfter(log, index, DISK_BYTES),
        );
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("Replay takes a record beyond the disk as damage", () => {
  const payload = new Uint8Array(1024).fill(9);
  const log = buildLog([
    { offsetBytes: 0, payload, code: 1 },
    { offsetBytes: DISK_BYTES - 512, payload, code: 1 },
    { offsetBytes: 4096, payload, code: 1 },
  ]);
  const world = worldOf(log, 1);
  const replay = world.start(0, log.bytes.length);
  world.settle();
  const { status, detail, writtenBackBytes } = replay.state();
  assert(status < 0);
  assertEquals(detail, DETAIL.devicePosition);
  assertEquals(writtenBackBytes, log.positions[1]);
  assertEquals(world.diskAfterPowerCut(), diskAfter(log, 1, DISK_BYTES));
});

Deno.test("Replay stays with damage when the end moves on", () => {
  const payload = new Uint8Array(512).fill(9);
  const draft = { offsetBytes: 0, payload, code: 1 };
  const log = buildLog([draft, draft, draft]);
  const second = log.positions[1] ?? 0;
  log.bytes[second] = 0;
  const world = worldOf(log, 1);
  const replay = world.start(0, log.positions[2] ?? 0);
  world.settle();
  replay.setEnd(log.bytes.length);
  world.settle();
  assert(replay.state().status < 0);
  assertEquals(replay.state().writtenBackBytes, second);
});

Deno.test("Replay counts records that are not applied as done", () => {
  const payload = new Uint8Array(512).fill(9);
  const log = buildLog([
    { offsetBytes: 0, payload, code: 1 },
    { offsetBytes: 512, payload, code: 2 },
    { offsetBytes: 1024, payload, code: 99 },
  ]);
  const world = worldOf(log, 1);
  const replay = world.start(0, log.bytes.length);
  world.settle();
  assertEquals(replay.state().status, 1);
  assertEquals(replay.state().writtenBackBytes, log.bytes.length);
  assertEquals(replay.state().recordCount, 1);
  assertEquals(world.diskAfterPowerCut(), diskAfter(log, 1, DISK_BYTES));
});

Deno.test("Replay that begins in the middle applies the rest", () => {
  fc.assert(fc.property(anyLog, anySeed, fc.nat(), (log, seed, which) => {
    const first = which % (log.records.length + 1);
    const world = worldOf(log, seed);
    const replay = world.start(log.positions[first] ?? 0, log.bytes.length);
    world.settle();
    assertEquals(replay.state().status, 1);
    const wanted = new Uint8Array(DISK_BYTES);
    applyTo(wanted, log.records.slice(first));
    assertEquals(world.diskAfterPowerCut(), wanted);
  }));
});

Deno.test("Replay tells a log that cannot be read", () => {
  const log = buildLog([{
    offsetBytes: 0,
    payload: new Uint8Array(512),
    code: 1,
  }]);
  const world = worldOf(log, 1);
  world.io.inject = ({ kind }) => kind === "read" ? EIO : 0;
  const replay = world.start(0, log.bytes.length);
  world.settle();
  assertEquals(replay.state().status, -EIO);
});

/** Steps a little, stops, and lets the world come to rest. */
function stopAfter(
  world: ReplayWorld,
  replay: Replay,
  stepCount: number,
): void {
  world.run(stepCount);
  let calls = 0;
  replay.stop(() => calls++);
  world.settle();
  assertEquals(calls, 1, "stop calls back once");
}

Deno.test("stop() leaves the disk of exactly the position it shows", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(80), (log, seed, stepCount) => {
      const world = worldOf(log, seed);
      const replay = world.start(0, log.bytes.length);
      stopAfter(world, replay, stepCount);
      const { writtenBackBytes } = replay.state();
      const count = log.positions.indexOf(writtenBackBytes);
      assert(count >= 0);
      assertEquals(
        world.diskAfterPowerCut(),
        diskAfter(log, count, DISK_BYTES),
      );
    }),
  );
});

Deno.test("stop() ends although the disk fails, and claims nothing", () => {
  fc.assert(
    fc.property(anyLog, anySeed, fc.nat(40), (log, seed, stepCount) => {
      const world = worldOf(log, seed);
      const replay = world.start(0, log.bytes.length);
      world.run(stepCount);
      world.failDisk(Infinity, WRITES_AND_FLUSHES);
      stopAfter(world, replay, 3);
      const { writtenBackBytes } = replay.state();
      const image = world.diskAfterPowerCut();
      applyTo(
        image,
        log.records.slice(log.positions.indexOf(writtenBackBytes)),
      );
      assertEquals(image, diskAfter(log, log.records.length, DISK_BYTES));
    }),
  );
});

/** Bytes that do not compress. */
function noise(random: Random, length: number): Uint8Array {
  return new Uint8Array(length).map(() => random.below(256));
}
