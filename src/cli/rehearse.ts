/**
 * primary --check and secondary --check: what would happen, without doing it.
 *
 * Only reads. What would refuse the command is an error, with its exit code;
 * what it would wait for, what would be lost, and how long it would take, are
 * told. Rates are those of this moment, as the view shows them.
 */
import { formatBytes, formatDuration } from "../base/figures.ts";
import { MS_PER_S, NS_PER_MS } from "../base/time.ts";
import {
  avoidSplit,
  consistencyGaps,
  numberGaps,
  openObstacles,
  preconditions,
} from "../resource/handover.ts";
import { obstaclesIn } from "../resource/obstacles.ts";
import { textsOf } from "../resource/reasons.ts";
import { findSplits } from "../resource/parting.ts";
import {
  endHere,
  replayBytes,
  type SourceGap,
  sourceGaps,
} from "../resource/rehearsal.ts";
import { isSynced, type ResourceView, resourceView } from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { logLimitKib } from "../tree/traffic.ts";
import { type Desk, refuseIf } from "./command.ts";
import { Report, ResourceFacts } from "./report.ts";
import { claimReasons } from "./rivals.ts";

const KIB = 1024;

/** Of the JSON; see docs/view-json.md. */
const SCHEMA = 1;

/** Why there would be nothing to do. */
const ALREADY = {
  primary: "this host is primary already",
  secondary: "nobody is primary",
} as const;

/** What would come of a command. */
interface Outlook {
  readonly command: string;
  readonly title: string;
  /** Why it would be refused. */
  readonly obstacles: readonly string[];
  /** What it would wait for. */
  readonly waits: readonly string[];
  readonly losses: readonly string[];
  readonly lostBytes: number;
  readonly fetchBytes: number;
  readonly replayBytes: number;
  readonly writebackBytes: number;
  /** Of the disk. */
  readonly copyBytes: number;
  /** Undefined if nobody can know. */
  readonly durationS: number | undefined;
  readonly basis: Basis;
}

/**
 * What the duration follows from: nothing has to move, or it does, or the best
 * rates of late; a limit of the line, which nothing can be faster than. Or why
 * it is not known: nobody has measured a rate, or something keeps it up.
 */
type Basis = "nothing" | "now" | "best" | "limit" | "unmeasured" | "waits";

/** @throws RefusedError if the command would be refused */
export function rehearsePrimary(desk: Desk, resource: string): void {
  const snapshot = desk.look();
  const view = resourceView(snapshot, resource, desk.host);
  if (view.designated === desk.host && view.own?.isDeviceOn === true) {
    return tell(desk, view, {
      ...nothing("primary"),
      title: ALREADY.primary,
    });
  }
  tell(
    desk,
    view,
    desk.options.force
      ? failover(desk, snapshot, view)
      : handover(desk, snapshot, view),
  );
}

/** @throws RefusedError if the command would be refused */
export function rehearseSecondary(desk: Desk, resource: string): void {
  const snapshot = desk.look();
  const view = resourceView(snapshot, resource, desk.host);
  const primary = view.members.find(({ host }) => host === view.designated);
  const isSilent = primary !== undefined &&
    !desk.isRecent(snapshot, primary.host);
  tell(desk, view, {
    ...nothing("secondary"),
    title: primary === undefined
      ? ALREADY.secondary
      : `"${primary.host}" would end, and nobody be primary`,
    obstacles: desk.options.force ? [] : openObstacles(primary),
    waits: [
      ...(isSilent ? [silenceOf(desk, snapshot, primary.host)] : []),
      ...(desk.options.force ? openObstacles(primary) : []),
    ],
    writebackBytes: primary?.replay?.dirtyBytes ?? 0,
    durationS: isSilent ? undefined : 0,
    basis: isSilent ? "waits" : "nothing",
  });
}

function nothing(command: string): Outlook {
  return {
    command,
    title: "",
    obstacles: [],
    waits: [],
    losses: [],
    lostBytes: 0,
    fetchBytes: 0,
    replayBytes: 0,
    writebackBytes: 0,
    copyBytes: 0,
    durationS: 0,
    basis: "nothing",
  };
}

/** Who hands over. */
function oldOf(snapshot: Snapshot, view: ResourceView): string | undefined {
  return view.designated ??
    snapshot.value(linkPath.userspace(view.resource, "last-primary"));
}

function obstaclesOf(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): string[] {
  const obstacles = textsOf(preconditions(view, {
    isForced: desk.options.force,
    ignoreSync: desk.options.ignoreSync,
    oldPrimary: oldOf(snapshot, view),
    isRecent: (member) => desk.isRecent(snapshot, member),
    hasUnits: snapshot.value(linkPath.systemdWant(view.resource)) !== undefined,
  }));
  if (!desk.isDaemonRunning()) {
    obstacles.push("no daemon runs here; start it");
  }
  return obstacles;
}

