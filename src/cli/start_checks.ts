/**
 * What must hold before a command changes anything.
 *
 *   the tree     is a directory; below the default path, nobody else's
 *   its version  is one that this program knows; cluster commands do not care
 *   the cluster  this host belongs to one; those that make one do not care
 *   the host     one that acts as another names a host of the cluster
 *
 * Source: start of `marsadm`. It wants root and the name in `/etc/hostname`,
 * too; we do with whoever may write the tree, and with the node name up to its
 * first dot.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import { MARS_DIR } from "../base/settings.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk } from "./command.ts";

/** Prescribed by MARS. */
const TREE_VERSION = "0.1";

/** Commands that look at no version of the tree. */
const FOR_ANY_VERSION = /cluster|cat/;
/** Commands that work without a cluster. */
const WITHOUT_CLUSTER =
  /^(?:create-|join-)cluster$|^create-uuid$|systemd|cat|^view|^pretty/;

/** @throws MarsError, RefusedError */
export function checkStart(commandName: string, desk: Desk): void {
  checkRoot(desk);
  const snapshot = desk.look();
  if (!FOR_ANY_VERSION.test(commandName)) checkVersion(desk, snapshot);
  checkCluster(commandName, snapshot);
  checkHost(desk, snapshot);
}

/** The same for commands that only look. @throws MarsError, RefusedError */
export function checkLook(desk: Desk): void {
  checkIsThere(desk);
  const snapshot = desk.look();
  if (isActingForAnother(desk, snapshot)) checkIsHost(desk, snapshot);
}

function checkIsThere({ settings, effects }: Desk): void {
  if (effects.machine.root() !== "missing") return;
  throw new MarsError(
    `Cannot work: "${settings.marsDir}" is no directory; mount or make it, or name another with --mars-dir`,
  );
}

function checkRoot(desk: Desk): void {
  const { marsDir } = desk.settings;
  const { machine } = desk.effects;
  checkIsThere(desk);
  // Directories that somebody chose are somebody's business.
  if (marsDir === MARS_DIR && !desk.options.dryRun && machine.closeRoot()) {
    desk.warn(`WARNING: others could read "${marsDir}"; now they cannot`);
  }
}

/** Versions compare as numbers, `0.9` before `0.10`. */
function checkVersion(desk: Desk, snapshot: Snapshot): void {
  const version = snapshot.value(linkPath.global(desk.host, "tree"));
  if (version === undefined || version === TREE_VERSION) return;
  if (!/^\d+\.\d+$/.test(version) || compareVersions(version) > 0) {
    throw new RefusedError("Cannot work on the tree", [
      `it has version "${version}", this program knows "${TREE_VERSION}"; install a newer one`,
    ]);
  }
  desk.warn(
    `WARNING: the daemon works with tree version "${version}", this program with "${TREE_VERSION}"`,
  );
}

function compareVersions(version: string): number {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = TREE_VERSION.split(".").map(Number);
  return major - ownMajor || minor - ownMinor;
}

function checkCluster(commandName: string, snapshot: Snapshot): void {
  const isMember = snapshot.value(linkPath.uuid) !== undefined;
  if (isMember || WITHOUT_CLUSTER.test(commandName)) return;
  throw new RefusedError(`Cannot run "${commandName}"`, [
    "this host belongs to no cluster; type create-cluster or join-cluster",
  ]);
}

/** Whether the command acts as a host that this machine is not. */
export function isActingForAnother(desk: Desk, snapshot: Snapshot): boolean {
  const real = desk.effects.machine.realHost();
  // With directories of its own a host may have any name.
  return real !== desk.host &&
    snapshot.value(linkPath.ip(real)) !== undefined;
}

function checkHost(desk: Desk, snapshot: Snapshot): void {
  if (!isActingForAnother(desk, snapshot)) return;
  checkIsHost(desk, snapshot);
  const real = desk.effects.machine.realHost();
  desk.warn(`WARNING: "${real}" acts as "${desk.host}"`);
}

function checkIsHost({ host }: Desk, snapshot: Snapshot): void {
  if (snapshot.value(linkPath.ip(host)) !== undefined) return;
  throw new RefusedError(`Cannot act as "${host}"`, [
    `the cluster has no such host; its hosts are ${
      snapshot.hosts().map((each) => `"${each}"`).join(", ")
    }`,
  ]);
}
