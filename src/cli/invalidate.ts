/**
 * invalidate: give up what this host has, and copy from the primary again.
 *
 *   1  check: this host is no primary, another one is designated, and leads
 *   2  all switches off; wait until disk and logs are let go
 *   3  find out what only this host has written since the histories parted
 *   4  say that the copy is worth nothing, durably
 *   5  note what is to be copied; delete local logs that are no part of the
 *      primary's history
 *   6  position, versions: as if this host joined now, or where the histories
 *      parted; no old errors
 *   7  all switches on, sync last
 *
 * This is how a split brain is healed: on the side that shall lose. Only what it
 * has written itself is copied then, if that can be known; see
 * `resource/rewind.ts`. Stopped anywhere and typed again it does the rest, and
 * copies all. If the wait gives up, the switches are put back; behind step 4
 * there is nothing to go back to.
 *
 * Source: `marsadm invalidate`; step 4 is part of its log purge.
 */
import { assert } from "../base/assert.ts";
import { formatBytes } from "../base/figures.ts";
import {
  copiedVersions,
  historyObstacles,
  versionOf,
} from "../resource/history.ts";
import { findSplits } from "../resource/parting.ts";
import { lasting, passing, type Reason, textsOf } from "../resource/reasons.ts";
import { SWITCH_LINKS } from "../resource/switch_stamps.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";
import { tombstonesUnder } from "../tree/tombstones.ts";
import { formatReplay, formatSkipCheck, TOMBSTONE } from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { gateOf } from "./gate.ts";
import {
  cutLogs,
  forgottenRewind,
  planRewind,
  type RewindWork,
} from "./rewind.ts";
import { roleReasons, stabilityObstacles } from "./standing.ts";
import { isActingForAnother } from "./start_checks.ts";
import { stillRunning } from "./running.ts";
import { usedNumberLinks } from "./used_numbers.ts";

export const INVALIDATE_COMMANDS: readonly Command[] = [
  {
    name: "invalidate",
    usage: "RES [--full]",
    summary: "Give up the copy of this host; copy from the primary again",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: invalidate,
  },
];

function invalidate(desk: Desk, resource: string): readonly Phase[] {
  let before: readonly LinkWrite[] = [];
  let isWorthless = false;
  let told = "";
  const gate = gateOf(desk, {
    action: `invalidate "${resource}"`,
    // Force has no answer to where a copy should come from.
    isForceless: true,
    reasons: (snapshot) =>
      sourceReasons(resourceView(snapshot, resource, desk.host)),
  });
  return [
    {
      title: "check that another host is primary",
      act: gate.act,
      goal: "both daemons to tell their roles",
      until: async (snapshot) => {
        const view = resourceView(snapshot, resource, desk.host);
        return [
          ...await gate.until(snapshot),
          ...leadObstacles(view),
          ...(desk.options.force
            ? []
            : stabilityObstacles(desk, snapshot, view)),
        ];
      },
    },
    {
      title: "let disk and logs go",
      goal: "disk and logs to be let go",
      act: () => {
        before = switchLinks(desk, resource, "1").filter(({ path }) =>
          desk.snapshot().value(path) === "1"
        );
        desk.write(switchLinks(desk, resource, "0"), "3");
      },
      until: (snapshot) => {
        if (desk.options.force || !desk.isDaemonRunning()) return [];
        return stillRunning(desk, snapshot, { resource, links: SWITCH_LINKS });
      },
      undo: () => {
        if (isWorthless) return;
        desk.write(before, "3");
        desk.warn(`WARNING: "${resource}" is switched on again`);
      },
    },
    {
      title: "give up the copy",
      act: async () => {
        // The primary may have changed meanwhile.
        const view = desk.view(resource);
        const source = checkRole(desk, view);
        refuseIf(`invalidate "${resource}"`, leadObstacles(view), {
          ...desk.options,
          force: false,
        });
        const work = await planRewind(desk, view, source.host);
        isWorthless = true;
        told = await giveUp(desk, view, source, work);
      },
    },
    {
      title: "copy from the primary again",
      act: () => {
        const [sync, ...others] = switchLinks(desk, resource, "1");
        desk.write(others);
        if (sync !== undefined) desk.write([sync], "3");
        const { designated } = desk.view(resource);
        desk.print(
          `"${resource}": copying from "${designated}" again${told}`,
        );
      },
    },
  ];
}

/** A primary that copies can be made from. */
type Source = MemberState & {
  readonly replay: NonNullable<MemberState["replay"]>;
};