function handover(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): Outlook {
  const { host } = view;
  const old = oldOf(snapshot, view);
  const report = reportOf(desk, snapshot, view);
  const rests = restsOf(view, snapshot, report, old);
  const avoidance = avoidSplit(view, {
    oldPrimary: old,
    isBefore: true,
    isQuiet: () => false,
  });
  const blocks = view.members.filter((member) =>
    member.host !== host && member.host === (view.designated ?? member.host) &&
    !desk.isRecent(snapshot, member.host)
  ).map((member) => silenceOf(desk, snapshot, member.host));
  blocks.push(...numberGaps(view, old), ...troubles(snapshot, view));
  const isSyncedHere = view.own !== undefined && isSynced(view, view.own);
  const gaps = [
    ...(view.designated !== host && isSyncedHere ? consistencyGaps(view) : []),
    ...(avoidance.kind === "wait" ? avoidance.gaps : []),
  ];
  const isUnknown = blocks.length > 0 ||
    (gaps.length > 0 && rests.durationS === 0);
  return {
    ...nothing("primary"),
    title: old === undefined || old === host
      ? "would become primary"
      : `would take over from "${old}"`,
    obstacles: [
      ...obstaclesOf(desk, snapshot, view),
      ...(view.designated === host
        ? []
        : textsOf(claimReasons(desk, snapshot, view, desk.nowNs()))),
      ...(avoidance.kind === "never" ? [avoidance.obstacle] : []),
    ],
    waits: [...blocks, ...gaps],
    losses: splitLosses(view),
    ...rests,
    ...(isUnknown ? { durationS: undefined, basis: "waits" as const } : {}),
  };
}

function failover(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
): Outlook {
  const report = reportOf(desk, snapshot, view);
  const end = endHere(view, report.logs);
  const gaps = end === undefined
    ? []
    : sourceGaps(view, end, (path) => snapshot.stampNs(path));
  const left = view.own?.replayCode ?? 0;
  const rests = restsOf(view, snapshot, report, undefined);
  const behindDamage = left < 0 ? rests.replayBytes : 0;
  const lost = gaps.map(({ missingBytes }) => missingBytes ?? 0);
  return {
    ...nothing("primary --force"),
    title: "would become primary with what is here",
    obstacles: obstaclesOf(desk, snapshot, view),
    waits: view.own?.isFetching === true ? ["a fetch is running"] : [],
    losses: [
      ...gaps.flatMap((gap) => lossOf(desk, snapshot, gap)),
      ...(behindDamage > 0
        ? [
          `${formatBytes(behindDamage)} of log that are here, behind damage`,
        ]
        : []),
      ...splitLosses(view),
    ],
    lostBytes: Math.max(0, ...lost) + behindDamage,
    ...rests,
    // It is not waited for what cannot be applied.
    ...(behindDamage > 0 ? NO_REPLAY : {}),
    fetchBytes: 0,
  };
}

function lossOf(desk: Desk, snapshot: Snapshot, gap: SourceGap): string[] {
  const { host, missingBytes, missingNs, isPrimary } = gap;
  const age = missingNs === 0n
    ? ""
    : `, ${
      formatDuration(Number(missingNs / NS_PER_MS) / MS_PER_S)
    } of writing`;
  const losses: string[] = [];
  if (missingBytes === undefined) {
    losses.push(`what "${host}" has: its history leads elsewhere`);
  } else if (missingBytes > 0) {
    losses.push(
      `${formatBytes(missingBytes)} of log of "${host}"${age}`,
    );
  }
  if (isPrimary) {
    losses.push(
      desk.isRecent(snapshot, host)
        ? `what "${host}" writes from now on: it is primary`
        : `what it wrote since: ${silenceOf(desk, snapshot, host)}`,
    );
  }
  return losses;
}

function splitLosses(view: ResourceView): string[] {
  return findSplits(view).map(({ hosts }) =>
    `one side of the split brain between "${
      hosts.join('" and "')
    }"; see mars split show ${view.resource}`
  );
}

/** What is to be done before, and how long that takes. */
function restsOf(
  view: ResourceView,
  snapshot: Snapshot,
  report: Report,
  old: string | undefined,
): Rests {
  const end = endHere(view, report.logs);
  const gap = end === undefined ? undefined : sourceGaps(
    view,
    end,
    (path) => snapshot.stampNs(path),
  ).find(({ host }) => host === old);
  const fetchBytes = gap?.missingBytes ?? 0;
  const replay = replayBytes(view, report.logs, end);
  const primary = view.members.find(({ host }) => host === old);
  const limitKib = old === undefined
    ? undefined
    : logLimitKib(snapshot, { from: old, to: view.host });
  const limit = (limitKib ?? 0) * KIB;
  const fetch = lasting(report, "fetch", fetchBytes, limit);
  const apply = lasting(report, "replay", replay + fetchBytes, 0);
  // Both go on at the same time.
  const slower = apply.durationS > fetch.durationS ? apply : fetch;
  return {
    fetchBytes,
    replayBytes: replay,
    writebackBytes: primary?.isPrimary === true
      ? primary.replay?.dirtyBytes ?? 0
      : 0,
    copyBytes: restToCopy(view),
    durationS: slower.basis === "unmeasured" ? undefined : slower.durationS,
    basis: slower.basis,
  };
}

