/**
 * log-purge-all and err-purge-all: what a split brain, an invalidation or a
 * host that left have made useless.
 *
 *   versions  own links that lead to no position of anybody
 *   logs      the same, and written by this host; with --force by any
 *
 * A log that was written lately stays, unless --force is given. If positions
 * move meanwhile, all is looked at again.
 */
import { RefusedError } from "../base/errors.ts";
import type { LogFile } from "../log/files.ts";
import { unreachable } from "../resource/retention.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { tombstonesUnder } from "../tree/tombstones.ts";
import { claimsAt, isRecentFile, logStanding } from "./claims.ts";
import type { Desk } from "./command.ts";
import { bury } from "./log_delete.ts";

/** Prescribed by MARS. */
const TRIES = 3;

/** Purges and says which logs. @throws RefusedError while positions move */
export async function purgeLogs(
  desk: Desk,
  resource: string,
): Promise<LogFile[]> {
  const { force } = desk.options;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { view, claims, files } = await logStanding(desk, resource);
    const lost = unreachable(view, claims, files.map(({ log }) => log));
    const lostLogs = new Set(lost.logs);
    const purged = files.filter((file) =>
      lostLogs.has(file.log) && (force || file.log.host === desk.host) &&
      (force || !isRecentFile(desk, resource, file))
    );
    const now = desk.snapshot();
    const nowClaims = claimsAt(
      desk,
      now,
      resourceView(now, resource, desk.host),
    );
    if (JSON.stringify(claims) !== JSON.stringify(nowClaims)) continue;
    bury(desk, resource, {
      logs: purged.map(({ log }) => log),
      versions: lost.versions.filter(({ host }) => host === desk.host),
    });
    return purged;
  }
  throw new RefusedError(`Cannot purge logs of "${resource}"`, [
    "positions of members keep moving to other logs; try again",
  ]);
}

/** Deletes what this host complains of in `resource`. */
export function purgeErrors(desk: Desk, resource: string): void {
  const head = linkPath.actual(resource, desk.host, "msg-err-");
  desk.write(tombstonesUnder(desk.snapshot(), head));
}