/** Says what is copied, behind "copying again". */
async function giveUp(
  desk: Desk,
  view: ResourceView,
  source: Source,
  work: RewindWork,
): Promise<string> {
  const { resource, host } = view;
  // The note of before first: it must not count for this copy.
  desk.write([
    ...forgottenRewind(desk.snapshot(), resource, host),
    { path: linkPath.syncStatus(resource, host), value: "0" },
    { path: linkPath.syncPos(resource, host), value: TOMBSTONE },
  ]);
  desk.flushTree();
  const files = await desk.logs.list(resource);
  const used = usedNumberLinks(view, files, source.replay.log.sequence);
  const isRewound = work.kind === "rewind";
  if (isRewound) {
    // Before any log is cut: what it says cannot be found out again.
    desk.write([...work.links, ...used]);
    desk.flushTree();
  } else desk.write(used);
  const log = isRewound ? work.to.log : source.replay.log;
  const { sequence } = log;
  const first = isRewound
    ? sequence
    : firstForeign(view, source.host, sequence);
  if (isRewound) await cutLogs(desk, resource, files, work.parting);
  else await deleteFrom(desk, resource, first);
  desk.write([
    ...versionLinks(view, { source: source.host, sequence, first }),
    // Errors that were told of the old copy.
    ...tombstonesUnder(
      desk.snapshot(),
      linkPath.actual(resource, host, "msg-err-"),
    ),
    {
      path: linkPath.skipCheck(resource, host),
      value: formatSkipCheck(sequence),
    },
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({
        log,
        startBytes: isRewound ? work.to.bytes : 0,
        dirtyBytes: 0,
      }),
    },
  ]);
  if (isRewound) {
    return `, only what was written here: ${formatBytes(work.bytes)}`;
  }
  return findSplits(view).some(({ hosts }) => hosts.includes(host))
    ? `, the whole disk: ${work.reason}`
    : "";
}

/**
 * A host that does not lead yet may still replay what it will change; and a
 * history that is not that of the primary would be a split brain later.
 */
function leadObstacles(view: ResourceView): string[] {
  const { members, designated } = view;
  const source = members.find((member) => member.host === designated);
  if (source === undefined) return [];
  if (!source.isPrimary) {
    return [`"${source.host}" is designated primary, but does not lead yet`];
  }
  return source.replay === undefined
    ? []
    : historyObstacles(view, source.replay.log.sequence, source.host);
}

/** Why there is nothing to copy from, or nothing to be copied to. */
function sourceReasons(view: ResourceView): Reason[] {
  const { designated, own, members } = view;
  const source = members.find((member) => member.host === designated);
  const reasons = roleReasons(view);
  const last = (text: string): void => void reasons.push(lasting(text));
  if (own === undefined) last("this host has no disk for it");
  if (reasons.length === 0 && source === undefined) {
    last("no other host is designated primary");
  } else if (source?.hasEmergency === true) {
    last(`its primary "${source.host}" is in emergency mode`);
  }
  if (source !== undefined && source.replay === undefined) {
    reasons.push(passing(`the position of "${source.host}" is not known`));
  }
  return reasons;
}

/** The primary, and where it is. @throws RefusedError */
function checkRole(
  desk: Desk,
  view: ResourceView,
): Source {
  const { designated, members } = view;
  refuseIf(`invalidate "${view.resource}"`, textsOf(sourceReasons(view)), {
    ...desk.options,
    force: false,
  });
  const source = members.find((member) => member.host === designated);
  const replay = source?.replay;
  assert(source !== undefined, "a source was found");
  assert(replay !== undefined, "its position was found");
  return { ...source, replay };
}

/** The switch of sync first. */
function switchLinks(
  desk: Desk,
  resource: string,
  value: "0" | "1",
): LinkWrite[] {
  const others = SWITCH_LINKS.filter((link) => link !== "sync");
  return ["sync", ...others].map((link) => ({
    path: linkPath.todo(resource, desk.host, link),
    value,
  }));
}

/**
 * The lowest log of which this host has something else than `source`; at most
 * `sequence`, where the copy begins.
 */
function firstForeign(
  view: ResourceView,
  source: string,
  sequence: number,
): number {
  let first = sequence;
  for (const candidate of view.versions.keys()) {
    const own = versionOf(view, candidate, view.host);
    const other = versionOf(view, candidate, source);
    const isForeign = own !== undefined && other !== undefined &&
      own.text !== other.text;
    if (isForeign) first = Math.min(first, candidate);
  }
  return first;
}

/** A log that goes on where the primary's history does not is of no use. */
async function deleteFrom(
  desk: Desk,
  resource: string,
  first: number,
): Promise<void> {
  // The files here are those of this machine.
  if (isActingForAnother(desk, desk.snapshot())) return;
  for (const { log } of await desk.logs.list(resource)) {
    if (log.sequence < first) continue;
    await desk.removeLog(resource, log);
  }
}

/** Two versions as the primary has them; of those behind none. */
function versionLinks(
  view: ResourceView,
  { source, sequence, first }: {
    source: string;
    sequence: number;
    first: number;
  },
): LinkWrite[] {
  const links = new Map<string, string>();
  for (const candidate of view.versions.keys()) {
    if (candidate < first) continue;
    if (versionOf(view, candidate, view.host) === undefined) continue;
    const path = linkPath.version(view.resource, candidate, view.host);
    links.set(path, TOMBSTONE);
  }
  for (const [path, text] of copiedVersions(view, { source, sequence })) {
    links.set(path, text);
  }
  return [...links].map(([path, value]) => ({ path, value }));
}
