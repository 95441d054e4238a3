/** The logger without a log: what clients may rely on in emergency mode. */
import { assert, assertEquals } from "@std/assert";
import { ERRNO } from "../src/base/errors.ts";
import type { Level } from "../src/logger/commit.ts";
import type { SimOperation } from "./sim/io.ts";
import { assertSameImage, LoggerWorld } from "./sim/logger_world.ts";
import { Random } from "./sim/random.ts";

const DEVICE_BYTES = 192 * 1024;

function worldWith(
  seed: number,
  level: Level = "flush",
  deviceBytes = DEVICE_BYTES,
): LoggerWorld {
  return new LoggerWorld({ seed, level, deviceBytes });
}

/** A world without a log, in which something was logged before. */
function bypassed(
  seed: number,
  level: Level = "flush",
  deviceBytes = DEVICE_BYTES,
): LoggerWorld {
  const world = worldWith(seed, level, deviceBytes);
  world.write(0, 65_536);
  world.write(4096, 512);
  world.settle();
  world.logger.setBypass("prepare");
  world.enterBypass();
  return world;
}

/** Ends the logger; returns the errno. */
function end(world: LoggerWorld, kind: "drain" | "stop"): number {
  let endErrno = -1;
  world.logger[kind]((errno) => {
    endErrno = errno;
  });
  world.until(() => endErrno >= 0, `the logger has ended by ${kind}`);
  world.logger.close();
  world.disk.close();
  assertEquals(world.io.openCount, 0, "the logger has closed its files");
  return endErrno;
}

function failing(kind: SimOperation["kind"], path: string, errno: number) {
  return (operation: SimOperation): number =>
    operation.kind === kind && operation.path === path ? errno : 0;
}

Deno.test("Logger logs nothing in a bypass, and everything after it", () => {
  const world = bypassed(1);
  const log = world.io.content("/log-1");
  world.write(8192, 65_536);
  world.settle();
  assertEquals(world.io.content("/log-1"), log);
  assertEquals(world.io.content("/log-12").length, 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
  world.rotate();
  world.write(0, 4096);
  world.settle();
  assertEquals(world.io.content("/log-1"), log);
  assertEquals(world.io.content("/log-12").length, 4180);
  assertEquals(end(world, "drain"), 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
});

Deno.test("Logger keeps the order of writes that overlap in a bypass", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const world = bypassed(seed);
    for (let count = 0; count < 150; count++) {
      const offsetBytes = random.below(40) * 512;
      const lengthBytes = 512 * (1 + random.below(60));
      if (random.chance(0.2)) world.read(offsetBytes, lengthBytes);
      else {
        world.write(offsetBytes, lengthBytes, {
          isZeroes: random.chance(0.1),
          isFua: random.chance(0.1),
        });
      }
      if (random.chance(0.4)) world.turn();
    }
    world.settle();
    assertEquals(world.failedCount, 0);
    assertSameImage(world.diskImage(), world.expectedImage(), `seed ${seed}`);
  }
});

Deno.test("Logger writes zeroes longer than its memory in a bypass", () => {
  const deviceBytes = 1024 * 1024;
  const world = bypassed(2, "flush", deviceBytes);
  const zeroes = world.write(4096, deviceBytes - 8192, { isZeroes: true });
  world.settle();
  assertEquals(zeroes.errno, 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
});

for (const level of ["flush", "durable"] as const) {
  Deno.test(`Logger acknowledges in a bypass what survives, level ${level}`, () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = new Random(seed);
      const world = bypassed(seed, level);
      for (let turn = 0; turn < 120; turn++) {
        if (random.chance(0.5)) {
          world.write(random.below(300) * 512, 512 * (1 + random.below(12)), {
            isFua: random.chance(0.3),
          });
        }
        if (random.chance(0.1)) world.flush();
        world.turn();
        world.checkCrash("power", random.below(2 ** 31));
        world.checkCrash("kill", random.below(2 ** 31));
      }
      world.settle();
    }
  });
}

Deno.test("Logger makes direct writes durable before it logs again", () => {
  // A flush of the log alone would not cover them.
  for (let seed = 1; seed <= 20; seed++) {
    const world = bypassed(seed);
    world.write(0, 131_072);
    world.settle();
    world.rotate();
    world.until(() => !world.logger.isRotating, "the rotation");
    const flush = world.flush();
    world.settle();
    assertEquals(flush.errno, 0);
    for (let at = 0; at < 5; at++) world.checkCrash("power", at);
  }
});

Deno.test("Logger goes on with its log if a bypass is not wanted any more", () => {
  const world = worldWith(3);
  // Nothing can be written back, so the bypass cannot get ready.
  world.io.inject = failing("write", "/disk", ERRNO.EIO);
  world.write(0, 65_536);
  world.settle();
  world.logger.setBypass("prepare");
  world.turn();
  const waiting = world.write(4096, 4096);
  for (let turn = 0; turn < 20; turn++) world.turn();
  world.until(() => world.logger.state().diskErrno !== 0, "the disk fails");
  assertEquals(waiting.errno, undefined);
  world.logger.setBypass("off");
  world.settle();
  assertEquals(waiting.errno, 0);
  assertEquals(world.logger.state().bypass, 0);
  assertEquals(world.logger.state().logSequence, 1);
  world.io.inject = undefined;
  assertEquals(end(world, "drain"), 0);
});

