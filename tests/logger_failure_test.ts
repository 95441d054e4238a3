/** The logger on files and disks that fail. */
import { assert, assertEquals } from "@std/assert";
import { ERRNO } from "../src/base/errors.ts";
import type { SimOperation } from "./sim/io.ts";
import {
  assertSameImage,
  LoggerWorld,
  type WorldOptions,
} from "./sim/logger_world.ts";
import { Random } from "./sim/random.ts";
import type { Level } from "../src/logger/commit.ts";

const DEVICE_BYTES = 256 * 1024;

function worldWith(options: Partial<WorldOptions>): LoggerWorld {
  return new LoggerWorld({
    seed: 1,
    level: "flush",
    deviceBytes: DEVICE_BYTES,
    ...options,
  });
}

function drain(world: LoggerWorld): number {
  let drainedErrno = -1;
  world.logger.drain((errno) => {
    drainedErrno = errno;
  });
  world.until(() => drainedErrno >= 0, "the logger is drained");
  return drainedErrno;
}

/** Fails operations of one kind on one file. */
function failing(kind: SimOperation["kind"], path: string, errno: number) {
  return (operation: SimOperation): number =>
    operation.kind === kind && operation.path === path ? errno : 0;
}

Deno.test("Logger fails writes after ENOSPC until it is in another log", () => {
  const world = worldWith({ shortShare: 0 });
  const before = world.write(0, 8192);
  world.settle();
  world.io.inject = failing("write", "/log-1", ERRNO.ENOSPC);
  const failed = world.write(4096, 8192);
  world.settle();
  const refused = world.write(0, 512);
  const read = world.read(0, 16_384);
  const flush = world.flush();
  world.settle();

  assertEquals(before.errno, 0);
  assertEquals(failed.errno, ERRNO.ENOSPC);
  assertEquals(refused.errno, ERRNO.ENOSPC);
  assertEquals(read.errno, 0);
  assertEquals(flush.errno, 0, "what was acknowledged is still durable");
  assertEquals(world.logger.state().logErrno, ERRNO.ENOSPC);
  world.checkCrash("power", 1);

  world.rotate();
  world.until(() => !world.logger.isRotating, "the rotation");
  assertEquals(world.logger.state().logErrno, 0);
  const after = world.write(8192, 4096);
  world.settle();
  assertEquals(after.errno, 0);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger cuts what a short write before ENOSPC has left", () => {
  const world = worldWith({ shortShare: 0 });
  world.write(0, 4096);
  world.settle();
  const { loggedBytes } = world.logger.state();
  let writeCount = 0;
  world.io.inject = ({ kind, path, length }) => {
    if (kind !== "write" || path !== "/log-1") return 0;
    writeCount++;
    return length > 0 ? ERRNO.ENOSPC : 0;
  };
  // The simulation takes nothing then; a tail is left by hand instead.
  world.io.create("/log-1", concat(world.io.content("/log-1"), 5_000));
  const failed = world.write(8192, 4096);
  world.settle();
  world.turn();

  assertEquals(failed.errno, ERRNO.ENOSPC);
  assertEquals(writeCount, 1, "a failed write is not repeated");
  assertEquals(world.io.content("/log-1").length, loggedBytes);
});

Deno.test("Logger continues a short log write where it ended", () => {
  const world = worldWith({ shortShare: 1 });
  const write = world.write(0, 65_536);
  world.settle();
  assertEquals(write.errno, 0);
  assertEquals(world.logger.state().loggedBytes, 16 * 4180);
  world.checkCrash("kill", 1);
});

for (const level of ["flush", "durable"] as const) {
  for (const isDropped of [false, true]) {
    const cache = isDropped ? "drops its pages" : "keeps its pages";
    Deno.test(
      `Logger believes no flush after one failed and the cache ${cache}, ` +
        `level ${level}`,
      () => checkFailedFlush(level, isDropped),
    );
  }
}

