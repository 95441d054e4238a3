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
import { lasting, passing, type Reason, textsOf } from "../resource/reasons.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";
import {
  formatReplay,
  formatSkipCheck,
  parseCount,
  TOMBSTONE,
} from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { gateOf } from "./gate.ts";
import { stillRunning } from "./running.ts";
import { roleReasons, stabilityObstacles } from "./standing.ts";

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
      title: "check that nobody writes here",
      goal: "the role to end",
      ...gateOf(desk, {
        action: `fake the sync of "${resource}"`,
        isForceless: true,
        reasons: (snapshot) => {
          const view = resourceView(snapshot, resource, host);
          return [
            ...roleReasons(view),
            ...(view.sizeBytes === undefined
              ? [lasting("its size is not known")]
              : []),
          ];
        },
      }),
    },
    {
      title: "end the sync",
      goal: "sync to end",
      act: () => {
        const view = desk.view(resource);
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
  const gate = gateOf(desk, {
    action: `set the position of "${resource}"`,
    isForceless: true,
    reasons: (snapshot) =>
      replayReasons(
        desk,
        resourceView(snapshot, resource, desk.host),
        parseNumber(text),
      ),
  });
  return [
    {
      title: "check that replay is off, and nobody writes here",
      act: gate.act,
      goal: "the daemon to tell its role",
      until: async (snapshot) => [
        ...await gate.until(snapshot),
        ...(desk.options.force
          ? []
          : stabilityObstacles(desk, snapshot, desk.view(resource))),
      ],
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

/** Why replay must not go on at log `sequence`. */
function replayReasons(
  desk: Desk,
  view: ResourceView,
  sequence: number,
): Reason[] {
  const { own } = view;
  const reasons = roleReasons(view);
  if (own?.desired.replay === true) {
    reasons.push(lasting("replay is on; type pause-replay"));
  } else if (own?.isReplaying === true) {
    reasons.push(passing("replay is running"));
  }
  if (logOf(view, sequence) === undefined) {
    const authors = authorsOf(view, sequence).map((host) => `"${host}"`);
    reasons.push(lasting(
      authors.length === 0
        ? `nobody knows log ${sequence}`
        : `log ${sequence} was written by ${authors.join(" and ")}`,
    ));
  }
  const current = own?.replay?.log.sequence ?? 0;
  // What else is in the way comes first: this has an answer.
  if (reasons.length === 0 && sequence > current && !desk.options.force) {
    reasons.push(lasting(
      `what lies between log ${current} and ${sequence} would be left out`,
    ));
  }
  return reasons;
}

/** The log that is meant. @throws RefusedError */
function checkReplay(
  desk: Desk,
  view: ResourceView,
  sequence: number,
): LogName {
  refuseIf(
    `set the position of "${view.resource}"`,
    textsOf(replayReasons(desk, view, sequence)),
    { ...desk.options, force: false },
  );
  const log = logOf(view, sequence);
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
