// Pure
/** The line that tells which of several resources comes now. */
import { formatBytes } from "../base/figures.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseCount } from "../tree/values.ts";

/**
 * `--------- resource res1 16.000 MiB [2/3]`: with members, and hosts that could
 * be one.
 */
export function headerLine(
  snapshot: Snapshot,
  resource: string,
  host: string,
): string {
  const members = snapshot.members(resource);
  const hosts = new Set([...snapshot.hosts(), ...members]);
  const kind = members.includes(host) ? "resource" : "guest";
  const size = parseCount(snapshot.value(linkPath.size(resource)) ?? "") ?? 0;
  return `--------- ${kind} ${resource} ${
    formatBytes(size)
  } [${members.length}/${hosts.size}]`;
}
