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

const DEVICE_BYTES = 224 * 1024;

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

Deno.test("Logger lets writes wait after ENOSPC until it may bypass the log", () => {
  const world = worldWith({ shortShare: 0 });
  const before = world.write(0, 8192);
  world.settle();
  world.io.inject = failing("write", "/log-1", ERRNO.ENOSPC);
  const failed = world.write(4096, 8192);
  world.until(() => world.logger.state().bypass === 1, "all is on the disk");
  const later = world.write(0, 512);
  const read = world.read(0, 16_384);
  const flush = world.flush();
  world.until(() => world.owedCount === 2, "reads and flushes are answered");
  world.turn();

  assertEquals(before.errno, 0);
  assertEquals(read.errno, 0);
  assertEquals(flush.errno, 0, "what was acknowledged is durable");
  assertEquals(failed.errno, undefined, "no error, only patience");
  assertEquals(later.errno, undefined);
  assertEquals(world.logger.state().logErrno, ERRNO.ENOSPC);
  world.checkCrash("power", 1);

  world.serve();
  world.settle();
  assertEquals([failed.errno, later.errno], [0, 0]);
  assertEquals(world.logger.state().bypass, 2);
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
  for (let seed = 0; seed < 20; seed++) world.checkCrash("kill", seed);

  world.rotate();
  world.until(() => !world.logger.isRotating, "the rotation");
  assertEquals(world.logger.state().logErrno, 0);
  assertEquals(world.logger.state().bypass, 0);
  assertEquals(world.logger.state().logSequence, 12);
  const after = world.write(8192, 4096);
  world.settle();
  assertEquals(after.errno, 0);
  assertEquals(world.logger.state().loggedBytes, 4180);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger takes what did not reach a log into the next one", () => {
  for (const seed of [1, 2, 3, 4]) {
    const world = worldWith({ seed });
    world.write(0, 8192);
    world.settle();
    world.io.inject = failing("write", "/log-1", ERRNO.ENOSPC);
    const failed = world.write(4096, 131_072);
    const later = world.write(0, 512, { isFua: true });
    world.until(() => world.logger.state().logErrno !== 0, "the log has ended");
    world.rotate();
    world.settle();
    assertEquals([failed.errno, later.errno], [0, 0]);
    assertEquals(world.logger.state().logSequence, 2, "without a hole");
    for (let at = 0; at < 10; at++) world.checkCrash("power", at);
    assertEquals(drain(world), 0);
    assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
  }
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
  world.write(8192, 4096);
  world.until(() => world.logger.state().bypass === 1, "all is on the disk");

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
  // The file could be flushed again, but the pages may be gone.
  world.io.inject = undefined;
  const flush = world.flush();
  const readDurable = world.read(0, 8192);
  const readSuspect = world.read(4096, 8192);
  const later = world.write(0, 512);
  if (isDropped) world.settle();
  else world.enterBypass();
  world.settle();

  assertEquals(durable.errno, 0);
  assertEquals(readDurable.errno, 0);
  if (isDropped) {
    // Nothing intact to salvage: it stays failed, for recovery to decide.
    assertEquals(suspect.errno, level === "flush" ? 0 : ERRNO.EIO);
    assertEquals(flush.errno, ERRNO.EIO);
    assertEquals(later.errno, ERRNO.EIO);
    assertEquals(readSuspect.errno, ERRNO.EIO, "better none than wrong data");
    const state = world.logger.state();
    assertEquals([state.logErrno, state.bypass], [ERRNO.EIO, 0]);
    assertEquals(state.logSequence, 1);
    world.rotate();
    world.until(() => !world.logger.isRotating, "the rotation");
    assertEquals(world.logger.state().logErrno, ERRNO.EIO);
    assertEquals(world.io.content("/log-2").length, 0);
    assertEquals(drain(world), ERRNO.EIO);
    return;
  }
  assertEquals(suspect.errno, 0);
  assertEquals(flush.errno, 0);
  assertEquals(later.errno, 0);
  assertEquals(readSuspect.errno, 0);
  const state = world.logger.state();
  assertEquals(state.logErrno, ERRNO.EIO);
  assertEquals(state.durableBytes, 4180);
  assertEquals(state.loggedBytes, 4180, "the rest is on the disk");
  assertEquals(state.writtenBackBytes, 4180);
  assertEquals(world.io.content("/log-1").length, 4180, "cut");
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
  const readBack = world.read(0, 32_768);
  world.settle();
  assertEquals(readBack.errno, 0);
  world.rotate();
  const after = world.write(12_288, 8192, { isFua: true });
  world.settle();
  assertEquals(after.errno, 0);
  for (let seed = 0; seed < 20; seed++) world.checkCrash("power", seed);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
}

/** Lets the log fail while a rotation waits: the rotation goes first. */
function failWhileRotating(world: LoggerWorld): void {
  // The log before the current one is not written back: a rotation waits.
  world.io.inject = ({ kind, path }) =>
    kind === "write" && path === "/disk" ? ERRNO.EIO : 0;
  world.write(0, 512);
  world.rotate();
  world.until(() => !world.logger.isRotating, "the first rotation");
}

Deno.test("Logger rescues into a third log if the second one fails too", () => {
  const world = worldWith({ shortShare: 0 });
  failWhileRotating(world);
  world.write(0, 8192);
  world.settle();
  const fails = failing("flush", "/log-2", ERRNO.EIO);
  world.io.inject = fails;
  world.rotate();
  world.io.inject = (operation) =>
    fails(operation) || failing("write", "/log-3", ERRNO.ENOSPC)(operation);
  world.until(() => !world.logger.isRotating, "the first attempt");
  assertEquals(world.logger.state().logErrno, ERRNO.EIO);
  assertEquals(world.io.content("/log-3").length, 0);
  world.io.inject = undefined;
  world.rotate();
  world.until(() => !world.logger.isRotating, "the second attempt");
  assertEquals(world.logger.state().logErrno, 0);
  assertEquals(world.logger.state().logSequence, 4);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger has all the room for a rescue before it cuts the failed log", () => {
  const world = worldWith({ shortShare: 0 });
  failWhileRotating(world);
  world.write(0, 16_384);
  world.settle();
  const fails = failing("flush", "/log-2", ERRNO.EIO);
  const loggedLength = world.io.content("/log-2").length;
  const blocks = new Set<number>();
  world.io.inject = fails;
  world.rotate();
  // From the cut on others have what room there is.
  world.io.inject = (operation) => {
    const { kind, path, offsetBytes, length } = operation;
    if (kind !== "write" || path !== "/log-3") return fails(operation);
    const isFull = world.io.content("/log-2").length < loggedLength;
    for (let at = offsetBytes; at < offsetBytes + length; at += 512) {
      const block = Math.floor(at / 4096);
      if (isFull && !blocks.has(block)) return ERRNO.ENOSPC;
      blocks.add(block);
    }
    return 0;
  };
  world.until(() => !world.logger.isRotating, "the rescue");
  assertEquals(world.logger.state().logErrno, 0);
  world.io.inject = undefined;
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger rescues more than fits a window, and no crash mixes it", () => {
  const world = worldWith({ deviceBytes: 1024 * 1024 });
  failWhileRotating(world);
  world.write(0, 65_536, { isFua: true });
  world.settle();
  const disk = world.io.inject;
  world.io.inject = (operation) =>
    failing("flush", "/log-2", ERRNO.EIO)(operation) ||
    (disk?.(operation) ?? 0);
  for (let round = 0; round < 3; round++) world.write(round * 4096, 299_520);
  world.until(() => {
    const { loggedBytes, durableBytes } = world.logger.state();
    return loggedBytes - durableBytes > 700_000;
  }, "all is in the log");
  world.rotate();
  world.io.inject = failing("flush", "/log-2", ERRNO.EIO);
  for (let seed = 0; world.logger.isRotating; seed++) {
    world.turn();
    world.checkCrash("power", seed);
    world.checkCrash("kill", seed);
  }
  assertEquals(world.logger.state().logErrno, 0);
  assert(world.logger.state().durableBytes > 700_000, "rescued");
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
  const total = { failureCount: 0, directCount: 0 };
  for (let seed = 1; seed <= 8; seed++) {
    try {
      const level = seed % 2 === 0 ? "flush" : "durable";
      const { failureCount, directCount } = runWithFailures(seed, level);
      total.failureCount += failureCount;
      total.directCount += directCount;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert(total.failureCount > 5, "logs have failed");
  assert(total.directCount > 5, "logs were bypassed");
});

/** Returns how often a log has failed, and how often it was bypassed. */
function runWithFailures(
  seed: number,
  level: Level,
): { failureCount: number; directCount: number } {
  const random = new Random(seed);
  const world = worldWith({ seed, level });
  let failureCount = 0;
  let directCount = 0;
  world.io.inject = ({ kind, path }) => {
    const isLog = path.startsWith("/log-");
    // Otherwise data are lost that were acknowledged from the cache only.
    if (world.logger.state().bypass === 2) return 0;
    const share = kind === "flush" ? 0.03 : kind === "write" ? 0.01 : 0;
    if (kind === "truncate" || !random.chance(share)) return 0;
    // Disk errors are repeated; those of a log end it.
    if (isLog) failureCount++;
    return kind === "write" && isLog ? ERRNO.ENOSPC : ERRNO.EIO;
  };
  for (let turn = 0; turn < 600; turn++) {
    const offsetBytes = random.below(400) * 512;
    const isBusy = Math.floor(turn / 40) % 3 !== 2;
    if (isBusy && random.chance(0.4)) {
      world.write(offsetBytes, 512 * (1 + random.below(30)), {
        isFua: random.chance(0.2),
      });
    }
    if (random.chance(0.1)) world.read(offsetBytes, 16_384);
    if (random.chance(0.05)) world.flush();
    directCount += step(world, random);
    world.turn();
    if (random.chance(0.12)) world.checkCrash("power", random.below(2 ** 31));
    if (random.chance(0.12)) world.checkCrash("kill", random.below(2 ** 31));
  }
  world.io.inject = undefined;
  world.logger.setBypass("off");
  for (let turn = 0; world.owedCount > 0 || isAbnormal(world); turn++) {
    assert(turn < 5_000, "all is well in the end");
    if (random.chance(0.2)) step(world, random);
    world.turn();
  }
  assertEquals(world.failedCount, 0);
  assertEquals(drain(world), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
  world.checkCrash("power", seed);
  return { failureCount, directCount };
}

function isAbnormal(world: LoggerWorld): boolean {
  const { logErrno, bypass } = world.logger.state();
  return logErrno !== 0 || bypass !== 0 || world.logger.isRotating;
}

/** What a daemon may do at this moment; 1 if it lets the log be bypassed. */
function step(world: LoggerWorld, random: Random): number {
  const { bypass, logErrno } = world.logger.state();
  if (world.logger.isRotating) return 0;
  if (bypass === 0 && random.chance(0.01)) world.logger.setBypass("prepare");
  if (bypass === 0 && random.chance(0.02)) world.logger.setBypass("off");
  const isWilling = bypass === 2
    ? random.chance(0.05)
    : (logErrno !== 0 || bypass === 1) && random.chance(0.03);
  if (isWilling && world.mayRotate) world.rotate();
  else if (bypass === 1 && random.chance(0.2)) {
    world.serve();
    return 1;
  }
  return 0;
}

function concat(bytes: Uint8Array, extraBytes: number): Uint8Array {
  const longer = new Uint8Array(bytes.length + extraBytes).fill(0x77);
  longer.set(bytes);
  return longer;
}