const NO_REPLAY = { replayBytes: 0, durationS: 0, basis: "nothing" } as const;

type Rests = Pick<
  Outlook,
  | "fetchBytes"
  | "replayBytes"
  | "writebackBytes"
  | "copyBytes"
  | "durationS"
  | "basis"
>;

/** How long it takes to move them; for ever if no rate is known. */
function lasting(
  report: Report,
  kind: "fetch" | "replay",
  bytes: number,
  limit: number,
): { durationS: number; basis: Basis } {
  if (bytes === 0) return { durationS: 0, basis: "nothing" };
  const now = report.pace(kind).bytesPerSecond;
  if (now > 0) return { durationS: bytes / now, basis: "now" };
  const best = report.bestBytesPerSecond(kind);
  if (best > 0 && (limit === 0 || best <= limit)) {
    return { durationS: bytes / best, basis: "best" };
  }
  return limit > 0
    ? { durationS: bytes / limit, basis: "limit" }
    : { durationS: Infinity, basis: "unmeasured" };
}

function restToCopy({ own, sizeBytes = 0 }: ResourceView): number {
  return own === undefined
    ? 0
    : Math.max(0, sizeBytes - (own.syncedBytes ?? 0));
}

/** What the daemon here complains of: a log that is missing, for instance. */
function troubles(snapshot: Snapshot, view: ResourceView): string[] {
  const directory = directoryOf(
    linkPath.actual(view.resource, view.host, ""),
  );
  return obstaclesIn(snapshot, directory, view.host)
    .filter(({ severity }) => severity === "error")
    .map(({ text }) => text);
}

function silenceOf(desk: Desk, snapshot: Snapshot, host: string): string {
  const stampNs = snapshot.stampNs(linkPath.global(host, "time"));
  if (stampNs === undefined) return `"${host}" was never heard of`;
  const silentS = Number((desk.nowNs() - stampNs) / NS_PER_MS) / MS_PER_S;
  return `"${host}" was heard of ${formatDuration(silentS)} ago`;
}

function reportOf(
  desk: Desk,
  snapshot: Snapshot,
  { resource, host }: ResourceView,
): Report {
  const facts = new ResourceFacts(snapshot, resource, {
    host,
    nowNs: desk.nowNs(),
    logs: desk.logs.look(resource)
      .map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
  });
  return new Report(facts, host);
}

// ---- what is said ---------------------------------------------------------

function tell(desk: Desk, view: ResourceView, outlook: Outlook): void {
  const { resource } = view;
  const lines = desk.options.json
    ? [JSON.stringify(jsonOf(resource, outlook))]
    : textOf(resource, outlook);
  for (const line of lines) desk.print(line);
  refuseIf(
    outlook.command === "secondary"
      ? `make "${resource}" secondary`
      : `make this host primary of "${resource}"`,
    outlook.obstacles,
    { ...desk.options, force: false },
  );
}

function textOf(resource: string, outlook: Outlook): string[] {
  const { title, obstacles, waits, losses } = outlook;
  const rests = ([
    [outlook.copyBytes, "of the disk to copy"],
    [outlook.fetchBytes, "to fetch"],
    [outlook.replayBytes, "to replay"],
    [outlook.writebackBytes, "to write back over there"],
  ] as const).filter(([bytes]) => bytes > 0)
    .map(([bytes, what]) => `${formatBytes(bytes)} ${what}`);
  const isAlready = Object.values(ALREADY).some((word) => word === title);
  if (isAlready) return [`"${resource}": ${title}; nothing would happen`];
  return [
    `"${resource}": ${title}; nothing was changed`,
    ...(losses.length === 0
      ? ["  nothing would be lost"]
      : losses.map((loss) => `  would lose ${loss}`)),
    ...(rests.length === 0 ? [] : [`  has ${rests.join(", ")}`]),
    ...waits.map((wait) => `  would wait: ${wait}`),
    obstacles.length > 0 ? "  would be refused" : `  ${durationText(outlook)}`,
  ];
}

function durationText({ durationS = 0, basis }: Outlook): string {
  const duration = formatDuration(Math.ceil(durationS) + 1);
  const unknown = "how long it would take is not known";
  switch (basis) {
    case "nothing":
    case "now":
      return `would take about ${duration}`;
    case "best":
      return `would take about ${duration} at the best rate of late; nothing moves at the moment`;
    case "limit":
      return `would take at least ${duration}, by the limit of the line`;
    case "unmeasured":
      return `${unknown}: nothing moves, and no rate was measured here yet`;
    case "waits":
      return `${unknown}: that depends on what it would wait for`;
  }
}

function jsonOf(
  resource: string,
  outlook: Outlook,
): Readonly<Record<string, unknown>> {
  const { title: _title, durationS, basis, ...rest } = outlook;
  return {
    schema: SCHEMA,
    resource,
    ...rest,
    isRefused: outlook.obstacles.length > 0,
    ...(durationS === undefined ? {} : { durationSeconds: durationS }),
    durationBasis: basis,
  };
}
