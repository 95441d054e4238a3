// Pure
/**
 * Report: everything that `view` says about one resource, as data.
 *
 * Made from links and a few facts of this host; written as text by
 * `view_text.ts` and as JSON by `view_json.ts`.
 */
import { MS_PER_S, NS_PER_MS, NS_PER_S } from "../base/time.ts";
import { type Amounts, amountsOf } from "../resource/amounts.ts";
import { findSplits, type Split } from "../resource/history.ts";
import type { LocalLog } from "../resource/plan_types.ts";
import { type Status, statusOf } from "../resource/status.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseCount, parseMessage } from "../tree/values.ts";

/** What links do not say. */
export interface ReportFacts {
  readonly host: string;
  readonly nowNs: bigint;
  /** Who was silent for longer is dead. */
  readonly windowMs: number;
  readonly isDaemonRunning: boolean;
  /** Files of logs of this resource on this host. */
  readonly logs: readonly LocalLog[];
  readonly isDiskPresent: boolean;
  /** Path, if there is one. */
  readonly nbdSocket: string | undefined;
}

/** How fast something goes on. */
export interface Pace {
  readonly bytesPerSecond: number;
  /** Since the last step on this host; undefined if there was none. */
  readonly ageS: number | undefined;
  /** How much later than on the primary. */
  readonly lagS: number;
}

export interface Report {
  readonly view: ResourceView;
  readonly status: Status;
  readonly amounts: Amounts;
  readonly pace: Readonly<Record<"sync" | "fetch" | "replay", Pace>>;
  readonly deviceOpsPerSecond: number;
  readonly requestsInFlight: number;
  readonly nbdSocket: string | undefined;
  /** Hosts of the cluster. */
  readonly hostCount: number;
  /** Seconds since each member was heard of; no entry: never. */
  readonly silentS: ReadonlyMap<string, number>;
  /** Whether the designated primary was silent for longer than the window. */
  readonly isPrimarySilent: boolean;
  readonly obstacles: readonly ReportedObstacle[];
  readonly splits: readonly ReportedSplit[];
}

export type Severity = "error" | "warning" | "notice";

/** A message of some host that still holds. */
export interface ReportedObstacle {
  readonly host: string;
  readonly key: string;
  readonly severity: Severity;
  readonly text: string;
  /** When it began: wall clock and Lamport time. */
  readonly realNs: bigint;
  readonly stampNs: bigint;
}

export interface ReportedSplit extends Split {
  /** Seconds since the one that was silent for longer moved. */
  readonly ageS: number | undefined;
}

export function reportOf(
  snapshot: Snapshot,
  resource: string,
  facts: ReportFacts,
): Report {
  const view = resourceView(snapshot, resource, facts.host);
  const amounts = amountsOf(view, facts.logs);
  const silentS = new Map<string, number>();
  for (const { host } of view.members) {
    const seconds = sinceS(facts, snapshot.stampNs(timePath(host)));
    if (seconds !== undefined) silentS.set(host, seconds);
  }
  const isRecent = (host: string): boolean => {
    const seconds = sinceS(facts, snapshot.stampNs(timePath(host)));
    return seconds !== undefined && seconds * MS_PER_S <= facts.windowMs;
  };
  const { designated } = view;
  return {
    view,
    amounts,
    status: statusOf(view, { ...facts, amounts, isRecent }),
    pace: paces(snapshot, view, facts),
    deviceOpsPerSecond: counted(snapshot, view, "ops-if_rate"),
    requestsInFlight: counted(snapshot, view, "if-flying"),
    nbdSocket: facts.nbdSocket,
    hostCount: Math.max(snapshot.hosts().length, view.members.length),
    silentS,
    isPrimarySilent: designated !== undefined && !isRecent(designated),
    obstacles: view.members.flatMap(({ host }) =>
      obstaclesIn(
        snapshot,
        directoryOf(linkPath.actual(resource, host, "")),
        host,
      )
    ),
    splits: findSplits(view).map((split) => ({
      ...split,
      ageS: splitAge(snapshot, view, split, facts),
    })),
  };
}

