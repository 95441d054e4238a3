/**
 * primary and secondary: who may write.
 *
 *   primary            1  check; refuse with every obstacle
 *   (planned)          2  wait until nothing of the old primary is missing here
 *                      3  designate nobody; the old primary writes back and ends
 *                      4  wait until it has, and its last bytes are here
 *                      5  designate this host; wait for its device
 *
 * When a planned handover gives up or is interrupted, the old primary is
 * designated again: a handover that fails changes nothing.
 *
 *   primary --force    1  check that fetch is off, 2 wait until it has stopped,
 *                      5  as above
 *
 * "Nobody" is written with a stamp only one second newer than the old value, so
 * that a `primary` elsewhere at the same time wins against it.
 *
 * Source: phases of `marsadm primary`; that it puts back what it took is ours.
 */
import { NS_PER_S } from "../base/time.ts";
import { historyGaps, preconditions } from "../resource/handover.ts";
import { findSplits } from "../resource/history.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { NOBODY } from "../tree/values.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";
import { obstaclesIn } from "./report.ts";

export const ROLE_COMMANDS: readonly Command[] = [
  {
    name: "primary",
    usage: "RES [--force] [--ignore-sync]",
    summary: "Make this host primary; hand over, or --force after a loss",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    run: primary,
  },
  {
    name: "secondary",
    usage: "RES",
    summary: "Leave the primary role; nobody is primary then",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    run: secondary,
  },
];

async function primary(desk: Desk, resource: string): Promise<void> {
  const { options, host } = desk;
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, host);
  const old = view.designated ??
    snapshot.value(linkPath.userspace(resource, "last-primary"));
  const obstacles = preconditions(view, {
    isForced: options.force,
    ignoreSync: options.ignoreSync,
    oldPrimary: old,
    isRecent: (member) => desk.isRecent(snapshot, member),
  });
  if (!desk.isDaemonRunning()) obstacles.push("no daemon runs here");
  refuseIf(
    `make this host primary of "${resource}"`,
    obstacles,
    // Force changes what is checked, not whether.
    { ...options, force: false },
  );
  if (options.force) {
    await desk.waitUntil(
      "for fetch to stop",
      (now) =>
        resourceView(now, resource, host).own?.isFetching === true
          ? ["a fetch is running"]
          : [],
    );
  } else if (old !== undefined && old !== host) {
    await takeOver(desk, resource, old);
  }
  designate(desk, resource, old);
  await waitForDevice(desk, resource);
  if (options.force) {
    // The way is free again for what others still have.
    desk.write([{
      path: linkPath.todo(resource, host, "connect"),
      value: "1",
    }]);
  }
  desk.print(`"${resource}": this host is primary`);
}

/** Steps 2 to 4. @throws MarsError with the old primary designated again */
async function takeOver(
  desk: Desk,
  resource: string,
  old: string,
): Promise<void> {
  const gapsOf = (snapshot: Snapshot): string[] =>
    historyGaps(resourceView(snapshot, resource, desk.host), old);
  const wasDesignated = desk.view(resource).designated === old;
  await desk.waitUntil(`for the history of "${old}"`, (snapshot) => {
    const view = resourceView(snapshot, resource, desk.host);
    // While it writes, only the distance matters; the end comes later.
    return isWriting(view, old) ? [] : gapsOf(snapshot);
  });
  using _signals = desk.effects.onInterrupt(() => desk.interrupt());
  try {
    if (wasDesignated) desk.write([nobody(desk, resource)], "2");
    await desk.waitUntil(`for "${old}" to finish`, (snapshot) => {
      const view = resourceView(snapshot, resource, desk.host);
      const left = isWriting(view, old) ? [`"${old}" is still primary`] : [];
      if (!desk.isRecent(snapshot, old)) {
        left.push(`"${old}" was not heard of lately`);
      }
      return [...left, ...gapsOf(snapshot)];
    });
  } catch (error) {
    if (wasDesignated) {
      desk.write([{ path: linkPath.primary(resource), value: old }], "2");
      desk.warn(`WARNING: "${old}" is designated primary again`);
    }
    throw error;
  }
}

function isWriting(view: ResourceView, host: string): boolean {
  return view.members.some((member) =>
    member.host === host && member.isPrimary
  );
}

/** "Nobody", hardly newer than what it replaces. */
function nobody(desk: Desk, resource: string): LinkWrite {
  const path = linkPath.primary(resource);
  const oldNs = desk.snapshot().stampNs(path) ?? 0n;
  return {
    path,
    value: NOBODY,
    stampNs: (oldNs / NS_PER_S + 1n) * NS_PER_S,
  };
}

function designate(
  desk: Desk,
  resource: string,
  old: string | undefined,
): void {
  const links: LinkWrite[] = [
    { path: linkPath.primary(resource), value: desk.host },
    { path: linkPath.userspace(resource, "last-primary"), value: desk.host },
  ];
  if (old !== undefined && old !== desk.host) {
    links.push({
      path: linkPath.userspace(resource, "prev-primary"),
      value: old,
    });
  }
  desk.write(links, "2");
}

async function waitForDevice(desk: Desk, resource: string): Promise<void> {
  const view = desk.view(resource);
  const [split] = findSplits(view);
  if (split !== undefined) {
    desk.warn(
      `WARNING: "${resource}" is in split brain between "${
        split.hosts.join('" and "')
      }"`,
    );
  }
  await desk.waitUntil(`for the device of "${resource}"`, (snapshot) => {
    const now = resourceView(snapshot, resource, desk.host);
    if (now.own?.isDeviceOn === true) return [];
    const directory = directoryOf(
      linkPath.actual(resource, desk.host, ""),
    );
    const told = obstaclesIn(snapshot, directory, desk.host)
      .map((obstacle) => obstacle.text);
    return told.length > 0 ? told : ["the device is not there"];
  });
}

async function secondary(desk: Desk, resource: string): Promise<void> {
  const view = desk.view(resource);
  const obstacles: string[] = [];
  if (view.designated !== undefined) {
    const member = view.members.find(({ host }) => host === view.designated);
    if ((member?.openCount ?? 0) > 0) {
      obstacles.push(
        `the device is open ${member?.openCount} times on "${member?.host}"`,
      );
    }
  }
  refuseIf(`make "${resource}" secondary`, obstacles, desk.options);
  if (view.designated !== undefined) {
    desk.write([nobody(desk, resource)], "2");
  }
  await desk.waitUntil("for the primary to finish", (snapshot) => {
    const now = resourceView(snapshot, resource, desk.host);
    return now.members.filter((member) =>
      member.isPrimary && (
        member.host === desk.host || desk.isRecent(snapshot, member.host)
      )
    ).map((member) => `"${member.host}" is still primary`);
  });
  desk.print(`"${resource}": nobody is primary`);
}
