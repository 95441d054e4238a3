// Pure
/**
 * Emergency mode: what a primary does that cannot log any more.
 */
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { ANCHOR_DIGEST } from "../tree/values.ts";
import { versionOf, versionText } from "./history.ts";
import {
  blocked,
  type Plan,
  type PlanFacts,
  type WorkerState,
} from "./plan_types.ts";
import type { ResourceView } from "./view.ts";

/** Distance of the artificial version link and of the log behind the hole. */
const HOLE_VERSION = 10;
const HOLE_LOG = 11;

/**
 * Emergency mode: the device is served without a log. A hole in the numbers
 * keeps secondaries from passing what was never logged; logging resumes behind
 * it once there is room again.
 */
export function emergency(
  view: ResourceView,
  facts: PlanFacts,
  base: Plan,
  worker: WorkerState,
): Plan {
  const told = blocked(
    base,
    "err-emergency",
    worker.logErrno === 0
      ? "No room for logs: serving without replication"
      : `Log failed with errno ${worker.logErrno}: serving without replication`,
  );
  if (worker.bypass === 0) return told;
  const behind = facts.logs.find((file) =>
    file.log.host === view.host && file.log.sequence > worker.logSequence &&
    file.bytes === 0 && isHole(view, file.log.sequence - 1)
  );
  if (behind === undefined) {
    const highest = Math.max(
      worker.logSequence,
      ...facts.logs.map((file) => file.log.sequence),
      ...view.versions.keys(),
    );
    const hole = { sequence: highest + HOLE_VERSION, host: view.host };
    return {
      ...told,
      publish: [...told.publish, {
        path: linkPath.version(view.resource, hole.sequence, view.host),
        value: anchorText(hole),
      }],
      logFiles: [{
        kind: "create",
        log: { sequence: highest + HOLE_LOG, host: view.host },
      }],
    };
  }
  if (facts.emergencyLevel > 0) return told;
  return { ...base, log: behind.log, bypass: false };
}

/** The text of a version link that follows nothing. */
export function anchorText(log: LogName): string {
  return versionText({ log, bytes: 0 }, undefined).replace(
    /^[0-9a-f]{32}/,
    ANCHOR_DIGEST,
  );
}

function isHole(view: ResourceView, sequence: number): boolean {
  return versionOf(view, sequence, view.host)?.text.startsWith(
    ANCHOR_DIGEST,
  ) === true;
}
