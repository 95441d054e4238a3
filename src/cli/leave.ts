/**
 * leave-resource and delete-resource: what they leave behind.
 *
 *   leave   1  check; wait until the state told here is newer than the roles
 *           2  the device: from now on the daemon does nothing for it
 *           3  logs and versions that nobody else can reach
 *           4  all other links of this host, its disk last: stopped anywhere
 *              and typed again, it does the rest
 *   delete  1  check that no host takes part any more
 *           2  everything below the resource but `maxnr`; `size` last
 *
 * A tombstone travels, and takes the copies of others away. What is known here
 * of these may be old, but positions go forward: so it stands only for logs that
 * all others have passed. Of all that come behind only the copy here is removed,
 * and of what others need not before another host has all of it.
 *
 * `--host=NAME --force` lets a dead host leave: what it does is known to
 * nobody, so nothing of it is checked, and the files here are not its own. When
 * it comes back, it is told that logs are left there; typed there, the command
 * deletes them, unless others still need one.
 *
 * Source: `marsadm leave-resource`, `delete-resource`, which leave temporary
 * links behind and delete logs by reach in a separate step.
 */
import { versionOf } from "../resource/history.ts";
import { takesPart } from "../resource/left_links.ts";
import { lasting, passing, type Reason } from "../resource/reasons.ts";
import { reachOf } from "../resource/reach.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath, nameOf } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { gateOf } from "./gate.ts";
import { onlyCopies } from "./only_copies.ts";
import { isActingForAnother } from "./start_checks.ts";
import {
  hasBegunToLeave,
  roleReasons,
  stabilityObstacles,
} from "./standing.ts";
import { usedNumberLinks } from "./used_numbers.ts";

export const LEAVE_COMMANDS: readonly Command[] = [
  {
    name: "leave-resource",
    usage: "RES [--host=DEAD-HOST --force]",
    summary: "End the membership of this host; the disk stays as it is",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: leave,
  },
  {
    name: "delete-resource",
    usage: "RES [--force]",
    summary: "Delete a resource that every host has left",
    subject: "resources",
    standing: "known",
    wordsMin: 0,
    wordsMax: 0,
    phases: deletePhases,
  },
];

function leave(desk: Desk, resource: string): readonly Phase[] {
  const reasons = async (snapshot: Snapshot): Promise<Reason[]> => {
    const view = resourceView(snapshot, resource, desk.host);
    // One that has begun is only to be ended: nothing runs here any more.
    if (hasBegunToLeave(view)) return [];
    const copies = await onlyCopies(desk, snapshot, resource, {
      isSideKept: false,
    });
    return [
      ...isLeft(desk, snapshot, resource) ? [] : leaveReasons(snapshot, view),
      ...copies.map(passing),
    ];
  };
  const gate = gateOf(desk, { action: `leave "${resource}"`, reasons });
  return [
    {
      title: "check that this host may leave",
      act: async () => {
        await gate.act();
        if (!desk.options.force) return;
        for (const { text } of await reasons(desk.snapshot())) {
          desk.warn(`WARNING: ${text}`);
        }
      },
      goal: "the daemon to tell its role",
      until: async (snapshot) => {
        if (desk.options.force) return [];
        const view = resourceView(snapshot, resource, desk.host);
        return [
          ...await gate.until(snapshot),
          ...(hasBegunToLeave(view) || isLeft(desk, snapshot, resource)
            ? []
            : stabilityObstacles(desk, snapshot, view)),
        ];
      },
    },
    ...leavePhases(desk, resource),
  ];
}

