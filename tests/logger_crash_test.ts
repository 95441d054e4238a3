/** The logger against a model, with a crash at every moment. */
import { assert, assertEquals } from "@std/assert";
import { SIM_SECTOR_BYTES as SECTOR } from "./sim/file.ts";
import { assertSameImage, LoggerWorld } from "./sim/logger_world.ts";
import { Random } from "./sim/random.ts";
import type { Level } from "../src/logger/commit.ts";

const DEVICE_BYTES = 192 * 1024;
const SEED_COUNT = 5;
const TURN_COUNT = 400;

/** A request or two, mostly small and overlapping. */
function submitSomething(world: LoggerWorld, random: Random): void {
  const sectors = DEVICE_BYTES / SECTOR;
  // Half of them in one hot place.
  const start = random.chance(0.5) ? random.below(24) : random.below(sectors);
  const length = Math.min(
    sectors - start,
    1 + random.below(random.chance(0.1) ? 200 : 20),
  );
  const offsetBytes = start * SECTOR;
  const lengthBytes = length * SECTOR;
  const choice = random.below(100);
  if (choice < 45) {
    world.write(offsetBytes, lengthBytes, { isFua: random.chance(0.1) });
  } else if (choice < 50) {
    world.write(offsetBytes, lengthBytes, { isZeroes: true });
  } else if (choice < 92) {
    world.read(offsetBytes, lengthBytes);
  } else if (choice < 97) {
    world.flush();
  } else {
    world.discard();
  }
}

function run(seed: number, level: Level, dirtyExtentsMax: number): void {
  const random = new Random(seed);
  const world = new LoggerWorld({
    seed,
    level,
    deviceBytes: DEVICE_BYTES,
    dirtyExtentsMax,
  });
  for (let turn = 0; turn < TURN_COUNT; turn++) {
    // Pauses let the writeback start.
    const isBusy = Math.floor(turn / 50) % 3 !== 2;
    if (isBusy && random.chance(0.5)) submitSomething(world, random);
    if (random.chance(0.02) && !world.logger.isRotating) world.rotate();
    world.turn();
    if (random.chance(0.15)) {
      world.checkCrash("kill", random.below(2 ** 31));
      world.checkCrash("power", random.below(2 ** 31));
    }
  }
  world.settle();
  assertEquals(world.failedCount, 0);
  let drainedErrno = -1;
  world.logger.drain((errno) => {
    drainedErrno = errno;
  });
  world.until(() => drainedErrno >= 0, "the logger is drained");
  assertEquals(drainedErrno, 0);
  assertSameImage(world.diskImage(), world.expectedImage(), "drained disk");
  world.checkCrash("power", seed);
  const state = world.logger.state();
  assertEquals(state.dirtyCount, 0);
  assertEquals(state.writtenBackBytes, state.loggedBytes);
  world.logger.close();
  world.disk.close();
  assertEquals(world.io.openCount, 0, "the logger has closed its files");
}

for (const level of ["flush", "durable"] as const) {
  Deno.test(`Logger survives a crash at any moment, level ${level}`, () => {
    for (let seed = 1; seed <= SEED_COUNT; seed++) {
      try {
        run(seed, level, 4096);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}

Deno.test("Logger lets writers wait at the bound of dirty extents", () => {
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    try {
      run(seed, "flush", 48);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

Deno.test("Logger holds the bound of dirty extents and goes on", () => {
  const world = new LoggerWorld({
    seed: 1,
    level: "flush",
    deviceBytes: 1024 * 1024,
    dirtyExtentsMax: 64,
  });
  for (let block = 0; block < 128; block++) world.write(block * 8192, 512);
  for (let turn = 0; turn < 20; turn++) {
    world.turn();
    assert(world.logger.state().dirtyCount <= 64);
  }
  assert(world.owedCount > 0, "some had to wait");
  world.settle();
  assertEquals(world.failedCount, 0);
});

Deno.test("Logger.rotate() twice in a row ends in the third log", () => {
  const world = new LoggerWorld({
    seed: 2,
    level: "flush",
    deviceBytes: DEVICE_BYTES,
  });
  world.write(0, 8192);
  world.rotate();
  world.until(() => !world.logger.isRotating, "the first rotation");
  world.write(4096, 8192);
  world.rotate();
  world.until(() => !world.logger.isRotating, "the second rotation");
  world.settle();
  world.write(0, 512);
  world.settle();
  const state = world.logger.state();
  assertEquals(state.logSequence, 3);
  assertEquals(state.loggedBytes, 512 + 84);
  world.checkCrash("power", 7);
  world.until(
    () => world.logger.state().writtenBackSequence === 3,
    "the second log is written back",
  );
  world.disk.close();
  assertEquals(world.io.openCount, 1, "one log is open");
});

Deno.test("Logger makes data durable although nobody flushes", () => {
  const world = new LoggerWorld({
    seed: 3,
    level: "flush",
    deviceBytes: DEVICE_BYTES,
  });
  world.write(0, 4096);
  world.until(() => {
    const { durableBytes, loggedBytes } = world.logger.state();
    return loggedBytes > 0 && durableBytes === loggedBytes;
  }, "the log is durable");
});

Deno.test("Logger.stop() makes the log durable and leaves dirty data", () => {
  const world = new LoggerWorld({
    seed: 4,
    level: "flush",
    deviceBytes: DEVICE_BYTES,
  });
  const write = world.write(0, 4096);
  let stoppedErrno = -1;
  world.logger.stop((errno) => {
    stoppedErrno = errno;
  });
  world.until(() => stoppedErrno >= 0, "the logger is stopped");
  assertEquals(stoppedErrno, 0);
  assertEquals(write.errno, 0);
  assertEquals(world.logger.state().dirtyCount, 1);
  write.mustSurvivePowerCut = true;
  world.checkCrash("power", 1);
  world.logger.close();
});

Deno.test("Logger keeps data whose successor was not durable yet", () => {
  // Without it, a sweep would skip what was overwritten meanwhile, and say that
  // it is written back; a power cut would then lose both.
  for (let seed = 1; seed <= 8; seed++) {
    const random = new Random(seed);
    const world = new LoggerWorld({
      seed,
      level: "flush",
      deviceBytes: DEVICE_BYTES,
      dirtyExtentsMax: 24,
    });
    for (let turn = 0; turn < 150; turn++) {
      if (world.owedCount < 3) {
        world.write(random.below(16) * SECTOR, SECTOR, {
          isFua: random.chance(0.2),
        });
      }
      world.turn();
      world.checkCrash("power", random.below(2 ** 31));
    }
  }
});
