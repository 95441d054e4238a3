// Pure
/**
 * Numbers of logs that this host has used and that are about to be forgotten.
 *
 * The log `n` of a host is one log, wherever there is a copy of it. If a host
 * gives up a side of a split brain, or leaves, its history ends before logs that
 * it has written already, and one day it may lead again with the same numbers:
 * nobody could tell the new log from an old copy. So it notes the highest such
 * number, and whoever leads rotates past it (`resource/plan.ts`).
 */
import type { LogFile } from "../log/files.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { LinkWrite } from "../tree/store.ts";

/**
 * The note, if there is something to be noted.
 *
 * @param sequence of the log in which the others are
 */
export function usedNumberLinks(
  view: ResourceView,
  files: readonly LogFile[],
  sequence: number,
): LinkWrite[] {
  let highest = 0;
  for (const [number, links] of view.versions) {
    if (number <= highest) break;
    for (const { value } of links.values()) {
      if (value.self.log.host !== view.host) continue;
      highest = Math.max(highest, number);
    }
  }
  for (const { log } of files) {
    if (log.host === view.host) highest = Math.max(highest, log.sequence);
  }
  return highest <= Math.max(sequence, view.usedLog) ? [] : [{
    path: linkPath.usedLog(view.resource, view.host),
    value: String(highest),
  }];
}
