// Pure
/**
 * The links that state what a host does for one resource: names and values as
 * the administrator's tools expect them.
 *
 * Source: `actual-<host>/*` of a resource in MARS.
 */
import type { LocalLog, Plan, WorkerState } from "../resource/plan_types.ts";
import { SWITCHES_SEEN } from "../resource/switch_stamps.ts";
import { formatRuns } from "../tree/log_runs.ts";
import { formatStamp, NOBODY } from "../tree/values.ts";
import { BEST_FETCH, BEST_REPLAY } from "./best_rates.ts";

/** What the executor knows beside the worker. */
export interface Activity {
  readonly isFetching: boolean;
  readonly isSyncing: boolean;
  /** Files of logs here. */
  readonly logs: readonly LocalLog[];
  readonly rates: Rates;
  /** When the device completed something; undefined without a device. */
  readonly completedNs: bigint | undefined;
  /** How often the device is open. */
  readonly openCount: number;
  /** Who has it open, in words; empty if nobody is seen. */
  readonly openBy: string;
  /** As `seenSwitches` says it; undefined: as it was told before. */
  readonly switchesSeen: string | undefined;
}

/** Per second: operations, and KiB. */
export interface Rates {
  readonly replayOps: number;
  readonly replayKib: number;
  readonly fetchOps: number;
  readonly fetchKib: number;
  readonly syncOps: number;
  readonly syncKib: number;
  readonly deviceOps: number;
  readonly deviceKib: number;
  /** The best ones of late. */
  readonly bestFetchKib: number;
  readonly bestReplayKib: number;
}

export const NO_RATES: Rates = {
  replayOps: 0,
  replayKib: 0,
  fetchOps: 0,
  fetchKib: 0,
  syncOps: 0,
  syncKib: 0,
  deviceOps: 0,
  deviceKib: 0,
  bestFetchKib: 0,
  bestReplayKib: 0,
};

/** Name of the link to its value, for everything under `actual-<host>`. */
export function stateValues(
  plan: Plan,
  worker: WorkerState | undefined,
  activity: Activity,
): Record<string, string> {
  const { rates } = activity;
  const flag = (isOn: boolean | undefined): string => isOn === true ? "1" : "0";
  const isLogging = worker?.role === "log";
  const isBusy = activity.isSyncing || isLogging ||
    (worker?.diskBytes ?? 0) > 0;
  return {
    "is-attached": flag(isBusy),
    "is-primary": flag(isLogging),
    "if-on": flag(worker?.deviceOn === 1),
    "device-size": String(worker?.deviceBytes ?? 0),
    // Before the count: whoever sees that can say who it is.
    "open-by": activity.openBy || NOBODY,
    "open-count": String(activity.openCount),
    "is-replaying": flag(
      worker?.role === "replay" && worker.replayStatus === 0,
    ),
    "is-copying": flag(activity.isFetching),
    "is-syncing": flag(activity.isSyncing),
    "has-emergency": flag(plan.hasEmergency),
    "logs": formatRuns(activity.logs.map(({ log }) => log.sequence)),
    "lost-log": String(plan.lostLog),
    "is-emergency": flag(worker?.bypass === 2),
    "replay-code": replayCode(worker),
    "disk-error": String(-(worker?.diskErrno ?? 0)),
    "ops-replay_rate": String(rates.replayOps),
    "amount-replay_rate": String(rates.replayKib),
    [BEST_REPLAY]: String(rates.bestReplayKib),
    "ops-file_rate": String(rates.fetchOps),
    "amount-file_rate": String(rates.fetchKib),
    [BEST_FETCH]: String(rates.bestFetchKib),
    "ops-sync_rate": String(rates.syncOps),
    "amount-sync_rate": String(rates.syncKib),
    "ops-if_rate": String(rates.deviceOps),
    "amount-if_rate": String(rates.deviceKib),
    "if-flying": String(worker?.inFlight ?? 0),
    "if-state": String(-(worker?.deviceErrno ?? 0)),
    // Behind all that says what runs.
    ...(activity.switchesSeen === undefined
      ? {}
      : { [SWITCHES_SEEN]: activity.switchesSeen }),
    ...(activity.completedNs === undefined
      ? {}
      : { "if-completion-stamp": formatStamp(activity.completedNs) }),
  };
}

/** `<status>`, or with detail and byte after damage. */
function replayCode(worker: WorkerState | undefined): string {
  if (worker?.role !== "replay") return "0";
  const { replayStatus, replayDetail, replayByte } = worker;
  if (replayStatus >= 0) return String(replayStatus);
  const byte = replayByte.toString(16).padStart(2, "0");
  return `${replayStatus},${replayDetail},0x${byte}`;
}

/** What runs for a resource, for people. */
export function summaryOf(
  worker: Pick<WorkerState, "role"> | undefined,
  { isFetching, isSyncing }: Pick<Activity, "isFetching" | "isSyncing">,
  { isRunning }: { readonly isRunning: boolean },
): string {
  return [
    worker?.role ?? "no worker",
    ...(isFetching ? ["fetch"] : []),
    ...(isSyncing ? ["sync"] : []),
    ...(isRunning ? ["verify"] : []),
  ].join(", ");
}
