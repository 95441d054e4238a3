/** What a worker and its host say when there is nothing to do. */
import type { PlanFacts, WorkerState } from "../../src/resource/plan_types.ts";

/** A worker that has opened a disk of 1 MiB. */
export const IDLE_WORKER: WorkerState = {
  role: "idle",
  logSequence: 0,
  durableBytes: 0,
  writtenBackSequence: 0,
  writtenBackBytes: 0,
  deviceOn: 0,
  deviceErrno: 0,
  deviceStep: 0,
  deviceBytes: 0,
  bypass: 0,
  openCount: 0,
  inFlight: 0,
  diskBytes: 1 << 20,
  diskErrno: 0,
  logErrno: 0,
  replayStatus: 0,
  replayDetail: 0,
  replayByte: 0,
};

/** A daemon that runs, has room, and no logs. */
export const IDLE_FACTS: PlanFacts = {
  logs: [],
  worker: IDLE_WORKER,
  isRunning: true,
  mayLead: true,
  emergencyLevel: 0,
  restPercent: 100,
  isReplaysTurn: false,
  logShare: 1,
  rotateBytes: Infinity,
};
