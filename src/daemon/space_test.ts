import { assertEquals } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import {
  emergencyLevel,
  EmergencyWatch,
  evenReserves,
  hasRoomForReserves,
  reservesIn,
  rotateBytes,
  type Space,
  spaceFacts,
} from "./space.ts";
import { linkPath } from "../tree/path.ts";

const MIB = 1024 * 1024;
const EVEN = evenReserves(100 * MIB);

function free(mebibytes: number): Space {
  return { freeBytes: mebibytes * MIB, totalBytes: 1_000 * MIB };
}

Deno.test("emergencyLevel() counts the reserves that are used up", () => {
  const levels = [500, 400, 399, 299, 199, 99, 0].map((mebibytes) =>
    emergencyLevel(free(mebibytes), EVEN)
  );
  assertEquals(levels, [0, 0, 1, 2, 3, 4, 4]);
});

Deno.test("emergencyLevel() without reserves lets no log begin in no room", () => {
  assertEquals(
    [5, 4, 3, 0].map((at) => emergencyLevel(free(at), evenReserves(0))),
    [
      0,
      0,
      1,
      1,
    ],
  );
});

Deno.test("EmergencyWatch rises at once and falls step by step", () => {
  const watch = new EmergencyWatch();
  watch.look(free(50), EVEN);
  assertEquals(watch.level, 4);
  watch.look(free(500), EVEN);
  assertEquals(watch.level, 4);
  const levels = [1, 2, 3, 4, 5].map(() => {
    watch.fall(free(500), EVEN);
    return watch.level;
  });
  assertEquals(levels, [3, 2, 1, 0, 0]);
});

Deno.test("hasRoomForReserves() wants more than the reserves", () => {
  const space = { freeBytes: 0, totalBytes: 400 * MIB };
  assertEquals(hasRoomForReserves(space, evenReserves(100 * MIB)), false);
  assertEquals(hasRoomForReserves(space, evenReserves(99 * MIB)), true);
  assertEquals(hasRoomForReserves(space, evenReserves(0)), true);
});

Deno.test("rotateBytes() is a share of the file system, within bounds", () => {
  const gib = 1024 * MIB;
  const shares = [10, 64, 320, 1024, 4096].map((size) =>
    rotateBytes({ freeBytes: 0, totalBytes: size * gib }) / gib
  );
  assertEquals(shares, [1, 2, 10, 32, 32]);
});

Deno.test("spaceFacts() count what is beyond the reserves", () => {
  const facts = (freeBytes: number, totalBytes: number) => {
    const { restBytes, restPercent } = spaceFacts(
      { freeBytes, totalBytes },
      evenReserves(100),
    );
    return [restBytes, restPercent];
  };
  assertEquals(facts(700, 1_400), [300, 30]);
  assertEquals(facts(703, 1_400), [303, 30]);
  assertEquals(facts(399, 1_400), [0, 0]);
  assertEquals(facts(400, 400), [0, 0]);
});

Deno.test("emergencyLevel() of uneven reserves adds them up from the last", () => {
  const reserves = [0, 50 * MIB, 200 * MIB, 100 * MIB];
  const levels = [350, 349, 299, 99].map((mebibytes) =>
    emergencyLevel(free(mebibytes), reserves)
  );
  assertEquals(levels, [0, 2, 3, 4]);
});

Deno.test("reservesIn() takes what is set, and nothing for garbage", () => {
  const links = {
    [linkPath.requiredFreeSpace("alpha", 4)]: "0",
    [linkPath.requiredFreeSpace("alpha", 2)]: "plenty",
    [linkPath.requiredFreeSpace("alpha", 1)]: "500",
    [linkPath.requiredFreeSpace("beta", 3)]: "7",
  };
  const snapshot = snapshotOf(links);
  assertEquals(reservesIn(snapshot, "alpha", [1, 2, 3, 4]), [500, 2, 3, 0]);
});
