/**
 * Guests: hosts that take part in a resource without a disk of their own.
 *
 *   device-<host>               names the device: the host takes part
 *   data-<host>                 is missing: it stores nothing
 *   actual-<host>/if-on         0 until the daemon says otherwise
 *
 * A guest sees what happens to a resource, and commands with `all` include it.
 * Every host has all links of the cluster, so there is nothing to be fetched
 * first; a host whose daemon has just joined may have to wait for them.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { checkName } from "./arguments.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { ASK } from "./peers_alive.ts";

export const GUEST_COMMANDS: readonly Command[] = [
  {
    name: "activate-guest",
    usage: "RES",
    summary: "Take part in a resource without a disk",
    subject: "name",
    standing: "none",
    wordsMin: 0,
    wordsMax: 0,
    phases: activateGuest,
  },
  {
    name: "deactivate-guest",
    usage: "RES",
    summary: "Take part in a resource no longer",
    subject: "resources",
    standing: "known",
    wordsMin: 0,
    wordsMax: 0,
    phases: deactivateGuest,
  },
];

function activateGuest(desk: Desk, resource: string): readonly Phase[] {
  return [
    {
      title: `hear of "${resource}"`,
      act: () => {
        checkName(resource, "resource");
        if (isKnown(desk.snapshot(), resource)) return;
        if (!desk.isDaemonRunning()) {
          throw new MarsError(
            `Cannot take part in "${resource}": it is not known here, and no daemon runs that could ask others; type mars daemon`,
          );
        }
        desk.trigger(ASK.fully);
      },
      goal: `news of "${resource}"`,
      until: (snapshot) =>
        isKnown(snapshot, resource) ? [] : ["no host has told its size"],
    },
    {
      title: "take part",
      act: () => {
        const snapshot = desk.snapshot();
        if (!isKnown(snapshot, resource) && desk.options.dryRun) return;
        const links = guestLinks(desk, snapshot, resource);
        desk.write(links, ASK.everybody);
        desk.print(
          links.length === 0
            ? `"${desk.host}" takes part in "${resource}" already`
            : `"${desk.host}" takes part in "${resource}"`,
        );
      },
    },
    {
      title: "let the daemon see it",
      goal: "the daemon to tell its state",
      until: (snapshot) => {
        const state = linkPath.actual(resource, desk.host, "is-attached");
        return snapshot.value(state) !== undefined || !desk.isDaemonRunning()
          ? []
          : ["the daemon has not told its state"];
      },
    },
  ];
}

/**
 * What makes a host take part in a resource, as far as it is missing. The size
 * of the resource must be known here.
 */
function guestLinks(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): LinkWrite[] {
  const device = linkPath.device(resource, desk.host);
  if (snapshot.value(device) !== undefined) return [];
  return [
    { path: device, value: resource },
    { path: linkPath.actual(resource, desk.host, "if-on"), value: "0" },
  ];
}

function isKnown(snapshot: Snapshot, resource: string): boolean {
  return snapshot.value(linkPath.size(resource)) !== undefined;
}

function deactivateGuest(desk: Desk, resource: string): readonly Phase[] {
  return [{
    title: "take part no longer",
    act: () => {
      const { host } = desk;
      const snapshot = desk.snapshot();
      if (snapshot.value(linkPath.data(resource, host)) !== undefined) {
        throw new RefusedError(`Cannot leave "${resource}" as a guest`, [
          `"${host}" has a disk of it; type leave-resource`,
        ]);
      }
      const device = linkPath.device(resource, host);
      if (snapshot.value(device) === undefined) {
        desk.print(`"${host}" takes no part in "${resource}"`);
        return;
      }
      const states = directoryOf(linkPath.actual(resource, host, "if-on"));
      const paths = [...snapshot.children(states)].map(({ path }) => path)
        .filter((path) => snapshot.value(path) !== undefined);
      desk.write(
        [device, ...paths].map((path) => ({ path, value: TOMBSTONE })),
        ASK.everybody,
      );
      desk.print(`"${host}" takes part in "${resource}" no longer`);
    },
  }];
}
