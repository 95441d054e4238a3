// Pure
/**
 * Handover: may this host become primary, and if not, why not?
 *
 * The answers are lists of obstacles in plain words; an empty list is a
 * permission. `preconditions` are checked once and refuse; `historyGaps` may
 * vanish by waiting, because the old primary finishes or the last bytes arrive.
 *
 * Source: phases 1 and 4 of `marsadm primary`.
 */
import { highestSequence, versionOf } from "./history.ts";
import { isConsistent, isSynced, type ResourceView } from "./view.ts";

export interface HandoverOptions {
  readonly isForced: boolean;
  readonly ignoreSync: boolean;
  /** The host that was primary last, if anybody knows. */
  readonly oldPrimary: string | undefined;
  /** Whether a host has been heard of within the liveness window. */
  readonly isRecent: (host: string) => boolean;
}

/** Why this host must not become primary; these do not vanish by waiting. */
export function preconditions(
  view: ResourceView,
  options: HandoverOptions,
): string[] {
  const { own } = view;
  if (own === undefined) return [`"${view.host}" has no disk for it`];
  const obstacles: string[] = [];
  const { isForced, oldPrimary } = options;
  if (isForced && own.desired.fetch) {
    obstacles.push("fetch is on; type pause-fetch first");
  }
  if (!own.desired.attach) obstacles.push("the disk is detached; type up");
  if (!isForced && !own.desired.fetch) {
    obstacles.push("fetch is off; type resume-fetch");
  }
  if (!own.desired.replay) {
    obstacles.push("replay is off; type resume-replay");
  }
  if (own.replayCode < 0 && !isForced) {
    obstacles.push(`replay has stopped with ${own.replayCodeText}`);
  }
  if (oldPrimary !== view.host) {
    if (!isSynced(view, own)) {
      obstacles.push("its own copy is not complete");
    } else if (!isConsistent(view, own)) {
      obstacles.push("its disk is not consistent yet: replay is behind");
    }
  }
  if (isForced || oldPrimary === view.host) return obstacles;
  for (const member of view.members) {
    if (member.host === view.host) continue;
    if (member.host === oldPrimary && member.openCount > 0) {
      obstacles.push(
        `the device is open ${member.openCount} times on "${member.host}"`,
      );
    }
    const isLeftBehind = !options.ignoreSync && view.members.length > 2 &&
      member.host !== oldPrimary && !isSynced(view, member) &&
      options.isRecent(member.host);
    if (isLeftBehind) {
      obstacles.push(`"${member.host}" is still copying the disk`);
    }
  }
  return obstacles;
}

/**
 * What this host still lacks of the history of `oldPrimary`; going on with a
 * gap would be a split brain.
 */
export function historyGaps(
  view: ResourceView,
  oldPrimary: string | undefined,
): string[] {
  if (oldPrimary === undefined || oldPrimary === view.host) return [];
  const other = view.members.find((member) => member.host === oldPrimary);
  const own = view.own;
  if (own?.replay === undefined || other?.replay === undefined) return [];
  const sequence = highestSequence(view);
  const ownVersion = versionOf(view, sequence, view.host);
  const otherVersion = versionOf(view, sequence, oldPrimary);
  const gaps: string[] = [];
  if (ownVersion === undefined || ownVersion.text !== otherVersion?.text) {
    gaps.push(
      `log ${sequence} differs: have ${
        ownVersion?.value.self.endBytes ?? "nothing"
      }, "${oldPrimary}" has ${
        otherVersion?.value.self.endBytes ?? "nothing"
      } bytes`,
    );
  }
  const isLevel = own.replay.log.sequence === other.replay.log.sequence &&
    own.replay.log.host === other.replay.log.host &&
    own.replay.startBytes === other.replay.startBytes;
  if (!isLevel) {
    gaps.push(
      `replay is at ${own.replay.log.sequence}:${own.replay.startBytes}, "${oldPrimary}" at ${other.replay.log.sequence}:${other.replay.startBytes}`,
    );
  }
  return gaps;
}
