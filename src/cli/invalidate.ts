/**
 * invalidate: give up what this host has, and copy from the primary again.
 *
 *   1  check: this host is no primary, another one is designated
 *   2  all switches off; wait until disk and logs are let go
 *   3  say that the copy is worth nothing, durably
 *   4  delete local logs that are no part of the primary's history
 *   5  position, versions: as if this host joined now
 *   6  all switches on
 *
 * This is how a split brain is healed: on the side that shall lose. Stopped
 * anywhere and typed again it does the rest.
 *
 * Source: `marsadm invalidate`; step 4 is part of its log purge.
 */
import { assert } from "../base/assert.ts";
import { versionOf } from "../resource/history.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";
import { formatReplay, formatSkipCheck, TOMBSTONE } from "../tree/values.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";

const SWITCHES = ["attach", "sync", "connect", "allow-replay"];

export const INVALIDATE_COMMANDS: readonly Command[] = [
  {
    name: "invalidate",
    usage: "RES",
    summary: "Give up the copy of this host; copy from the primary again",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    run: invalidate,
  },
];

async function invalidate(desk: Desk, resource: string): Promise<void> {
  checkRole(desk, desk.view(resource));
  turn(desk, resource, "0");
  if (desk.isDaemonRunning()) await waitForRest(desk, resource);
  // The primary may have changed meanwhile.
  const view = desk.view(resource);
  const source = checkRole(desk, view);
  const { host } = desk;
  desk.write([
    { path: linkPath.syncStatus(resource, host), value: "0" },
    { path: linkPath.syncPos(resource, host), value: TOMBSTONE },
  ]);
  desk.flushTree();
  const sequence = source.replay.log.sequence;
  const first = firstForeign(view, source.host, sequence);
  if (!desk.options.dryRun) await deleteFrom(desk, resource, first);
  desk.write([
    ...versionLinks(view, { source: source.host, sequence, first }),
    {
      path: linkPath.skipCheck(resource, host),
      value: formatSkipCheck(sequence),
    },
    {
      path: linkPath.replay(resource, host),
      value: formatReplay({
        log: source.replay.log,
        startBytes: 0,
        dirtyBytes: 0,
      }),
    },
  ]);
  turn(desk, resource, "1");
  desk.print(`"${resource}": copying from "${source.host}" again`);
}

/** The primary, and where it is. @throws RefusedError */
function checkRole(
  desk: Desk,
  view: ResourceView,
): MemberState & { readonly replay: NonNullable<MemberState["replay"]> } {
  const { designated, own, members, host } = view;
  const source = members.find((member) => member.host === designated);
  const obstacles: string[] = [];
  if (own === undefined) obstacles.push("this host is no member");
  if (own?.isPrimary === true || designated === host) {
    obstacles.push("this host is primary");
  } else if (source === undefined) {
    obstacles.push("no other host is designated primary");
  } else if (source.hasEmergency) {
    obstacles.push(`its primary "${source.host}" is in emergency mode`);
  }
  const replay = source?.replay;
  if (source !== undefined && replay === undefined) {
    obstacles.push(`the position of "${source.host}" is not known`);
  }
  // Force has no answer to where a copy should come from.
  refuseIf(`invalidate "${view.resource}"`, obstacles, {
    ...desk.options,
    force: false,
  });
  assert(source !== undefined, "a source was found");
  assert(replay !== undefined, "its position was found");
  return { ...source, replay };
}

function turn(desk: Desk, resource: string, value: "0" | "1"): void {
  const paths = SWITCHES.map((name) =>
    linkPath.todo(resource, desk.host, name)
  );
  desk.write(paths.map((path) => ({ path, value })), "3");
}

async function waitForRest(desk: Desk, resource: string): Promise<void> {
  await desk.waitUntil(`for "${resource}" to be let go`, (snapshot) => {
    const { own } = resourceView(snapshot, resource, desk.host);
    const left: string[] = [];
    if (own?.isAttached === true) left.push("the disk is open");
    if (own?.isFetching === true) left.push("a fetch is running");
    if (own?.isReplaying === true) left.push("replay is running");
    if (own?.isSyncing === true) left.push("sync is running");
    return left;
  });
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
  for (const { log } of await desk.logs.list(resource)) {
    if (log.sequence >= first) await desk.logs.delete(resource, log);
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
  for (const copied of [sequence - 1, sequence]) {
    const text = versionOf(view, copied, source)?.text;
    if (text === undefined) continue;
    links.set(linkPath.version(view.resource, copied, view.host), text);
  }
  return [...links].map(([path, value]) => ({ path, value }));
}
