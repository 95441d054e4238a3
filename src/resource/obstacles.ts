// Pure
/**
 * Obstacles: what hosts say keeps them, in their message links.
 *
 * Source: message links of MARS.
 */
import type { Snapshot } from "../tree/snapshot.ts";
import { parseMessage } from "../tree/values.ts";

export type Severity = "error" | "warning" | "notice";

/** A message of some host that still holds. */
export interface ReportedObstacle {
  readonly host: string;
  readonly key: string;
  readonly severity: Severity;
  readonly text: string;
  /** When it began: wall clock and Lamport time. */
  readonly realNs: bigint;
  readonly stampNs: bigint;
}

/** Messages in `directory` that hold; errors first, then by key. */
export function obstaclesIn(
  snapshot: Snapshot,
  directory: string,
  host: string,
): ReportedObstacle[] {
  const found: ReportedObstacle[] = [];
  const prefix = `${directory}/msg-`;
  for (const link of snapshot.children(directory)) {
    // The value only where it counts: a lazy one would be read.
    if (!link.path.startsWith(prefix)) continue;
    const message = parseMessage(link.value);
    if (message?.kind !== "text") continue;
    const key = link.path.slice(prefix.length);
    const { realNs, stampNs, text } = message;
    found.push({ host, key, severity: severityOf(key), text, realNs, stampNs });
  }
  const rank = (obstacle: ReportedObstacle): number =>
    SEVERITY_ORDER.indexOf(obstacle.severity);
  return found.sort((left, right) =>
    rank(left) - rank(right) || (left.key < right.key ? -1 : 1)
  );
}

const SEVERITY_ORDER: readonly Severity[] = ["error", "warning", "notice"];
const SEVERITIES: Readonly<Record<string, Severity>> = {
  err: "error",
  wrn: "warning",
  inf: "notice",
};

/** How bad a message with this key is. */
function severityOf(key: string): Severity {
  return SEVERITIES[key.split("-")[0] ?? ""] ?? "notice";
}
