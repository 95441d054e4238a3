// Pure
/**
 * What `plan()` takes and gives: records of data, no decisions.
 */
import type { LogName } from "../base/names.ts";
import type { AcknowledgeLevel } from "../tree/values.ts";
import type { FetchPlan } from "./fetch.ts";
import type { VerifyPlan } from "./verify_links.ts";
import { sameLog } from "./view.ts";
import type { Range } from "./written.ts";

/** A log file of this host and how much of it is durable here. */
export interface LocalLog {
  readonly log: LogName;
  readonly bytes: number;
  /** Since it was written to last; undefined: a moment ago, perhaps. */
  readonly idleMs?: number;
}

/** What the worker of this resource reports; see `Actual` of the mailbox. */
export interface WorkerState {
  readonly role: "idle" | "log" | "replay" | "stopped";
  readonly logSequence: number;
  readonly durableBytes: number;
  readonly writtenBackSequence: number;
  readonly writtenBackBytes: number;
  readonly deviceOn: number;
  readonly deviceErrno: number;
  readonly deviceStep: number;
  readonly deviceBytes: number;
  readonly bypass: number;
  readonly openCount: number;
  readonly inFlight: number;
  readonly diskBytes: number;
  readonly diskErrno: number;
  readonly logErrno: number;
  readonly replayStatus: number;
  readonly replayDetail: number;
  readonly replayByte: number;
}

/** Levels of emergency: what ends from each on. Prescribed by MARS. */
export const ENDS_AT = {
  ease: 1,
  copies: 2,
  transfers: 3,
  logging: 4,
} as const;

/** What only this host knows. */
export interface PlanFacts {
  readonly logs: readonly LocalLog[];
  /** Undefined while the disk is closed. */
  readonly worker: WorkerState | undefined;
  /** False while the daemon shuts down: every switch counts as off. */
  readonly isRunning: boolean;
  /** Whether newer desired links of peers had a chance to arrive. */
  readonly mayLead: boolean;
  /** Space of the tree: 0 enough … 4 jammed; see `ENDS_AT`. */
  readonly emergencyLevel: number;
  /** A copy rests, so that replay can go on. */
  readonly isReplaysTurn: boolean;
  /** What is free of the tree beyond the reserves, 0 … 100. */
  readonly restPercent: number;
  /** Logs of this resource here, as a multiple of the mean of all resources. */
  readonly logShare: number;
  /** A log of this size is followed by a new one. */
  readonly rotateBytes: number;
}

export interface SyncPlan {
  readonly source: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Only these, because all else is equal; undefined: the whole disk. */
  readonly ranges: readonly Range[] | undefined;
}

/** Records of a log here that are damaged, and who may have them intact. */
export interface RepairPlan {
  readonly log: LogName;
  /** Where the first of them begins. */
  readonly offsetBytes: number;
  /** Hosts to ask, best first. */
  readonly sources: readonly string[];
}

/** A link to write. */
export interface LinkValue {
  readonly path: string;
  readonly value: string;
}

export type LogFileChange =
  /** Make it, empty, unless it exists. */
  | { readonly kind: "create"; readonly log: LogName }
  /** Give up the copy that is here; others keep theirs. */
  | { readonly kind: "delete"; readonly log: LogName }
  /** Cut off a tail that never was durable, or is damaged. */
  | {
    readonly kind: "truncate";
    readonly log: LogName;
    readonly bytes: number;
  };

/** Something an administrator should know; `key` names a message link. */
export interface Obstacle {
  readonly key: string;
  readonly text: string;
}

export interface Plan {
  /** "detached" means: no worker at all. */
  readonly role: "detached" | "idle" | "log" | "replay";
  /** Log to write to or to replay. */
  readonly log: LogName | undefined;
  readonly startBytes: number;
  readonly logEndBytes: number;
  readonly sizeBytes: number;
  readonly level: AcknowledgeLevel;
  /** Emergency mode; words of the mailbox. */
  readonly bypass: "off" | "prepare" | "serve";
  /** There is no room for logs of this resource, or was none a moment ago. */
  readonly hasEmergency: boolean;
  /** The log that this host needs and nobody has any more; 0 for none. */
  readonly lostLog: number;
  readonly fetch: FetchPlan | undefined;
  readonly sync: SyncPlan | undefined;
  readonly verify: VerifyPlan | undefined;
  readonly repair: RepairPlan | undefined;
  /** Positions of this host: written when they changed. */
  readonly publish: readonly LinkValue[];
  readonly logFiles: readonly LogFileChange[];
  readonly obstacles: readonly Obstacle[];
}

/** The plan for a resource that does not concern this host. */
export const NOTHING: Plan = {
  role: "detached",
  log: undefined,
  startBytes: 0,
  logEndBytes: 0,
  sizeBytes: 0,
  level: "flush",
  bypass: "off",
  hasEmergency: false,
  lostLog: 0,
  fetch: undefined,
  sync: undefined,
  verify: undefined,
  repair: undefined,
  publish: [],
  logFiles: [],
  obstacles: [],
};

/** The file of `log`, if it is here. */
export function localLog(
  logs: readonly LocalLog[],
  log: LogName,
): LocalLog | undefined {
  return logs.find((file) => sameLog(file.log, log));
}

/** `base` with one more obstacle. */
export function blocked(base: Plan, key: string, text: string): Plan {
  return { ...base, obstacles: [...base.obstacles, { key, text }] };
}
