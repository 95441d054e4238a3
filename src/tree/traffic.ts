// Pure
/**
 * Settings of lines between hosts, and what hosts tell of their traffic.
 *
 *   defaults-<host>/send-limit-<class>           what the host sends, altogether
 *   defaults-<host>/send-limit-<class>-<peer>    and to one peer
 *   defaults-<host>/receive-limit-…              what it takes in
 *   defaults-<host>/ip-tos-<class>               mark of its packets
 *   defaults-<host>/line-timeout                 silence after which a line is
 *                                                given up, in seconds
 *   defaults/…                                   the same for every host that
 *                                                has none of its own
 *
 *   class   meta (links), log (log files), sync (disks)
 *   limit   see `base/rate_schedule.ts`
 *   mark    a decimal TOS byte, or the name of a DSCP
 *
 *   actual-<host>/traffic-<peer>   "log 120/10240 0/-,sync …": KiB per second
 *                                  sent / limit, taken in / limit
 *
 * Source: `ip_tos`, `tcp_timeout` and the limiters of MARS, which hold for one
 * host until it is booted; these outlive that.
 */
import { linkPath } from "./path.ts";
import type { Snapshot } from "./snapshot.ts";

export type Direction = "send" | "receive";

/** Name of a limit below `defaults` or `defaults-<host>`. */
export function limitName(
  direction: Direction,
  trafficClass: string,
  peer?: string,
): string {
  const name = `${direction}-limit-${trafficClass}`;
  return peer === undefined ? name : `${name}-${peer}`;
}

/** Name of a mark, likewise. */
export function tosName(trafficClass: string): string {
  return `ip-tos-${trafficClass}`;
}

export const LINE_TIMEOUT = "line-timeout";

// Ours. Below, a busy machine or a bad line would be taken for a dead one.
export const LINE_TIMEOUT_S_MIN = 2;
export const LINE_TIMEOUT_S_MAX = 600;

/** Seconds; undefined for anything else. */
export function parseLineTimeout(text: string): number | undefined {
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return seconds >= LINE_TIMEOUT_S_MIN && seconds <= LINE_TIMEOUT_S_MAX
    ? seconds
    : undefined;
}

/** A setting as `host` has it: its own, else that of all hosts. */
export function hostSetting(
  snapshot: Snapshot,
  host: string,
  name: string,
): string | undefined {
  return snapshot.value(linkPath.hostDefault(host, name)) ??
    snapshot.value(linkPath.defaults(name));
}

/** Prescribed by RFC 4594, 2597, 3246 and 8622: names of DSCPs. */
const DSCP: Readonly<Record<string, number>> = {
  le: 1,
  ef: 46,
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7].map((kind) => [`cs${kind}`, 8 * kind]),
  ),
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((kind) =>
      [1, 2, 3].map((drop) => [`af${kind}${drop}`, 8 * kind + 2 * drop])
    ),
  ),
};

// The lower two bits of the byte belong to congestion control.
const DSCP_SHIFT = 4;
const TOS_MAX = 255;

/** The TOS byte of `cs2`, `af11`, `le` or a decimal number. */
export function parseTos(text: string): number | undefined {
  const dscp = DSCP[text.toLowerCase()];
  if (dscp !== undefined) return dscp * DSCP_SHIFT;
  const tos = /^\d{1,3}$/.test(text) ? Number(text) : TOS_MAX + 1;
  return tos <= TOS_MAX ? tos - tos % DSCP_SHIFT : undefined;
}

/** What one class moves now, and may; KiB per second. */
export interface ClassTraffic {
  readonly trafficClass: string;
  readonly sentKib: number;
  /** Undefined: no limit. */
  readonly sendLimitKib: number | undefined;
  readonly receivedKib: number;
  readonly receiveLimitKib: number | undefined;
}

/** What stands there while nothing moves and nothing is limited. */
export const NO_TRAFFIC = "-";

export function formatTraffic(rows: readonly ClassTraffic[]): string {
  const limit = (kib: number | undefined): string =>
    kib === undefined ? "-" : String(kib);
  return rows.map((row) =>
    `${row.trafficClass} ${row.sentKib}/${limit(row.sendLimitKib)} ` +
    `${row.receivedKib}/${limit(row.receiveLimitKib)}`
  ).join(",");
}

const ROW = /^(\w+) (\d{1,12})\/(\d{1,12}|-) (\d{1,12})\/(\d{1,12}|-)$/;

/** Rows that can be read; others are left out. */
export function parseTraffic(text: string): ClassTraffic[] {
  const limit = (part: string | undefined): number | undefined =>
    part === "-" ? undefined : Number(part);
  return text.split(",").flatMap((part) => {
    const match = ROW.exec(part);
    if (match === null) return [];
    const [, trafficClass = "", sent, sendLimit, received, receiveLimit] =
      match;
    return [{
      trafficClass,
      sentKib: Number(sent),
      sendLimitKib: limit(sendLimit),
      receivedKib: Number(received),
      receiveLimitKib: limit(receiveLimit),
    }];
  });
}

/** What a line lets through from one host to another, as both have told it. */
export function logLimitKib(
  snapshot: Snapshot,
  { from, to }: { readonly from: string; readonly to: string },
): number | undefined {
  const rowOf = (host: string, peer: string): ClassTraffic | undefined =>
    parseTraffic(snapshot.value(linkPath.global(host, `traffic-${peer}`)) ?? "")
      .find(({ trafficClass }) => trafficClass === "log");
  const limits = [
    rowOf(from, to)?.sendLimitKib,
    rowOf(to, from)?.receiveLimitKib,
  ].filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}
