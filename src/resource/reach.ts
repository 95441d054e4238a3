// Pure
/**
 * Reach: which logs some hosts may still need, as far as links tell.
 *
 * A log is within reach of a host if its number is not below that of the host's
 * replay link, and the history of some of these hosts leads through it: a
 * version link of theirs names it as the log itself or as the one before, or
 * whatever version links there are lead back to it from there. A host that
 * joined late tells of the end of its history only. What nobody reaches belongs
 * to a history that was given up.
 *
 * Source: `log-purge-all` of MARS, which follows replay links both ways.
 */
import type { LogName } from "../base/names.ts";
import type { ResourceView } from "./view.ts";

export interface Reach {
  /** The highest number among these logs; 0 if there is none. */
  readonly highestSequence: number;
  /** The lowest number that one of the hosts is at; Infinity without hosts. */
  readonly lowestSequence: number;
  /** Whether one of the hosts may still replay it. */
  readonly needsLog: (log: LogName) => boolean;
  /** The same of a version link; they are kept for one number longer. */
  readonly needsVersion: (log: LogName) => boolean;
}

/** What `hosts` reach; everything if a member among them has no position. */
export function reachOf(view: ResourceView, hosts: readonly string[]): Reach {
  const members = view.members.filter(({ host }) => hosts.includes(host));
  let lowest = Infinity;
  for (const { replay } of members) {
    lowest = Math.min(lowest, replay?.log.sequence ?? 0);
  }
  const known = new Set<string>();
  let highestSequence = 0;
  const note = (log: LogName): void => {
    known.add(nameOf(log));
    highestSequence = Math.max(highestSequence, log.sequence);
  };
  for (const { replay } of members) if (replay !== undefined) note(replay.log);
  for (const [, links] of view.versions) {
    for (const { host } of members) {
      const value = links.get(host)?.value;
      if (value === undefined) continue;
      note(value.self.log);
      if (value.previous !== undefined) note(value.previous.log);
    }
  }
  // Numbers come highest first: what leads back from one is known by then.
  for (const [, links] of view.versions) {
    for (const { value: { self, previous } } of links.values()) {
      if (previous !== undefined && known.has(nameOf(self.log))) {
        note(previous.log);
      }
    }
  }
  const isUnknown = members.some(({ replay }) => replay === undefined);
  const needs = (log: LogName, margin: number): boolean =>
    isUnknown || (log.sequence >= lowest - margin && known.has(nameOf(log)));
  return {
    highestSequence,
    lowestSequence: lowest,
    needsLog: (log) => needs(log, 0),
    needsVersion: (log) => needs(log, 1),
  };
}

function nameOf(log: LogName): string {
  return `${log.sequence} ${log.host}`;
}
