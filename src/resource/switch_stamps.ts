// Pure
/**
 * Which switches a daemon goes by: the stamps of the four links of `todo-<host>`
 * that its last plan was made from, once everything that runs here was told.
 *
 *   actual-<host>/switches-seen   <attach>,<connect>,<sync>,<allow-replay>
 *
 * In nanoseconds, to base 36: a link of less than 60 bytes takes no block of a
 * file system that may be full. It is written behind the links that say what runs. So who has written a
 * switch, and finds its stamp or a newer one here, finds everything there that
 * was begun before the daemon knew; and nothing begins any more.
 *
 * Source: ours. What MARS says of a switch may be older than the switch.
 */
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";

/** Names of the links below `todo-<host>`. */
export type SwitchLink = "attach" | "connect" | "sync" | "allow-replay";

/** In the order in which they are switched on; off in the other. */
export const SWITCH_LINKS: readonly SwitchLink[] = [
  "attach",
  "connect",
  "sync",
  "allow-replay",
];

const BASE = 36;
/** Seconds of eleven digits are within. */
const DIGITS = /^[0-9a-z]{1,13}$/;

export const SWITCHES_SEEN = "switches-seen";

/** What a daemon says that goes by the switches in `snapshot`. */
export function seenSwitches(
  snapshot: Snapshot,
  resource: string,
  host: string,
): string {
  return SWITCH_LINKS.map((link) =>
    (snapshot.stampNs(linkPath.todo(resource, host, link)) ?? 0n).toString(BASE)
  ).join(",");
}

/**
 * Whether the daemon of `host` goes by `links` as they are in `snapshot`; also
 * if it does not say that at all, because it is an older one.
 */
export function hasSeenSwitches(
  snapshot: Snapshot,
  { resource, host, links }: {
    readonly resource: string;
    readonly host: string;
    readonly links: readonly SwitchLink[];
  },
): boolean {
  const path = linkPath.actual(resource, host, SWITCHES_SEEN);
  const stamps = snapshot.value(path)?.split(",").map(parseSeen) ?? [];
  return links.every((link) => {
    const seenNs = stamps[SWITCH_LINKS.indexOf(link)];
    const writtenNs = snapshot.stampNs(linkPath.todo(resource, host, link));
    return seenNs === undefined || seenNs >= (writtenNs ?? 0n);
  });
}

function parseSeen(text: string): bigint | undefined {
  if (!DIGITS.test(text)) return undefined;
  return [...text].reduce(
    (sum, digit) => sum * BigInt(BASE) + BigInt(parseInt(digit, BASE)),
    0n,
  );
}