Deno.test("Logger waits for a log behind a hole once it is ready", () => {
  const world = worldWith(4);
  world.logger.setBypass("prepare");
  world.until(() => world.logger.state().bypass === 1, "all is on the disk");
  assertEquals(world.logger.mayRotateTo(2), false);
  assertEquals(world.logger.mayRotateTo(12), true);
  const waiting = world.write(0, 512);
  world.rotate();
  world.settle();
  assertEquals(waiting.errno, 0);
  assertEquals(world.logger.state().logSequence, 12);
  assertEquals(world.logger.state().loggedBytes, 596, "it is in the new log");
});

Deno.test("Logger passes an error of the disk to the writer in a bypass", () => {
  const world = bypassed(5);
  world.io.inject = failing("write", "/disk", ERRNO.EIO);
  const failed = world.write(0, 512);
  world.settle();
  assertEquals(failed.errno, ERRNO.EIO);
  assertEquals(world.logger.state().diskErrno, ERRNO.EIO);
  world.io.inject = failing("flush", "/disk", ERRNO.EIO);
  const fua = world.write(0, 512, { isFua: true });
  const flush = world.flush();
  world.settle();
  assertEquals([fua.errno, flush.errno], [ERRNO.EIO, ERRNO.EIO]);
  world.io.inject = undefined;
  const good = world.write(0, 512, { isFua: true });
  world.settle();
  assertEquals(good.errno, 0);
  assertEquals(world.logger.state().diskErrno, 0);
});

Deno.test("Logger tells the next client of a flush that failed unheard", () => {
  const world = bypassed(6);
  world.write(0, 4096);
  world.settle();
  let failureCount = 0;
  world.io.inject = ({ kind, path }) => {
    if (kind !== "flush" || path !== "/disk" || failureCount > 0) return 0;
    failureCount++;
    return ERRNO.EIO;
  };
  world.rotate();
  world.until(() => !world.logger.isRotating, "the rotation");
  assertEquals(failureCount, 1);
  const first = world.flush();
  const second = world.flush();
  world.settle();
  assertEquals([first.errno, second.errno], [ERRNO.EIO, 0]);
});

Deno.test("Logger repeats what did not reach the log until the disk takes it", () => {
  const world = worldWith(7);
  world.io.inject = failing("write", "/log-1", ERRNO.ENOSPC);
  const kept = world.write(0, 65_536, { isFua: true });
  world.until(() => world.logger.state().bypass === 1, "all is on the disk");
  let failureCount = 0;
  world.io.inject = ({ kind, path }) => {
    const isDisk = path === "/disk" && (kind === "write" || kind === "flush");
    if (!isDisk || failureCount >= 30) return 0;
    failureCount++;
    return ERRNO.EIO;
  };
  world.serve();
  world.until(() => world.logger.state().diskErrno !== 0, "the disk fails");
  assertEquals(kept.errno, undefined);
  world.settle();
  assertEquals(kept.errno, 0);
  assertEquals(failureCount, 30);
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
  world.checkCrash("power", 1);
});

Deno.test("Logger.drain() makes direct writes durable", () => {
  const world = bypassed(8);
  const write = world.write(0, 65_536);
  world.settle();
  assertEquals(end(world, "drain"), 0);
  write.mustSurvivePowerCut = true;
  for (let seed = 0; seed < 20; seed++) world.checkCrash("power", seed);
});

Deno.test("Logger.stop() in a bypass does not wait for a disk that fails", () => {
  const world = bypassed(9);
  world.write(0, 4096);
  world.settle();
  world.io.inject = failing("flush", "/disk", ERRNO.EIO);
  world.rotate();
  world.until(() => world.logger.state().diskErrno !== 0, "the disk fails");
  assertEquals(end(world, "stop"), ERRNO.EIO);
});

Deno.test("Logger.hangUp() answers who waits for a permission", () => {
  for (const isFull of [false, true]) {
    for (let seed = 1; seed <= 10; seed++) {
      const world = worldWith(seed);
      const before = world.write(0, 65_536);
      world.settle();
      if (isFull) {
        world.io.inject = failing("write", "/log-1", ERRNO.ENOSPC);
      } else world.logger.setBypass("prepare");
      const turnCount = 1 + new Random(seed).below(60);
      for (let turn = 0; turn < turnCount; turn++) world.turn();
      const lost = world.write(0, 300 * 512);
      world.turn();
      world.logger.hangUp();
      world.settle();
      assertEquals(before.errno, 0);
      assert(lost.errno !== 0, "nobody has it");
      assertEquals(end(world, "stop"), 0);
      for (let at = 0; at < 3; at++) world.checkCrash("kill", at);
    }
  }
});

Deno.test("Logger writes back what became durable during its last sweep", () => {
  const world = worldWith(10);
  world.io.inject = failing("write", "/disk", ERRNO.EIO);
  world.write(0, 4096);
  world.until(() => world.logger.state().diskErrno !== 0, "a sweep is held up");
  world.write(8192, 4096, { isFua: true });
  world.settle();
  world.io.inject = failing("flush", "/log-1", ERRNO.EIO);
  world.write(16_384, 4096);
  world.enterBypass();
  assertSameImage(world.diskImage(), world.expectedImage(), "the disk");
  assertEquals(world.logger.state().writtenBackBytes, 2 * 4180);
  for (let seed = 0; seed < 10; seed++) world.checkCrash("power", seed);
});
