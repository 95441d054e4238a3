// Pure
/** How far hosts are, and how far from each other. */
import { finalEndBytes, versionOf } from "../../resource/history.ts";
import {
  comparePositions,
  type MemberState,
  type Position,
  type ResourceView,
} from "../../resource/view.ts";
import { countText } from "./screen_text.ts";

/** Everything before is on the disk of `host`; undefined: not known. */
export function replayedBy(
  view: ResourceView,
  host: string,
): Position | undefined {
  const replay = memberOf(view, host)?.replay;
  return replay && { log: replay.log, bytes: replay.startBytes };
}

/** The end of the newest log of which `host` has something. */
export function loggedBy(
  view: ResourceView,
  host: string,
): Position | undefined {
  const replay = memberOf(view, host)?.replay;
  if (replay === undefined) return undefined;
  let end: Position = {
    log: replay.log,
    bytes: replay.startBytes + replay.dirtyBytes,
  };
  for (const sequence of view.versions.keys()) {
    const self = versionOf(view, sequence, host)?.value.self;
    if (self === undefined) continue;
    const found = { log: self.log, bytes: self.endBytes };
    if (comparePositions(found, end) > 0) end = found;
  }
  return end;
}

/** Log bytes from `start` to `end`; 0 if `start` is not before `end`. */
export function bytesBetween(
  view: ResourceView,
  start: Position,
  end: Position,
): number {
  if (start.log.sequence >= end.log.sequence) {
    const isSame = start.log.sequence === end.log.sequence;
    return isSame ? Math.max(0, end.bytes - start.bytes) : 0;
  }
  let bytes = end.bytes - start.bytes;
  for (const [sequence, links] of view.versions) {
    const isPassed = sequence >= start.log.sequence &&
      sequence < end.log.sequence;
    const [link] = links.values();
    const log = link?.value.self.log;
    if (isPassed && log !== undefined) bytes += finalEndBytes(view, log) ?? 0;
  }
  return Math.max(0, bytes);
}

/**
 * Whether every member has replayed everything that the primary logged.
 *
 * @param views of all members, each as that member sees it
 */
export function isAtRest(
  views: readonly ResourceView[],
  primary: string,
): boolean {
  const own = views.find((view) => view.host === primary);
  const end = own && loggedBy(own, primary);
  return end !== undefined && views.every((view) => {
    const replay = view.own?.replay;
    return replay !== undefined && replay.dirtyBytes === 0 &&
      replay.log.host === end.log.host &&
      comparePositions({ log: replay.log, bytes: replay.startBytes }, end) ===
        0;
  });
}

/** `log 2 of beta, byte 12,345` */
export function positionText(position: Position | undefined): string {
  if (position === undefined) return "unknown";
  const { log, bytes } = position;
  return `log ${log.sequence} of ${log.host}, byte ${countText(bytes)}`;
}

function memberOf(view: ResourceView, host: string): MemberState | undefined {
  return view.members.find((member) => member.host === host);
}
