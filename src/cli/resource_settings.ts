/** Settings of a resource: rows of what is set and what is shown. */
import { UsageError } from "../base/errors.ts";
import { formatBytes } from "../base/figures.ts";
import {
  parseRateSchedule,
  RATE_SCHEDULE_HINT,
} from "../base/rate_schedule.ts";
import { boundBytes } from "../resource/keep.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  isAcknowledgeLevel,
  parseCount,
  parseSwitch,
  TOMBSTONE,
} from "../tree/values.ts";
import { formatSpan, parseBytes, parseSpan } from "./arguments.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

interface Setting {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly path: (resource: string, host: string) => string;
  /** What holds while the link is missing. */
  readonly standard: string;
  /** @throws UsageError */
  readonly check: (text: string) => string;
  /** What holds in the cluster, for resources without a value of their own. */
  readonly cluster?: string;
  /** The value of the link for people; as it is if not given. */
  readonly decode?: (value: string) => string;
  /** What must be said about a change, if anything. */
  readonly warning?: (
    snapshot: Snapshot,
    resource: string,
    value: string,
  ) => string | undefined;
  /** Why it must not be set now. */
  readonly obstacles?: (
    desk: Desk,
    resource: string,
    value: string,
  ) => Promise<string[]>;
}

const KEPT =
  "What this means: a member that is behind, paused or dead needs logs on the other hosts. Each of them gives up its own files, oldest first, beyond keep-logs-time, keep-logs-size or log-quota, and in any case when less than a tenth of the space for logs is left; the primary warns before. A member whose logs are gone everywhere must be copied anew: invalidate, or auto-resync.";

const SETTINGS: readonly Setting[] = [
  {
    name: "acknowledge",
    usage: "flush|durable",
    summary: "what must have happened before a write is acknowledged",
    path: linkPath.acknowledge,
    standard: "flush",
    check: acknowledgeLevel,
    warning: levelWarning,
  },
  {
    name: "emergency-limit",
    usage: "PERCENT",
    summary:
      "how much of the tree must be free, or this host goes on without logs; 0 is no limit",
    path: (resource, host) => linkPath.todo(resource, host, "emergency-limit"),
    standard: "0",
    check: percent,
  },
  {
    name: "keep-logs-time",
    usage: "TIME|''",
    summary:
      "how long logs are kept for members that are behind: 36h, 7d; 0 is no limit",
    details: KEPT,
    path: (resource) => linkPath.resourceDefaults(resource, "keep-logs-time"),
    standard: "0",
    check: (text) => String(parseSpan(text)),
    cluster: "keep-logs-time",
    decode: spanText,
  },
  {
    name: "keep-logs-size",
    usage: "SIZE|''",
    summary: "how much is kept for members that are behind; 0 is no limit",
    details: KEPT,
    path: (resource) => linkPath.resourceDefaults(resource, "keep-logs-size"),
    standard: "0",
    check: (text) => String(parseBytes(text)),
    cluster: "keep-logs-size",
  },
  {
    name: "log-quota",
    usage: "SIZE",
    summary:
      "how much space the logs of the resource may take on this host; 0 is no limit",
    details:
      "Beyond it the oldest logs go, also when members still need them; if writing back to the disk does not keep up, this resource alone goes on without logs. So it cannot push other resources into emergency mode. Refused on a primary whose log in use has more already: it would go on without logs at once.",
    path: (resource, host) => linkPath.todo(resource, host, "log-quota"),
    standard: "0",
    check: (text) => String(parseBytes(text)),
    obstacles: quotaObstacles,
  },
  diskRate("sync-rate", "copied to this host"),
  diskRate("verify-rate", "compared by this host"),
  {
    name: "auto-resync",
    usage: "0|1|''",
    summary: "whether a copy that cannot go on is copied anew by itself",
    details:
      "For members whose logs are gone everywhere, and after an emergency of the primary. Only if the primary has everything that is there: a split brain stays one. Until the copy is complete that member is inconsistent, as after invalidate.",
    path: (resource) => linkPath.resourceDefaults(resource, "auto-resync"),
    standard: "0",
    check: onOff,
    cluster: "auto-resync",
  },
];

function diskRate(name: string, does: string): Setting {
  return {
    name,
    usage: "RATE",
    summary: `how fast the disk may be ${does}; 0 is no limit`,
    details:
      `A rate is ${RATE_SCHEDULE_HINT}. What counts is the disk, also where nothing has to be sent; for lines see set-receive-limit. Times are local to the host.`,
    path: (resource, host) => linkPath.todo(resource, host, name),
    standard: "0",
    check: (text) => {
      if (parseRateSchedule(text) !== undefined) return text;
      throw new UsageError(
        `Cannot use "${text}" as ${name}: expected ${RATE_SCHEDULE_HINT}`,
      );
    },
  };
}

