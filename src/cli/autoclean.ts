/**
 * Autoclean: what hosts left behind that are gone for so many days.
 *
 *   in a resource      links of a host that has neither disk nor device there,
 *                      if all of them are old: tombstones. Not its logs and
 *                      version links: who has not replayed them needs them, and
 *                      log-delete knows when nobody does
 *   of the whole tree  resources that no host takes part in, with nothing in
 *                      them that is younger than 30 days: named; with --force
 *                      tombstones for all links, and their logs are deleted
 *
 * Source: phases 4 and 5 of `cron --autoclean` of MARS.
 */
import { NS_PER_MS, NS_PER_S } from "../base/time.ts";
import { takesPart } from "../resource/left_links.ts";
import { linkPath, matchPath } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { tombstonesOf } from "../tree/tombstones.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { Desk } from "./command.ts";

const SECONDS_PER_DAY = 86_400n;
/** Prescribed by MARS. */
const RESOURCE_DAYS = 30;

function daysAgoNs(desk: Desk, days: number): bigint {
  return desk.nowNs() - BigInt(days) * SECONDS_PER_DAY * NS_PER_S;
}

/** Only with --autoclean. */
export function cleanResource(desk: Desk, resource: string): void {
  const { autocleanDays } = desk.options;
  if (autocleanDays === 0) return;
  const snapshot = desk.snapshot();
  const limitNs = daysAgoNs(desk, autocleanDays);
  const byHost = new Map<string, Link[]>();
  for (const link of snapshot.under(linkPath.resource(resource))) {
    const host = hostOf(link);
    if (host === undefined || takesPart(snapshot, resource, host)) continue;
    const links = byHost.get(host);
    if (links === undefined) byHost.set(host, [link]);
    else links.push(link);
  }
  for (const [host, links] of byHost) {
    if (host === desk.host) continue;
    if (links.some(({ stampNs }) => stampNs >= limitNs)) continue;
    desk.write(tombstonesOf(links));
  }
}

/** Whose the link is, if it is to be cleaned away with its host. */
function hostOf({ path, value }: Link): string | undefined {
  const match = matchPath(path);
  const isHistory = match?.sequence !== undefined;
  return isHistory || value === TOMBSTONE ? undefined : match?.host;
}

/** Only with --autoclean. */
export async function cleanTree(desk: Desk): Promise<void> {
  const { autocleanDays, force } = desk.options;
  if (autocleanDays === 0) return;
  const snapshot = desk.snapshot();
  for (const resource of snapshot.resources()) {
    if (!await isAbandoned(desk, snapshot, resource)) continue;
    if (force) await removeResource(desk, snapshot, resource);
    else {
      desk.warn(
        `WARNING: no host takes part in "${resource}" any more; to remove it type: mars cron --autoclean=${autocleanDays} --force`,
      );
    }
  }
}

async function isAbandoned(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): Promise<boolean> {
  const limitNs = daysAgoNs(desk, RESOURCE_DAYS);
  let isAnyAlive = false;
  for (const link of snapshot.under(linkPath.resource(resource))) {
    if (link.value === TOMBSTONE) continue;
    isAnyAlive = true;
    const host = matchPath(link.path)?.host;
    const isProtected = host !== undefined &&
      takesPart(snapshot, resource, host) &&
      (host === desk.host || snapshot.value(linkPath.ip(host)) !== undefined);
    if (isProtected || link.stampNs >= limitNs) return false;
  }
  const files = await desk.logs.list(resource);
  const limitMs = Number(limitNs / NS_PER_MS);
  return (isAnyAlive || files.length > 0) &&
    files.every(({ log }) =>
      (desk.logs.changedAtMs(resource, log) ?? 0) < limitMs
    );
}

async function removeResource(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
): Promise<void> {
  desk.write(tombstonesOf(snapshot.under(linkPath.resource(resource))));
  for (const { log } of await desk.logs.list(resource)) {
    await desk.removeLog(resource, log);
  }
}