function checkFailedFlush(level: Level, isDropped: boolean): void {
  const world = worldWith({ level, shortShare: 0 });
  const durable = world.write(0, 4096, { isFua: true });
  world.settle();
  world.io.dropsOnFailedFlush = isDropped;
  world.io.inject = failing("flush", "/log-1", ERRNO.EIO);
  const suspect = world.write(8192, 8192);
  world.until(() => world.logger.state().logErrno !== 0, "the log has ended");
  world.settle();
  // The file could be flushed again, but the pages may be gone.
  world.io.inject = undefined;
  const flush = world.flush();
  const readDurable = world.read(0, 8192);
  const readSuspect = world.read(4096, 8192);
  const refused = world.write(0, 512);
  world.settle();

  assertEquals(durable.errno, 0);
  assertEquals(suspect.errno, level === "flush" ? 0 : ERRNO.EIO);
  assertEquals(flush.errno, ERRNO.EIO);
  assertEquals(readDurable.errno, 0);
  assertEquals(readSuspect.errno, ERRNO.EIO, "better no data than wrong data");
  assertEquals(refused.errno, ERRNO.EIO);

  world.rotate();
  world.until(() => !world.logger.isRotating, "the rotation");
  const state = world.logger.state();
  if (isDropped) {
    // Nothing intact to rescue: it stays failed, for recovery to decide.
    assertEquals(state.logErrno, ERRNO.EIO);
    assertEquals(state.logSequence, 1);
    assertEquals(world.io.content("/log-2").length, 0);
    assertEquals(drain(world), ERRNO.EIO);
    return;
  }
  assertEquals(state.logErrno, 0);
  assertEquals(state.logSequence, 2);
  assertEquals(state.loggedBytes, 2 * 4180, "rescued into the new log");
  assertEquals(state.durableBytes, state.loggedBytes);
  assertEquals(world.io.content("/log-1").length, 4180, "cut");
  // The rescued bytes are durable now, whatever their answer was.
  const readBack = world.read(0, 32_768);
  if (level === "flush") suspect.mustSurvivePowerCut = true;
  world.checkCrash("power", 5);
  const after = world.write(12_288, 8192, { isFua: true });
  world.settle();
  assertEquals(readBack.errno, 0);
  assertEquals(after.errno, 0);
  for (let seed = 0; seed < 20; seed++) world.checkCrash("power", seed);
  assertEquals(drain(world), 0);
  if (level === "durable") return;
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
}

