// Pure
/**
 * Positions: how far this host is, and the links that say so.
 *
 * The replay link names the lowest log in use, everything before its position
 * is durable on the disk. Version links name what is durable of each log from
 * there to the one that is written.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay } from "../tree/values.ts";
import { claimedBytes, versionOf, versionText } from "./history.ts";
import {
  type LinkValue,
  type LocalLog,
  localLog,
  type Plan,
  type PlanFacts,
} from "./plan_types.ts";
import {
  type MemberState,
  type Position,
  type ResourceView,
  sameLog,
} from "./view.ts";

/**
 * The position this host has reached: everything before is on its disk. The
 * worker knows better than the link, unless the link has moved on.
 */
export function reachedBy(
  own: MemberState,
  facts: PlanFacts,
): Position | undefined {
  const link = own.replay;
  if (link === undefined) return undefined;
  const worker = facts.worker;
  const position = { log: link.log, bytes: link.startBytes };
  if (worker === undefined) return position;
  if (worker.writtenBackSequence === link.log.sequence) {
    return {
      log: link.log,
      bytes: Math.max(link.startBytes, worker.writtenBackBytes),
    };
  }
  // Only a logging worker moves to a later log by itself: to one of its own.
  return worker.writtenBackSequence > link.log.sequence
    ? {
      log: { sequence: worker.writtenBackSequence, host: own.host },
      bytes: worker.writtenBackBytes,
    }
    : position;
}

/**
 * The replay link and the version links of this host, from the lowest log in
 * use to the one it writes to. A log that was ended and written back since the
 * links were written last is still among them: its end was not told yet, and
 * the version of its successor depends on it.
 */
export function positionLinks(
  view: ResourceView,
  reached: Position,
  facts: PlanFacts,
): LinkValue[] {
  const worker = facts.worker;
  const isLogging = worker?.role === "log";
  const last = isLogging
    ? Math.max(worker.logSequence, reached.log.sequence)
    : reached.log.sequence;
  const links: LinkValue[] = [];
  const first = Math.min(
    view.own?.replay?.log.sequence ?? reached.log.sequence,
    reached.log.sequence,
  );
  let previous = versionOf(view, first - 1, view.host)?.text;
  let firstEndBytes = reached.bytes;
  for (let sequence = first; sequence <= last; sequence++) {
    const isReached = sequence === reached.log.sequence;
    const log = isReached ? reached.log : { sequence, host: view.host };
    const file = localLog(facts.logs, log);
    // A jump over a hole of the emergency mode: nothing stands in between.
    if (!isReached && file === undefined) {
      previous = versionOf(view, sequence, view.host)?.text;
      continue;
    }
    const isWritten = isLogging && sequence === worker.logSequence;
    const fileBytes = isWritten ? worker.durableBytes : file?.bytes ?? 0;
    const endBytes = isReached && !isLogging
      ? Math.max(
        reached.bytes,
        knownEndBytes(view, log, fileBytes),
        backedBytes(view, log, facts),
      )
      : Math.max(fileBytes, isReached ? reached.bytes : 0);
    // What is behind the promised end of an own log is not told, but that
    // there may be something is: nobody may go on behind this host meanwhile.
    if (isReached) {
      firstEndBytes = Math.max(endBytes, fileBytes);
      if (!isLogging) {
        for (const { bytes } of ownLogsBehind(view, facts, reached)) {
          firstEndBytes += bytes;
        }
      }
    }
    const text = versionText({ log, bytes: endBytes }, previous);
    links.push({
      path: linkPath.version(view.resource, sequence, view.host),
      value: text,
    });
    previous = text;
  }
  links.push({
    path: linkPath.replay(view.resource, view.host),
    value: formatReplay({
      log: reached.log,
      startBytes: reached.bytes,
      dirtyBytes: firstEndBytes - reached.bytes,
    }),
  });
  return links;
}

/**
 * The replay link of a host that nobody lets recover, if its logs have more in
 * them than it says: the daemon ended before that was told, or the power cut
 * took it back. How much of it is good is not known, but nobody may go on
 * behind this host as if it were not there.
 */
export function untoldLinks(
  view: ResourceView,
  reached: Position,
  logs: readonly LocalLog[],
): LinkValue[] {
  if (reached.log.host !== view.host) return [];
  let endBytes = localLog(logs, reached.log)?.bytes ?? 0;
  for (const { bytes } of ownLogsBehind(view, { logs }, reached)) {
    endBytes += bytes;
  }
  const dirtyBytes = endBytes - reached.bytes;
  if (dirtyBytes <= (view.own?.replay?.dirtyBytes ?? 0)) return [];
  return [{
    path: linkPath.replay(view.resource, view.host),
    value: formatReplay({
      log: reached.log,
      startBytes: reached.bytes,
      dirtyBytes,
    }),
  }];
}

/**
 * Logs of this host behind the one it has reached, with data: a crash came
 * after a rotation, before that was told.
 */
export function ownLogsBehind(
  view: ResourceView,
  facts: Pick<PlanFacts, "logs">,
  reached: Position,
): LocalLog[] {
  if (reached.log.host !== view.host) return [];
  return facts.logs.filter(({ log, bytes }) =>
    log.host === view.host && log.sequence > reached.log.sequence && bytes > 0
  );
}

/**
 * How much of a log that is not written now is known to be good.
 *
 * A crash may leave anything behind the promised end of an own log; nobody is
 * told of it before it is recovered. Once this host logs, all its earlier logs
 * are recovered, or were left in good order: do not ask then. Foreign logs are
 * here as far as they are durable at their author.
 */
export function knownEndBytes(
  view: ResourceView,
  log: LogName,
  fileBytes: number,
): number {
  if (log.host !== view.host) return fileBytes;
  const promised = versionOf(view, log.sequence, view.host)?.value.self;
  return promised !== undefined && sameLog(promised.log, log)
    ? Math.min(promised.endBytes, fileBytes)
    : fileBytes;
}

/**
 * How much of an own log this host has promised and others have: however short
 * the file is here now, that much of it can be had back. What others have is
 * known when they were heard. 0 of a foreign log.
 */
function backedBytes(
  view: ResourceView,
  log: LogName,
  { mayLead }: Pick<PlanFacts, "mayLead">,
): number {
  if (log.host !== view.host) return 0;
  if (!mayLead) return claimedBytes(view, log, view.host);
  const others = view.members.filter(({ host }) => host !== view.host)
    .map(({ host }) => claimedBytes(view, log, host));
  return Math.min(claimedBytes(view, log, view.host), Math.max(0, ...others));
}

/** A log, for people. */
export function nameOf(log: LogName): string {
  return `${log.sequence} of "${log.host}"`;
}

/** Moves the position to the beginning of `log`; the next plan works on it. */
export function moveTo(view: ResourceView, log: LogName, base: Plan): Plan {
  const previousPath = linkPath.version(
    view.resource,
    log.sequence - 1,
    view.host,
  );
  const previous = base.publish.find((link) => link.path === previousPath);
  return {
    ...base,
    publish: [
      ...base.publish.filter((link) =>
        link.path !== linkPath.replay(view.resource, view.host)
      ),
      {
        path: linkPath.version(view.resource, log.sequence, view.host),
        value: versionText({ log, bytes: 0 }, previous?.value),
      },
      {
        path: linkPath.replay(view.resource, view.host),
        value: formatReplay({ log, startBytes: 0, dirtyBytes: 0 }),
      },
    ],
  };
}
