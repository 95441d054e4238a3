/**
 * Housekeeping: rotate and delete logs, purge the tree, wait.
 *
 * `cron` does all of it and is silent when all is well. Everything here may run
 * twice at once and may stop anywhere: files are created or replaced one by
 * one, and the next run finds what is left.
 */
import { formatBytes } from "../base/figures.ts";
import { logFileName } from "../base/names.ts";
import { NS_PER_MS } from "../base/time.ts";
import type { LogFile } from "../log/files.ts";
import { versionOf } from "../resource/history.ts";
import { deletable, nextRotation } from "../resource/retention.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { parseCount, TOMBSTONE } from "../tree/values.ts";
import type { Command, Desk } from "./command.ts";
import { purgeTree } from "./purge.ts";
import { WAIT_COMMANDS } from "./wait.ts";

export const MAINTENANCE_COMMANDS: readonly Command[] = [
  {
    name: "log-rotate",
    usage: "[RES|LIST|all]",
    summary: "Let a primary go on in a new log",
    subject: "resources-or-all",
    wordsMin: 0,
    wordsMax: 0,
    run: async (desk, resource) => {
      const { isDone, text } = await rotate(desk, resource);
      if (isDone) desk.print(`"${resource}": ${text}`);
      else desk.warn(`SKIPPING: "${resource}": ${text}`);
    },
  },
  ...["log-delete-all", "log-delete"].map((name): Command => ({
    name,
    usage: "[RES|LIST|all] [--force]",
    summary: "Delete logs that every member has replayed",
    subject: "resources-or-all",
    wordsMin: 0,
    wordsMax: 0,
    run: async (desk, resource) => {
      const gone = await deleteLogs(desk, resource);
      const bytes = gone.reduce((sum, file) => sum + file.sizeBytes, 0);
      desk.print(
        gone.length === 0
          ? `"${resource}": no log to delete`
          : `"${resource}": deleted ${gone.length} logs, ${formatBytes(bytes)}`,
      );
    },
  })),
  {
    name: "cron",
    whenBusy: "skip",
    usage: "[RES|LIST|all]",
    summary: "Rotate and delete logs, purge the tree; for a timer",
    subject: "resources-or-all",
    wordsMin: 0,
    wordsMax: 0,
    run: async (desk, resource) => {
      await rotate(desk, resource);
      await deleteLogs(desk, resource);
    },
    finish: (desk) => purgeTree(desk),
  },
  ...WAIT_COMMANDS,
];

/** Whether a new log was made, and which, or why not. */
interface Rotated {
  readonly isDone: boolean;
  readonly text: string;
}

async function rotate(desk: Desk, resource: string): Promise<Rotated> {
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, desk.host);
  const files = await desk.logs.list(resource);
  const rotation = nextRotation(
    view,
    files.map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
    {
      logsMax: desk.options.threshLogs,
      bytesMin: desk.options.threshLogBytes,
    },
  );
  if (rotation.kind === "skip") return { isDone: false, text: rotation.reason };
  const { log } = rotation;
  const before = versionOf(view, log.sequence - 1, log.host);
  if (before === undefined && !desk.options.force) {
    const text = `log ${log.sequence - 1} has no version link yet`;
    return { isDone: false, text };
  }
  if (!desk.options.dryRun) {
    const result = await desk.logs.create(resource, log);
    // Somebody else was faster, or the name was used and deleted before.
    if (result !== "created") {
      return { isDone: false, text: `log ${log.sequence}: ${result}` };
    }
  }
  const path = linkPath.maxnr(resource);
  const highest = parseCount(snapshot.value(path) ?? "") ?? 0;
  desk.write([{ path, value: String(Math.max(highest, log.sequence)) }]);
  return { isDone: true, text: `going on in ${logFileName(log)}` };
}

/**
 * Deletes what nobody needs, lowest number first, and says which.
 *
 * The tombstone of a log takes the place of its file here, and travels: each
 * host deletes its own copy when it arrives. Version links are left to the
 * hosts they speak of, except for hosts that are no members any more.
 */
async function deleteLogs(desk: Desk, resource: string): Promise<LogFile[]> {
  // Links before files: a race can only keep too much.
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, desk.host);
  const files = await desk.logs.list(resource);
  const old = deletable(view, files.map(({ log }) => log));
  const oldLogs = new Set(old.logs);
  const deleted: LogFile[] = [];
  for (const file of files.filter(({ log }) => oldLogs.has(log))) {
    if (!desk.options.force && isRecentFile(desk, resource, file)) break;
    deleted.push(file);
  }
  const first = files.find((file) => !deleted.includes(file));
  const versions = old.versions.filter(({ sequence, host }) =>
    sequence < (first?.log.sequence ?? 0) - 1 &&
    isOurs(view, host) &&
    (desk.options.force || !isRecentVersion(desk, snapshot, view, sequence))
  );
  if (deleted.length + versions.length === 0) return [];
  const links: LinkWrite[] = [
    ...deleted.map(({ log }) => ({
      path: linkPath.log(resource, log.sequence, log.host),
      value: TOMBSTONE,
    })),
    ...versions.map(({ sequence, host }) => ({
      path: linkPath.version(resource, sequence, host),
      value: TOMBSTONE,
    })),
  ];
  // After power loss no position may come back that needs a deleted log (I7).
  desk.flushTree();
  desk.write(links);
  return deleted;
}

/** Whether this host speaks for the version links of `host`. */
function isOurs(view: ResourceView, host: string): boolean {
  return host === view.host ||
    !view.members.some((member) => member.host === host);
}

/** Prescribed by MARS: windows after which something is not recent. */
const WINDOWS = 2;

function isRecentFile(desk: Desk, resource: string, file: LogFile): boolean {
  const changedMs = desk.logs.changedAtMs(resource, file.log);
  const nowMs = Number(desk.clock.realNs() / NS_PER_MS);
  // A time in the future is recent, too.
  return changedMs !== undefined &&
    changedMs + WINDOWS * desk.options.windowMs >= nowMs;
}

/** Whether anybody's version link of `sequence` changed lately. */
function isRecentVersion(
  desk: Desk,
  snapshot: Snapshot,
  view: ResourceView,
  sequence: number,
): boolean {
  return [...view.versions.get(sequence)?.keys() ?? []].some((host) => {
    const path = linkPath.version(view.resource, sequence, host);
    return desk.isRecentStamp(snapshot.stampNs(path), WINDOWS);
  });
}