/** What is done when nothing forbids it; stopped anywhere, it can be repeated. */
export function leavePhases(desk: Desk, resource: string): readonly Phase[] {
  return [
    {
      title: "switch it off here",
      act: () => {
        const device = linkPath.device(resource, desk.host);
        if (desk.snapshot().value(device) === undefined) return;
        desk.write([{ path: device, value: TOMBSTONE }]);
      },
    },
    {
      title: "delete logs that nobody else can reach",
      act: async () => {
        const view = desk.view(resource);
        const others = othersOf(view);
        if (others.length === 0 && view.own !== undefined) {
          desk.warn(`WARNING: "${desk.host}" has the last copy`);
        }
        desk.write(await unreachable(desk, view, others));
        await removeCopies(desk, view, others);
      },
    },
    {
      title: "delete what this host says",
      act: () => {
        desk.write(ownLinks(desk.snapshot(), resource, desk.host), "3");
        // Half of it must not come back with the power.
        desk.flushTree();
        desk.print(`"${resource}": "${desk.host}" is no member any more`);
      },
    },
  ];
}

/** Whether this host was made to leave: only logs can be here. */
function isLeft(desk: Desk, snapshot: Snapshot, resource: string): boolean {
  return !takesPart(snapshot, resource, desk.host);
}

function othersOf(view: ResourceView): string[] {
  return view.members.map(({ host }) => host)
    .filter((host) => host !== view.host);
}

const LIMIT = "emergency-limit";
/** They mean nothing where nothing is logged, copied, or compared. */
const HARMLESS = ["log-quota", "sync-rate", "verify", "verify-rate"];
/** What a daemon does: 0 when it does not. */
const ACTIVE = /^(is-|logfile-)/;
/** Work items of a very old version. */
const DELETE_ITEM = /^delete/;

function leaveReasons(snapshot: Snapshot, view: ResourceView): Reason[] {
  const { host, resource } = view;
  const reasons = roleReasons(view);
  const switchedOn: string[] = [];
  for (const { path, value } of childrenOf(snapshot, resource, "todo", host)) {
    const name = nameOf(path);
    const isHarmless = HARMLESS.includes(name) || DELETE_ITEM.test(name);
    if (value === "0" || isHarmless) continue;
    if (name !== LIMIT) switchedOn.push(name);
    else {
      reasons.push(lasting(
        `the emergency limit is ${value}; type set-emergency-limit ${resource} 0`,
      ));
    }
  }
  if (switchedOn.length > 0) {
    reasons.push(
      lasting(`on are: ${switchedOn.join(", ")}; type down ${resource}`),
    );
    // What follows from that needs not be said.
    return reasons;
  }
  for (
    const { path, value } of childrenOf(snapshot, resource, "actual", host)
  ) {
    // What it is as primary was said above.
    const name = nameOf(path);
    if (!ACTIVE.test(name) || name === "is-primary" || value === "0") continue;
    reasons.push(passing(`"${name}" is still ${value} on "${host}"`));
  }
  return reasons;
}

type OwnDirectory = "todo" | "actual" | "defaults" | "local";

function childrenOf(
  snapshot: Snapshot,
  resource: string,
  directory: OwnDirectory,
  host: string,
): { path: string; value: string }[] {
  const path = `${linkPath.resource(resource)}/${directory}-${host}`;
  return [...snapshot.children(path)].filter(({ value }) => value !== TOMBSTONE)
    .sort(byPath);
}

function byPath(left: { path: string }, right: { path: string }): number {
  return left.path < right.path ? -1 : 1;
}

/** Tombstones of logs and versions that none of `others` can need. */
async function unreachable(
  desk: Desk,
  view: ResourceView,
  others: readonly string[],
): Promise<LinkWrite[]> {
  const { resource, host } = view;
  const reach = reachOf(view, others);
  const isLast = others.length === 0;
  const files = await desk.logs.list(resource);
  // If it joins again, what it wrote on a lost side must not be mistaken.
  const links = isLast
    ? []
    : usedNumberLinks(view, files, reach.highestSequence);
  for (const { log } of files) {
    const isOurs = log.host === host || isLast;
    if (!isOurs || reach.needsLog(log)) continue;
    if (log.sequence >= reach.lowestSequence) continue;
    const path = linkPath.log(resource, log.sequence, log.host);
    links.push({ path, value: TOMBSTONE });
  }
  for (const sequence of view.versions.keys()) {
    const link = versionOf(view, sequence, host);
    if (link === undefined) continue;
    // What the author says of a log is what others compare with.
    const { log } = link.value.self;
    if (log.host === host && reach.needsVersion(log)) continue;
    const path = linkPath.version(resource, sequence, host);
    links.push({ path, value: TOMBSTONE });
  }
  return links;
}

