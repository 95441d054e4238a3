// Pure
/**
 * History: the chain of log versions of a resource; see `parting.ts` for where
 * two of them part.
 *
 * A version link says: this host has log n up to a position, and log n follows
 * the end of log n-1. Its digest covers the complete text of the predecessor,
 * so equal texts mean equal histories, like the hashes of a chain of commits.
 *
 *   version-n-host -> digest,log-n-author,position:previous digest,log,position
 *   digest         =  MD5("<n>,<author>,<position>:<whole text of version n-1>")
 *
 * A host that has applied log n completely may go on to log n+1 of author B
 * (`nextLog`) if and only if
 *   (1) nobody else wrote a log n+1,
 *   (2) the author of n is not the primary that goes on in it,
 *   (3) the version link of n+1 by B is known,
 *   (4) the predecessor named there is literally its own version of n,
 *   (5) it is not a designated primary leaving its own log for a foreign one.
 * When (1) or (4) fails for good, that is a split brain.
 *
 * Source: version links of MARS.
 */
import { md5 } from "@noble/hashes/legacy.js";
import { toHex } from "../base/bytes.ts";
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import {
  formatVersion,
  previousText,
  selfText,
  type VersionStep,
} from "../tree/values.ts";
import type { VersionLink } from "./versions.ts";
import { type Position, type ResourceView, sameLog } from "./view.ts";

/**
 * The text of a version link.
 *
 * @param previousText complete text of this host's link of the log before;
 * undefined when there is none
 */
export function versionText(
  end: Position,
  previousText: string | undefined,
): string {
  const { sequence, host } = end.log;
  const previous = sequence <= 1 ? "" : previousText ?? "";
  const digest = toHex(md5(
    new TextEncoder().encode(`${sequence},${host},${end.bytes}:${previous}`),
  ));
  const self = { digest, log: end.log, endBytes: end.bytes };
  return formatVersion(self, previous);
}

/** The version link that `host` has of log `sequence`. */
export function versionOf(
  view: ResourceView,
  sequence: number,
  host: string,
): VersionLink | undefined {
  return view.versions.get(sequence)?.get(host);
}

/**
 * The version that the one of log `sequence` by `host` follows, by whoever told
 * it: links come one by one, and what `host` itself has told of that log may
 * be older than its end.
 */
function versionBefore(
  view: ResourceView,
  sequence: number,
  host: string,
): VersionLink | undefined {
  const version = versionOf(view, sequence, host);
  return version && followedBy(view, sequence, version);
}

/** The version of log `sequence - 1` that `version` follows. */
function followedBy(
  view: ResourceView,
  sequence: number,
  { text }: VersionLink,
): VersionLink | undefined {
  const end = previousText(text);
  for (const link of view.versions.get(sequence - 1)?.values() ?? []) {
    if (selfText(link.text) === end) return link;
  }
  return undefined;
}

/**
 * Which log `sequence` is in the history of `host`, and where it ends there;
 * "open" if it may go on. Undefined as long as that is not known.
 */
export function logIn(
  view: ResourceView,
  host: string,
  sequence: number,
): Position | { readonly log: LogName; readonly bytes: "open" } | undefined {
  const newest = lastVersion(view, host)?.sequence ?? 0;
  let version = versionOf(view, newest, host);
  if (newest === sequence && version !== undefined) {
    return { log: version.value.self.log, bytes: "open" };
  }
  for (let at = newest; version !== undefined && at > sequence; at--) {
    const { previous } = version.value;
    if (previous === undefined) return undefined;
    if (at === sequence + 1) {
      return { log: previous.log, bytes: previous.endBytes };
    }
    version = followedBy(view, at, version);
  }
  return undefined;
}

/** The newest version that `host` tells of logs before `endSequence`. */
export function lastVersion(
  view: ResourceView,
  host: string,
  endSequence = Infinity,
): { readonly sequence: number; readonly self: VersionStep } | undefined {
  for (const [sequence, links] of view.versions) {
    if (sequence >= endSequence) continue;
    const link = links.get(host);
    if (link !== undefined) return { sequence, self: link.value.self };
  }
  return undefined;
}

/**
 * Version links by which this host takes over the history of `source`: of log
 * `sequence` and of the one that it follows.
 */
export function copiedVersions(
  view: ResourceView,
  { source, sequence }: { readonly source: string; readonly sequence: number },
): [path: string, text: string][] {
  const copies = [
    [sequence - 1, versionBefore(view, sequence, source)],
    [sequence, versionOf(view, sequence, source)],
  ] as const;
  return copies.flatMap(([copied, version]) =>
    version === undefined
      ? []
      : [[linkPath.version(view.resource, copied, view.host), version.text]]
  );
}

/**
 * Why nobody can take the history of `host` for its own from log `sequence` on;
 * empty if that is possible.
 */
export function historyObstacles(
  view: ResourceView,
  sequence: number,
  host: string,
): string[] {
  const version = versionOf(view, sequence, host);
  if (version === undefined) {
    return [`version of log ${sequence} by "${host}" not known yet`];
  }
  const isKnown = version.value.previous === undefined ||
    versionBefore(view, sequence, host) !== undefined;
  return isKnown ? [] : [
    `version of log ${
      sequence - 1
    } by "${host}" not known yet up to its end; if that stays so, type log-rotate there`,
  ];
}