/** Settings of the cluster that hold where a resource has none. */
export const CLUSTER_STANDARDS = SETTINGS.flatMap((setting) =>
  setting.cluster === undefined
    ? []
    : [{ ...setting, cluster: setting.cluster }]
);

export const SETTING_COMMANDS: readonly Command[] = SETTINGS.flatMap((
  setting,
): Command[] => {
  const { name, usage, summary, path, standard, check } = setting;
  const { cluster, decode, details, warning, obstacles } = setting;
  return [
    {
      name: `set-${name}`,
      usage: `RES ${usage}`,
      summary: `Set ${summary}`,
      ...(details === undefined ? {} : { details }),
      subject: "resources",
      wordsMin: 1,
      wordsMax: 1,
      run: async (desk, resource, [text = ""]) => {
        const isTaken = text === "" && cluster !== undefined;
        const value = isTaken ? TOMBSTONE : check(text);
        const reasons = await obstacles?.(desk, resource, value) ?? [];
        refuseIf(`set ${name} of "${resource}"`, reasons, desk.options);
        const remark = warning?.(desk.look(), resource, value);
        desk.write([{ path: path(resource, desk.host), value }]);
        if (remark !== undefined) desk.warn(remark);
      },
    },
    {
      name: `get-${name}`,
      usage: "RES",
      summary: `Print ${summary}`,
      subject: "resources",
      isReading: true,
      wordsMin: 0,
      wordsMax: 0,
      run: (desk, resource) => {
        const snapshot: Snapshot = desk.look();
        const link = snapshot.value(path(resource, desk.host)) ??
          (cluster === undefined
            ? undefined
            : snapshot.value(linkPath.defaults(cluster))) ??
          standard;
        const value = decode?.(link) ?? link;
        desk.answer(value, { setting: name, resource, value });
      },
    },
  ];
});

/** @throws UsageError for a level that there is not */
export function acknowledgeLink(resource: string, level: string): LinkWrite {
  const path = linkPath.acknowledge(resource);
  return { path, value: acknowledgeLevel(level) };
}

function acknowledgeLevel(level: string): string {
  if (isAcknowledgeLevel(level) && level !== "peer") return level;
  throw new UsageError(
    `Cannot acknowledge at level "${level}": expected flush or durable`,
  );
}

/** What its users were told of a device holds while it is on. */
function levelWarning(
  snapshot: Snapshot,
  resource: string,
  level: string,
): string | undefined {
  const isWeaker = level === "flush" &&
    snapshot.value(linkPath.acknowledge(resource)) === "durable";
  const hosts = !isWeaker
    ? []
    : snapshot.members(resource).filter((host) =>
      snapshot.value(linkPath.actual(resource, host, "if-on")) === "1"
    );
  if (hosts.length === 0) return undefined;
  return `WARNING: "${resource}" may stay at level durable until its device on "${
    hosts.join('", "')
  }" is off for a moment: its users were told that they need no flushes; see mars view ${resource}`;
}

/** A primary whose newest logs have more would end logging at once. */
async function quotaObstacles(
  desk: Desk,
  resource: string,
  value: string,
): Promise<string[]> {
  const snapshot = desk.look();
  const quotaBytes = Number(value);
  const view = resourceView(snapshot, resource, desk.host);
  const isLogging = view.own?.isPrimary === true &&
    !isActingForAnother(desk, snapshot);
  if (!isLogging || quotaBytes === 0) return [];
  const files = await desk.logs.list(resource);
  const bytes = boundBytes(
    view,
    files.map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
  );
  return bytes <= quotaBytes ? [] : [
    `the log in use has ${
      formatBytes(bytes)
    }, so this host would go on without logs at once, and all others would have to copy anew; type log-rotate ${resource} first`,
  ];
}

function percent(text: string): string {
  const value = parseCount(text);
  if (value !== undefined && value <= 100) return String(value);
  throw new UsageError(
    `Cannot use "${text}" as emergency limit: expected a whole number from 0 to 100`,
  );
}

function onOff(text: string): string {
  if (parseSwitch(text) !== undefined) return text;
  throw new UsageError(`Cannot switch to "${text}": expected 0 or 1`);
}

/** What somebody else has written may be anything. */
function spanText(value: string): string {
  const seconds = parseCount(value);
  return seconds === undefined ? value : formatSpan(seconds);
}
