/**
 * Commands of experts on what a copy is taken for: fake-sync, set-replay.
 *
 *   fake-sync    takes the disk as it is for a complete copy
 *   set-replay   lets replay go on at the beginning of another log
 *
 * Both may make a copy differ from its primary for good, and say so.
 *
 * Source: `marsadm fake-sync`, `set-replay`.
 */
import { assert } from "../base/assert.ts";
import { UsageError } from "../base/errors.ts";
import { logFileName, type LogName } from "../base/names.ts";
import { authorsOf, copiedVersions, versionOf } from "../resource/history.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  formatReplay,
  formatSkipCheck,
  parseCount,
  TOMBSTONE,
} from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { stillRunning } from "./running.ts";
import { roleObstacles, stabilityObstacles } from "./standing.ts";

export const REPLAY_COMMANDS: readonly Command[] = [
  {
    name: "fake-sync",
    usage: "RES",
    summary: "Take the disk for a complete copy; only if you know that it is",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: fakeSync,
  },
  {
    name: "set-replay",
    usage: "RES NUMBER",
    summary: "Let replay begin at log NUMBER; only for experts",
    details:
      "Replay must be off, and this host no primary. A lower number than before replays logs again; a higher one leaves logs out, and needs --force.",
    subject: "resources",
    wordsMin: 1,
    wordsMax: 1,
    phases: setReplay,
  },
];

function fakeSync(desk: Desk, resource: string): readonly Phase[] {
  const { host } = desk;
  const sync = linkPath.todo(resource, host, "sync");
  let wasOn = false;
  return [
    {
      title: "end the sync",
      goal: "sync to end",
      act: () => {
        const view = desk.view(resource);
        refuseIf(`fake the sync of "${resource}"`, [
          ...roleObstacles(view),
          ...(view.sizeBytes === undefined ? ["its size is not known"] : []),
        ], { ...desk.options, force: false });
        wasOn = view.own?.desired.sync === true;
        desk.write([{ path: sync, value: "0" }]);
      },
      until: (snapshot) => {
        return desk.isDaemonRunning()
          ? stillRunning(desk, snapshot, { resource, links: ["sync"] })
          : [];
      },
      undo: () => {
        if (wasOn) desk.write([{ path: sync, value: "1" }]);
      },
    },
    {
      title: "take the disk for a copy",
      act: () => {
        const { sizeBytes } = desk.view(resource);
        const path = linkPath.syncStatus(resource, host);
        desk.write([{ path, value: String(sizeBytes) }]);
        desk.warn(
          `WARNING: "${resource}": nobody has compared the disk with the primary's; sync stays off`,
        );
      },
    },
  ];
}

function setReplay(
  desk: Desk,
  resource: string,
  [text = ""]: readonly string[],
): readonly Phase[] {
  return [
    {
      title: "check that replay is off, and nobody writes here",
      act: () => {
        const sequence = parseNumber(text);
        const view = desk.view(resource);
        checkReplay(desk, view, sequence);
      },
      goal: "the daemon to tell its role",
      until: (snapshot) =>
        desk.options.force
          ? []
          : stabilityObstacles(desk, snapshot, desk.view(resource)),
    },
    {
      title: "set the position",
      act: () => {
        const sequence = parseNumber(text);
        const view = desk.view(resource);
        const log = checkReplay(desk, view, sequence);
        desk.write(positionLinks(view, log), "3");
        desk.flushTree();
        desk.print(
          `"${resource}": replay goes on at the beginning of "${
            logFileName(log)
          }"; type resume-replay`,
        );
      },
    },
  ];
}

function parseNumber(text: string): number {
  const sequence = parseCount(text);
  if (sequence !== undefined && sequence > 0) return sequence;
  throw new UsageError(
    `Cannot use "${text}" as number of a log: expected a whole number, not 0`,
  );
}

/** The log that is meant. @throws RefusedError */
function checkReplay(
  desk: Desk,
  view: ResourceView,
  sequence: number,
): LogName {
  const { own, resource } = view;
  const action = `set the position of "${resource}"`;
  const log = logOf(view, sequence);
  const authors = authorsOf(view, sequence).map((host) => `"${host}"`);
  refuseIf(action, [
    ...roleObstacles(view),
    ...(own?.desired.replay === true
      ? ["replay is on; type pause-replay"]
      : []),
    ...(own?.isReplaying === true ? ["replay is running"] : []),
    ...(log === undefined
      ? [
        authors.length === 0
          ? `nobody knows log ${sequence}`
          : `log ${sequence} was written by ${authors.join(" and ")}`,
      ]
      : []),
  ], { ...desk.options, force: false });
  const current = own?.replay?.log.sequence ?? 0;
  refuseIf(action, [
    ...(sequence > current
      ? [`what lies between log ${current} and ${sequence} would be left out`]
      : []),
  ], desk.options);
  assert(log !== undefined, "the log is known");
  return log;
}

/** Log `sequence` as the primary knows it, or as the only one that there is. */
function logOf(view: ResourceView, sequence: number): LogName | undefined {
  const known = versionOf(view, sequence, view.designated ?? "");
  if (known !== undefined) return known.value.self.log;
  const [host, ...others] = authorsOf(view, sequence);
  return host === undefined || others.length > 0
    ? undefined
    : { sequence, host };
}

function positionLinks(view: ResourceView, log: LogName): LinkWrite[] {
  const { resource, host } = view;
  const { sequence } = log;
  const links = new Map<string, string>();
  for (const known of view.versions.keys()) {
    if (known <= sequence) continue;
    if (versionOf(view, known, host) === undefined) continue;
    links.set(linkPath.version(resource, known, host), TOMBSTONE);
  }
  const source = view.designated ?? log.host;
  for (const [path, text] of copiedVersions(view, { source, sequence })) {
    links.set(path, text);
  }
  links.set(linkPath.skipCheck(resource, host), formatSkipCheck(sequence));
  links.set(
    linkPath.replay(resource, host),
    formatReplay({ log, startBytes: 0, dirtyBytes: 0 }),
  );
  return [...links].map(([path, value]) => ({ path, value }));
}
