// Pure
/**
 * Connections: which peers this host needs, and what is told of the lines.
 *
 * Needed is every host that has the device of a resource that is switched on
 * here, or the disk of one whose disk is here, too: they exchange logs. The
 * texts begin as others read them: CONNECTED, or NOT connected.
 *
 * Source: permanent peers of MARS.
 */
import { isIdentifier } from "../base/names.ts";
import type { Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { CONNECTED, CONNECTION_KEY } from "./messages.ts";

/** Hosts that `host` exchanges something with, sorted. */
export function neededPeers(snapshot: Snapshot, host: string): string[] {
  const needed = new Set<string>();
  for (const resource of snapshot.resources()) {
    const isOn = snapshot.value(linkPath.device(resource, host)) !== undefined;
    const hasDisk = snapshot.value(linkPath.data(resource, host)) !== undefined;
    if (!isOn && !hasDisk) continue;
    const users = isOn ? snapshot.users(resource) : [];
    const members = hasDisk ? snapshot.members(resource) : [];
    for (const peer of [...users, ...members]) needed.add(peer);
  }
  needed.delete(host);
  return [...needed].filter(isIdentifier).sort();
}

/** A message per needed peer. @param stateOf undefined while connected */
export function connectionMessages(
  needed: Iterable<string>,
  stateOf: (host: string) => string | undefined,
): Obstacle[] {
  return [...new Set(needed)].map((peer) => {
    const state = stateOf(peer);
    return {
      key: `${CONNECTION_KEY}${peer}`,
      text: state === undefined ? CONNECTED : `NOT connected: ${state}`,
    };
  });
}
