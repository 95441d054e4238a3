/**
 * Housekeeping: the commands that keep `/mars` from filling up.
 *
 *   cron   rotation, deletion of old logs, cleaning; then, once for all
 *          resources: tombstones and what crashes left behind
 *
 * Everything here may run twice at once and may be killed anywhere: files are
 * created or replaced one by one, and the next run finds what is left. What
 * fails does not keep the rest. All is silent for a timer when all is well.
 *
 * `cron` of MARS pauses 7 s between rotation and deletion, so that the daemon
 * has gone on to the new log meanwhile. Ours does not: nothing that is deleted
 * depends on the rotation, and what becomes old by it goes the next time.
 */
import { formatBytes, formatCount } from "../base/figures.ts";
import { TOOL_VERSION } from "../base/version.ts";
import type { LogFile } from "../log/files.ts";
import { linkPath } from "../tree/path.ts";
import { cleanResource, cleanTree } from "./autoclean.ts";
import type { Command, Desk } from "./command.ts";
import { deleteOldLogs } from "./log_delete.ts";
import { purgeErrors, purgeLogs } from "./log_purge.ts";
import { purgeTombstones, purgeTree } from "./purge.ts";
import { rotate } from "./rotate.ts";
import { allOf } from "./steps.ts";

/** For each resource that this host knows, when a timer may run it. */
const TIMED = {
  subject: "resources-or-all",
  usage: "[RES|LIST|all]",
  wordsMin: 0,
  wordsMax: 0,
  standing: "known",
  whenBusy: "skip",
  isQuiet: true,
} as const;

export const HOUSEKEEPING_COMMANDS: readonly Command[] = [
  {
    ...TIMED,
    name: "log-rotate",
    summary: "Let a primary go on in a new log",
    details:
      "Small logs are not rotated any more when there are many; see --thresh-logfiles and --thresh-logsize. With --force also a host that is no primary, if nobody else went on.",
    run: async (desk, resource) => {
      noteToolVersion(desk);
      const { isDone, text } = await rotate(desk, resource);
      if (isDone) desk.print(`"${resource}": ${text}`);
      else desk.warn(`SKIPPING: "${resource}": ${text}`);
    },
  },
  {
    ...TIMED,
    name: "log-delete",
    aliases: ["log-delete-all", "log-delete-all-replayed"],
    summary: "Delete logs that every member has replayed",
    details:
      "Young logs stay, unless --force is given. A member that does not replay keeps all logs from its position on; --ignore-deleted-peers says whether hosts count that left the cluster.",
    run: async (desk, resource) => {
      const logs = await deleteOldLogs(desk, resource, Infinity);
      tell(desk, resource, logs, "delete");
    },
  },
  {
    ...TIMED,
    name: "log-delete-one",
    summary: "Delete the first log that every member has replayed",
    run: async (desk, resource) => {
      tell(desk, resource, await deleteOldLogs(desk, resource, 1), "delete");
    },
  },
  {
    ...TIMED,
    name: "log-purge-all",
    summary: "Delete own logs that lead to no member: lost sides of a split",
    details: "With --force also young ones, and those of other hosts.",
    run: async (desk, resource) => {
      tell(desk, resource, await purgeLogs(desk, resource), "purge");
    },
  },
  {
    ...TIMED,
    name: "err-purge-all",
    summary: "Forget error messages of this host",
    run: purgeErrors,
  },
  {
    ...TIMED,
    name: "link-purge-all",
    summary: "Remove tombstones that every host has seen",
    details: "With --force all but the youngest, seen or not.",
    run: (desk, resource) => purgeTombstones(desk, linkPath.resource(resource)),
  },
  {
    ...TIMED,
    name: "cron",
    usage: "[RES|LIST|all] [--autoclean=DAYS [--force]]",
    summary: "Rotate and delete logs, clean the tree; for a timer",
    details:
      "With --autoclean also what hosts left behind in a resource that they were in; and it names resources without any host, which --force removes.",
    run: (desk, resource) =>
      allOf([
        // Without room for a new log the old ones can still go.
        async () => {
          const { text } = await rotate(desk, resource);
          desk.print(`"${resource}": ${text}`);
        },
        async () => {
          const logs = await deleteOldLogs(desk, resource, Infinity);
          tell(desk, resource, logs, "delete");
        },
        () => cleanResource(desk, resource),
      ]),
    finish: (desk) =>
      allOf([
        () => noteToolVersion(desk),
        () => purgeTree(desk),
        () => cleanTree(desk),
      ]),
  },
];

function tell(
  desk: Desk,
  resource: string,
  logs: readonly LogFile[],
  verb: string,
): void {
  const bytes = logs.reduce((sum, file) => sum + file.sizeBytes, 0);
  desk.print(
    logs.length === 0
      ? `"${resource}": no log to ${verb}`
      : `"${resource}": ${verb}d ${formatCount(logs.length, "log")}, ${
        formatBytes(bytes)
      }`,
  );
}

/** Prescribed by MARS: its daemons go by it. */
function noteToolVersion(desk: Desk): void {
  const path = linkPath.global(desk.host, "marsadm-version");
  const snapshot = desk.snapshot();
  const isInCluster = snapshot.value(linkPath.ip(desk.host)) !== undefined;
  if (!isInCluster || snapshot.value(path) === TOOL_VERSION) return;
  desk.write([{ path, value: TOOL_VERSION }]);
}
