// Pure
/**
 * Hold: replay that rests for a moment, so that somebody can look at the disk.
 *
 * Replay is never called back, as that would end its run. It is told no more
 * than it was told before, unless it has not come to the position yet; then it
 * goes on up to there.
 */
import type { Plan } from "./plan_types.ts";
import { type Position, sameLog } from "./view.ts";

/**
 * `planned`, with replay that goes on to `at` and rests there.
 *
 * @param told how far replay was told to go
 */
export function withHold(
  planned: Plan,
  at: Position | undefined,
  told: Position | undefined,
): Plan {
  const { role, log, startBytes, logEndBytes } = planned;
  if (at === undefined || role !== "replay" || log === undefined) {
    return planned;
  }
  if (log.sequence < at.log.sequence) return planned;
  const toldBytes = told !== undefined && sameLog(told.log, log)
    ? told.bytes
    : 0;
  const goalBytes = log.sequence === at.log.sequence ? at.bytes : 0;
  const endBytes = Math.max(startBytes, toldBytes, goalBytes);
  return { ...planned, logEndBytes: Math.min(logEndBytes, endBytes) };
}