/** Messages in `directory` that hold; errors first, then by key. */
export function obstaclesIn(
  snapshot: Snapshot,
  directory: string,
  host: string,
): ReportedObstacle[] {
  const found: ReportedObstacle[] = [];
  const prefix = `${directory}/msg-`;
  for (const { path, value } of snapshot.children(directory)) {
    const message = path.startsWith(prefix) ? parseMessage(value) : undefined;
    if (message?.kind !== "text") continue;
    const key = path.slice(prefix.length);
    const { realNs, stampNs, text } = message;
    const severity = SEVERITIES[key.split("-")[0] ?? ""] ?? "notice";
    found.push({ host, key, severity, text, realNs, stampNs });
  }
  const rank = (obstacle: ReportedObstacle): number =>
    SEVERITY_ORDER.indexOf(obstacle.severity);
  return found.sort((left, right) =>
    rank(left) - rank(right) || (left.key < right.key ? -1 : 1)
  );
}

const SEVERITY_ORDER: readonly Severity[] = ["error", "warning", "notice"];
const SEVERITIES: Readonly<Record<string, Severity>> = {
  err: "error",
  wrn: "warning",
  inf: "notice",
};

function timePath(host: string): string {
  return linkPath.global(host, "time");
}

/** Whole milliseconds as seconds; a stamp in the future is now. */
function sinceS(
  facts: ReportFacts,
  stampNs: bigint | undefined,
): number | undefined {
  if (stampNs === undefined) return undefined;
  const elapsedNs = facts.nowNs - stampNs;
  return elapsedNs <= 0n ? 0 : Number(elapsedNs / NS_PER_MS) / MS_PER_S;
}

/** Prescribed by MARS: rates are links in KiB per second. */
const RATE_UNIT_BYTES = 1024;

function paces(
  snapshot: Snapshot,
  view: ResourceView,
  facts: ReportFacts,
): Report["pace"] {
  const paceOf = (
    rate: string,
    stampOf: (host: string) => bigint | undefined,
  ): Pace => {
    const ownNs = stampOf(view.host);
    const primaryNs = view.designated === undefined
      ? undefined
      : stampOf(view.designated);
    const isBehind = ownNs !== undefined && primaryNs !== undefined &&
      primaryNs > ownNs;
    return {
      bytesPerSecond: counted(snapshot, view, rate) * RATE_UNIT_BYTES,
      ageS: sinceS(facts, ownNs),
      lagS: isBehind ? Number((primaryNs - ownNs) / NS_PER_S) : 0,
    };
  };
  const { resource } = view;
  return {
    sync: paceOf(
      "amount-sync_rate",
      (host) => snapshot.stampNs(linkPath.syncStatus(resource, host)),
    ),
    fetch: paceOf(
      "amount-file_rate",
      (host) => newestVersionNs(snapshot, view, host),
    ),
    replay: paceOf(
      "amount-replay_rate",
      (host) => snapshot.stampNs(linkPath.replay(resource, host)),
    ),
  };
}

/** Stamp of the version link with the highest number. */
function newestVersionNs(
  snapshot: Snapshot,
  view: ResourceView,
  host: string,
): bigint | undefined {
  for (const [sequence, links] of view.versions) {
    if (!links.has(host)) continue;
    return snapshot.stampNs(linkPath.version(view.resource, sequence, host));
  }
  return undefined;
}

/** A count among the actual links of this host; 0 if missing. */
function counted(
  snapshot: Snapshot,
  view: ResourceView,
  name: string,
): number {
  const path = linkPath.actual(view.resource, view.host, name);
  return parseCount(snapshot.value(path) ?? "") ?? 0;
}

function splitAge(
  snapshot: Snapshot,
  view: ResourceView,
  split: Split,
  facts: ReportFacts,
): number | undefined {
  const ages = split.hosts.map((host) =>
    sinceS(facts, snapshot.stampNs(linkPath.replay(view.resource, host)))
  ).filter((age) => age !== undefined);
  return ages.length === 0 ? undefined : Math.max(...ages);
}
