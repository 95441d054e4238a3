import { assertEquals } from "@std/assert";
import { FLIP_S_MIN, SyncTurns } from "./sync_turns.ts";

const SYNCING = { isSyncing: true, intervalS: 60 };

Deno.test("SyncTurns gives replay a turn after an interval of copying", () => {
  const turns = new SyncTurns();
  assertEquals(turns.isReplay(0, { ...SYNCING, isSyncing: false }), false);
  assertEquals(turns.isReplay(59_999, SYNCING), false);
  assertEquals(turns.isReplay(60_000, SYNCING), true);
  // Nothing is copied meanwhile, which ends nothing.
  const replaying = { ...SYNCING, isSyncing: false };
  assertEquals(turns.isReplay(119_999, replaying), true);
  assertEquals(turns.isReplay(120_000, replaying), false);
  assertEquals(turns.isReplay(120_001, SYNCING), false);
});

Deno.test("SyncTurns goes on copying when nothing is left to replay", () => {
  const turns = new SyncTurns();
  turns.isReplay(0, { ...SYNCING, isSyncing: false });
  assertEquals(turns.isReplay(60_000, SYNCING), true);
  turns.give(61_000);
  assertEquals(turns.isReplay(61_001, SYNCING), false);
  assertEquals(turns.isReplay(120_999, SYNCING), false);
  assertEquals(turns.isReplay(121_000, SYNCING), true);
});

Deno.test("SyncTurns counts only the time of copying", () => {
  const turns = new SyncTurns();
  for (let nowMs = 0; nowMs <= 600_000; nowMs += 1_000) {
    const paused = { ...SYNCING, isSyncing: false };
    assertEquals(turns.isReplay(nowMs, paused), false);
  }
  assertEquals(turns.isReplay(601_000, SYNCING), false);
});

Deno.test("SyncTurns are off below the smallest interval", () => {
  const turns = new SyncTurns();
  const off = { isSyncing: true, intervalS: FLIP_S_MIN - 1 };
  assertEquals(turns.isReplay(0, off), false);
  assertEquals(turns.isReplay(1e9, off), false);
});