Deno.test("Logger rescues into a third log if the second one fails too", () => {
  const world = worldWith({ shortShare: 0 });
  world.write(0, 8192);
  world.io.inject = failing("flush", "/log-1", ERRNO.EIO);
  world.until(() => world.logger.state().logErrno !== 0, "the log has ended");
  world.io.inject = failing("write", "/log-2", ERRNO.ENOSPC);
  world.rotate();
  world.until(() => !world.logger.isRotating, "the first attempt");
  assertEquals(world.logger.state().logErrno, ERRNO.EIO);
  assertEquals(world.io.content("/log-2").length, 0);
  world.io.inject = undefined;
  world.rotate();
  world.until(() => !world.logger.isRotating, "the second attempt");
  assertEquals(world.logger.state().logErrno, 0);
  assertEquals(world.logger.state().logSequence, 3);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger rescues more than fits a window, and no crash mixes it", () => {
  const world = worldWith({ deviceBytes: 1024 * 1024 });
  world.write(0, 65_536, { isFua: true });
  world.settle();
  world.io.inject = failing("flush", "/log-1", ERRNO.EIO);
  for (let round = 0; round < 3; round++) world.write(round * 4096, 299_520);
  world.until(() => world.logger.state().logErrno !== 0, "the log has ended");
  const suspectBytes = world.logger.state().loggedBytes -
    world.logger.state().durableBytes;
  assert(suspectBytes > 600_000);
  world.rotate();
  for (let seed = 0; world.logger.isRotating; seed++) {
    world.turn();
    world.checkCrash("power", seed);
    world.checkCrash("kill", seed);
  }
  assertEquals(world.logger.state().logErrno, 0);
  assertEquals(world.logger.state().durableBytes, suspectBytes);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger repeats a writeback that the disk refuses", () => {
  const world = worldWith({});
  world.io.inject = failing("write", "/disk", ERRNO.EIO);
  world.write(0, 65_536);
  world.write(131_072, 4096);
  world.until(() => world.logger.state().diskErrno !== 0, "the disk fails");
  assertEquals(world.logger.state().diskErrno, ERRNO.EIO);
  const read = world.read(0, 65_536);
  const write = world.write(4096, 4096);
  world.settle();
  assertEquals(read.errno, 0, "the log still has the data");
  assertEquals(write.errno, 0, "a failing disk does not stop writers");
  assertEquals(world.logger.state().writtenBackBytes, 0);
  world.io.inject = undefined;
  assertEquals(drain(world), 0);
  assertEquals(world.logger.state().diskErrno, 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger writes again what a failed flush of the disk covered", () => {
  const world = worldWith({});
  world.io.dropsOnFailedFlush = true;
  let failureCount = 0;
  world.io.inject = ({ kind, path }) => {
    if (kind !== "flush" || path !== "/disk" || failureCount > 2) return 0;
    failureCount++;
    return ERRNO.EIO;
  };
  world.write(0, 65_536);
  world.until(() => failureCount === 1, "the disk fails");
  const read = world.read(0, 65_536);
  world.settle();
  assertEquals(read.errno, 0);
  assertEquals(world.logger.state().writtenBackBytes, 0);
  assertEquals(drain(world), 0);
  assertEquals(failureCount, 3);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
  world.checkCrash("power", 1);
});

Deno.test("Logger.stop() replaces a drain that a failing disk holds up", () => {
  const world = worldWith({});
  world.io.inject = failing("write", "/disk", ERRNO.EIO);
  const write = world.write(0, 4096);
  world.logger.drain(() => assert(false, "not answered"));
  world.until(() => world.logger.state().diskErrno !== 0, "the disk fails");
  let stoppedErrno = -1;
  world.logger.stop((errno) => {
    stoppedErrno = errno;
  });
  world.until(() => stoppedErrno >= 0, "the logger is stopped");
  assertEquals(stoppedErrno, 0);
  write.mustSurvivePowerCut = true;
  world.checkCrash("power", 1);
  world.logger.close();
  // Pauses that end later touch nothing any more.
  while (world.io.step());
});

Deno.test("Logger passes an error of the disk to the reader", () => {
  const world = worldWith({});
  world.write(4096, 4096);
  world.settle();
  world.io.inject = failing("read", "/disk", ERRNO.EIO);
  const mixed = world.read(0, 16_384);
  const dirty = world.read(4096, 4096);
  world.settle();
  assertEquals(mixed.errno, ERRNO.EIO);
  assertEquals(dirty.errno, 0);
});

Deno.test("Logger survives a crash at any moment although logs fail", () => {
  let failureCount = 0;
  for (let seed = 1; seed <= 8; seed++) {
    try {
      failureCount += runWithFailures(
        seed,
        seed % 2 === 0 ? "flush" : "durable",
      );
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert(failureCount > 0, "logs have failed");
});

/** Returns how often a log has failed. */
function runWithFailures(seed: number, level: Level): number {
  const random = new Random(seed);
  const world = worldWith({ seed, level });
  let failureCount = 0;
  world.io.inject = ({ kind, path }) => {
    const isLog = path.startsWith("/log-");
    const share = kind === "flush" ? 0.03 : kind === "write" ? 0.01 : 0;
    if (kind === "truncate" || !random.chance(share)) return 0;
    // Disk errors are repeated; those of a log end it.
    if (isLog) failureCount++;
    return kind === "write" && isLog ? ERRNO.ENOSPC : ERRNO.EIO;
  };
  for (let turn = 0; turn < 500; turn++) {
    const offsetBytes = random.below(400) * 512;
    if (random.chance(0.4)) {
      world.write(offsetBytes, 512 * (1 + random.below(30)), {
        isFua: random.chance(0.2),
      });
    }
    if (random.chance(0.05)) world.flush();
    const isOver = world.logger.state().logErrno !== 0;
    if (isOver && random.chance(0.2) && !world.logger.isRotating) {
      world.rotate();
    }
    world.turn();
    if (random.chance(0.1)) world.checkCrash("power", random.below(2 ** 31));
    if (random.chance(0.1)) world.checkCrash("kill", random.below(2 ** 31));
  }
  world.io.inject = undefined;
  world.settle();
  world.until(() => !world.logger.isRotating, "the last rotation");
  if (world.logger.state().logErrno !== 0) {
    world.rotate();
    world.until(() => !world.logger.isRotating, "the last rotation");
  }
  assertEquals(world.logger.state().logErrno, 0);
  assertEquals(drain(world), 0);
  world.checkCrash("power", seed);
  return failureCount;
}

function concat(bytes: Uint8Array, extraBytes: number): Uint8Array {
  const longer = new Uint8Array(bytes.length + extraBytes).fill(0x77);
  longer.set(bytes);
  return longer;
}