/** Removes what is left of logs here, without telling anybody. */
async function removeCopies(
  desk: Desk,
  view: ResourceView,
  others: readonly string[],
): Promise<void> {
  const { resource, host } = view;
  const isAnothers = isActingForAnother(desk, desk.snapshot());
  const reach = reachOf(view, others);
  for (const { log } of await desk.logs.list(resource)) {
    // Copies of a dead host's logs belong to the host that stores them.
    const isNeeded = log.host !== host || reach.needsLog(log);
    if (isAnothers && isNeeded) continue;
    await desk.removeLog(resource, log);
  }
}

/** Tombstones of all else that makes `host` take part; the disk is last. */
function ownLinks(
  snapshot: Snapshot,
  resource: string,
  host: string,
): LinkWrite[] {
  const directories: readonly OwnDirectory[] = [
    "todo",
    "actual",
    "defaults",
    "local",
  ];
  const paths = [
    ...directories.flatMap((directory) =>
      childrenOf(snapshot, resource, directory, host).map(({ path }) => path)
    ),
    linkPath.syncStatus(resource, host),
    linkPath.syncPos(resource, host),
    linkPath.syncFrom(resource, host),
    linkPath.skipCheck(resource, host),
    linkPath.verifyStatus(resource, host),
    linkPath.connect(resource, host),
    linkPath.actsize(resource, host),
    linkPath.replay(resource, host),
    linkPath.data(resource, host),
  ];
  return paths.filter((path) => snapshot.value(path) !== undefined)
    .map((path) => ({ path, value: TOMBSTONE }));
}

/** Entries by which a host still takes part. */
const TAKING_PART = /^(?:device|data|replay)-(.+)$/;

const DEVICE = /^device-/;

function deletePhases(desk: Desk, resource: string): readonly Phase[] {
  return [
    {
      title: "check that no host takes part any more",
      goal: "all hosts to leave",
      ...gateOf(desk, {
        action: `delete "${resource}"`,
        reasons: (snapshot) => partReasons(desk, snapshot, resource),
      }),
    },
    {
      title: "delete it",
      act: () => deleteResource(desk, resource),
    },
  ];
}

/** Others may have left a moment ago; of itself a host knows. */
function partReasons(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): Reason[] {
  const hosts = new Set<string>();
  for (
    const { path, value } of snapshot.children(linkPath.resource(resource))
  ) {
    const host = TAKING_PART.exec(nameOf(path))?.[1];
    if (host !== undefined && value !== TOMBSTONE) hosts.add(host);
  }
  if (hosts.size === 0) return [];
  const text = `hosts still take part; type leave-resource ${resource} on ${
    [...hosts].sort().map((host) => `"${host}"`).join(", ")
  }`;
  return [hosts.has(desk.host) ? lasting(text) : passing(text)];
}

async function deleteResource(desk: Desk, resource: string): Promise<void> {
  const snapshot = desk.snapshot();
  const directory = linkPath.resource(resource);
  // Daemons let go first; what makes it a resource goes last.
  const last = [linkPath.primary(resource), linkPath.size(resource)];
  const kept = [linkPath.maxnr(resource), ...last];
  const first: string[] = [];
  const others: string[] = [];
  for (const { path, value } of snapshot.under(directory)) {
    if (value === TOMBSTONE || kept.includes(path)) continue;
    (DEVICE.test(nameOf(path)) ? first : others).push(path);
  }
  const logs = (await desk.logs.list(resource)).map(({ log }) =>
    linkPath.log(resource, log.sequence, log.host)
  );
  const present = last.filter((path) => snapshot.value(path) !== undefined);
  const links = [...first.sort(), ...others.sort(), ...logs, ...present]
    .map((path) => ({ path, value: TOMBSTONE }));
  desk.write(links, "3");
  desk.print(`"${resource}" is deleted`);
}