/** Highest log number that any version link names; 0 when there is none. */
export function highestSequence(view: ResourceView): number {
  for (const sequence of view.versions.keys()) return sequence;
  return 0;
}

/** Authors of log `sequence`, as far as version links tell; sorted. */
export function authorsOf(view: ResourceView, sequence: number): string[] {
  const authors = new Set<string>();
  for (const link of view.versions.get(sequence)?.values() ?? []) {
    authors.add(link.value.self.log.host);
  }
  return [...authors].sort();
}

/**
 * The end of a finished log: what successors name as their predecessor.
 * Undefined while the log may still grow, or when successors disagree.
 */
export function finalEndBytes(
  view: ResourceView,
  log: LogName,
): number | undefined {
  let endBytes: number | undefined;
  for (const link of view.versions.get(log.sequence + 1)?.values() ?? []) {
    const previous = link.value.previous;
    if (previous === undefined || !sameLog(previous.log, log)) continue;
    if (endBytes !== undefined && endBytes !== previous.endBytes) {
      return undefined;
    }
    endBytes = previous.endBytes;
  }
  return endBytes;
}

export type NextLog =
  | { readonly kind: "next"; readonly log: LogName }
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly obstacle: string }
  | { readonly kind: "hole"; readonly obstacle: string }
  | { readonly kind: "split"; readonly obstacle: string };

/**
 * Which log follows `reached`, which this host has applied completely.
 *
 * @param reached end of the log that this host has applied completely
 */
export function nextLog(view: ResourceView, reached: Position): NextLog {
  const { sequence, host: author } = reached.log;
  const authors = authorsOf(view, sequence + 1);
  if (authors.length === 0) return hole(view, sequence);
  if (authors.length > 1) {
    return {
      kind: "split",
      obstacle: `Split brain: log ${sequence + 1} was written by ${
        authors.map((host) => `"${host}"`).join(" and ")
      }`,
    };
  }
  const [next] = authors;
  if (next === undefined) return { kind: "none" };
  const isLeavingOwnLog = view.designated === view.host &&
    author === view.host && next !== view.host;
  if (isLeavingOwnLog) {
    return {
      kind: "split",
      obstacle: `Designated primary, but log ${
        sequence + 1
      } was written by "${next}"`,
    };
  }
  // Not the link as it stands: it may lag behind what is reached.
  const own = versionText(
    reached,
    versionOf(view, sequence - 1, view.host)?.text,
  );
  const successor = versionOf(view, sequence + 1, next);
  if (successor === undefined) {
    return {
      kind: "wait",
      obstacle: `Version of log ${sequence + 1} by "${next}" not known yet`,
    };
  }
  if (previousText(successor.text) === selfText(own)) {
    const authorBytes = claimedBytes(view, reached.log, author);
    const isLeft = author !== view.designated || author === view.host ||
      authorBytes <= reached.bytes;
    return isLeft
      ? { kind: "next", log: { sequence: sequence + 1, host: next } }
      : {
        kind: "split",
        obstacle:
          `Split brain: log ${
            sequence + 1
          } of "${next}" follows log ${sequence} at ${reached.bytes}, ` +
          `but the primary "${author}" goes on in it`,
      };
  }
  const previous = successor.value.previous;
  const isIncomplete = previous !== undefined &&
    sameLog(previous.log, reached.log) && reached.bytes < previous.endBytes;
  if (isIncomplete) {
    return {
      kind: "wait",
      obstacle:
        `Log ${sequence} of "${author}" is not complete here: have ${reached.bytes} of ${previous.endBytes} bytes`,
    };
  }
  return {
    kind: "split",
    obstacle: `Split brain: log ${
      sequence + 1
    } of "${next}" does not follow log ${sequence} of "${author}" at ${reached.bytes}`,
  };
}

/** How much of `log` a host says that it has. */
export function claimedBytes(
  view: ResourceView,
  log: LogName,
  host: string,
): number {
  const said = versionOf(view, log.sequence, host)?.value.self;
  return said !== undefined && sameLog(said.log, log) ? said.endBytes : 0;
}

/** How much of `log` any member says that it has, this host included. */
export function mostClaimedBytes(view: ResourceView, log: LogName): number {
  return Math.max(
    0,
    ...view.members.map(({ host }) => claimedBytes(view, log, host)),
  );
}

function hole(view: ResourceView, sequence: number): NextLog {
  const behind = holeBehind(view, sequence, undefined);
  if (behind === undefined) return { kind: "none" };
  return {
    kind: "hole",
    obstacle:
      `Log ${sequence} is the last one before a hole: "${behind.host}" was in emergency mode; type invalidate`,
  };
}

/**
 * The lowest log behind `sequence` of which its author says that it follows
 * nothing, if there is one: what was written in between is in no log, and no
 * history leads there.
 *
 * @param author of the log; any if undefined
 */
export function holeBehind(
  view: ResourceView,
  sequence: number,
  author: string | undefined,
): LogName | undefined {
  let lowest: LogName | undefined;
  for (const [other, links] of view.versions) {
    if (other <= sequence) break;
    for (const [host, { value }] of links) {
      const isAuthor = host === value.self.log.host &&
        host === (author ?? host);
      if (isAuthor && value.previous === undefined) lowest = value.self.log;
    }
  }
  return lowest;
}
