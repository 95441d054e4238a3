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
import { formatDuration } from "../base/figures.ts";
import { isIdentifier } from "../base/names.ts";
import { NS_PER_S } from "../base/time.ts";
import type { Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { CONNECTED, CONNECTION_KEY } from "./messages.ts";

const SECONDS_PER_MINUTE = 60n;
const NS_PER_MINUTE = SECONDS_PER_MINUTE * NS_PER_S;

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

/** Ours. Slow lines and busy hosts stay below it. */
const CLOCK_LEAD_NS_MAX = NS_PER_MINUTE;

/**
 * A message per peer whose clock is not ours. Nothing breaks: links have Lamport
 * stamps. But one of the hosts tells wrong times, and what is written by hand
 * there may be older than what it replaces.
 *
 * @param leadNs by how much clocks of peers are ahead of ours
 */
export function clockMessages(
  leadNs: ReadonlyMap<string, bigint>,
  connected: readonly string[],
): Obstacle[] {
  return connected.flatMap((peer) => {
    const lead = leadNs.get(peer) ?? 0n;
    const distance = lead < 0n ? -lead : lead;
    if (distance < CLOCK_LEAD_NS_MAX) return [];
    // Whole minutes: a text that changes with each message tells nothing.
    const minutes = (distance + NS_PER_MINUTE / 2n) / NS_PER_MINUTE;
    const duration = formatDuration(Number(minutes * SECONDS_PER_MINUTE));
    return {
      key: `wrn-clock-of-${peer}`,
      text: `the clock of "${peer}" is ${duration} ` +
        `${lead < 0n ? "behind" : "ahead of"} ours; set the wrong one right`,
    };
  });
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
