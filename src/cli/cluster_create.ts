/**
 * A new cluster: create-cluster, create-uuid.
 *
 * The daemon may run already. It talks to nobody while there is no `uuid`, and
 * finds the new cluster with its next look at the tree; the original's module
 * would have to be loaded again.
 */
import { RefusedError } from "../base/errors.ts";
import { TOOL_VERSION } from "../base/version.ts";
import { MARS_DIR } from "../base/settings.ts";
import { clusterOf } from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";
import { formatStamp, NOBODY } from "../tree/values.ts";
import { ownAddress } from "./address.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

export const CREATE_COMMANDS: readonly Command[] = [
  {
    name: "create-cluster",
    usage: "[--ip=ADDRESS[:PORT]]",
    summary: "Begin a cluster with this host as its first member",
    subject: "none",
    wordsMin: 0,
    wordsMax: 0,
    run: createCluster,
  },
  {
    name: "create-uuid",
    usage: "",
    summary: "Give a cluster that has none its identity",
    subject: "none",
    wordsMin: 0,
    wordsMax: 0,
    run: (desk) => {
      checkNoCluster(desk, "create an identity");
      createUuid(desk);
    },
  },
];

const DIRECTORIES = ["ips", "userspace", "defaults", "todo-global"];

function createCluster(desk: Desk): void {
  const snapshot = desk.snapshot();
  checkNoCluster(desk, "create a cluster");
  const obstacles = rootObstacles(desk);
  const hosts = snapshot.hosts();
  if (hosts.length > 0) {
    obstacles.push(
      `there are addresses of hosts already: ${
        hosts.join(", ")
      }; --force keeps them`,
    );
  }
  refuseIf("create a cluster", obstacles, desk.options);
  makeDirectories(desk);
  desk.write(membership(desk, ownAddress(desk)));
  // Last, so that there is all of a cluster or none.
  createUuid(desk);
}

function createUuid(desk: Desk): void {
  const uuid = `${desk.host}_${formatStamp(desk.nowNs())}`;
  desk.write([{ path: linkPath.uuid, value: uuid }], "3");
  desk.print(`Created cluster "${uuid}"`);
}

/** @throws RefusedError, also with --force: nothing could undo it */
function checkNoCluster(desk: Desk, action: string): void {
  const uuid = clusterOf(desk.snapshot());
  if (uuid === undefined) return;
  throw new RefusedError(`Cannot ${action}`, [
    `this host belongs to "${uuid}" already`,
  ]);
}

/** Logs must not fill a file system that others need. */
export function rootObstacles(desk: Desk): string[] {
  const { marsDir } = desk.settings;
  const isRisky = marsDir === MARS_DIR &&
    desk.effects.machine.root() !== "mount point";
  return isRisky ? [`"${marsDir}" is not a mount point`] : [];
}

/** @throws RefusedError if the command acts as another host than this one */
export function checkIsSelf(desk: Desk, action: string): void {
  if (!isActingForAnother(desk, desk.look())) return;
  throw new RefusedError(`Cannot ${action}`, [
    `only "${desk.host}" itself can, with its own key`,
  ]);
}

/** Directories of the tree that every member has. */
export function makeDirectories(desk: Desk): void {
  const { host } = desk;
  for (
    const name of [...DIRECTORIES, `defaults-${host}`, `actual-${host}`]
  ) desk.makeDirectory(name);
}

/** Links that make this host a member. */
export function membership(desk: Desk, address: string): LinkWrite[] {
  const { host } = desk;
  return [
    { path: linkPath.global(host, "marsadm-version"), value: TOOL_VERSION },
    { path: linkPath.syncLimit(host), value: "0" },
    { path: linkPath.syncPrefList(host), value: NOBODY },
    { path: linkPath.ip(host), value: address },
  ];
}
