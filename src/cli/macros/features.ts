// Pure
/**
 * Macros on the host and the cluster as a whole: identity, space, clocks, and
 * what hosts understand and use.
 *
 * Digests and compressions are bits of one mask:
 *
 *   potential    what this program knows
 *   implemented  what the host says that it can
 *   usable       what it says that all of its peers can
 *   used         what it uses
 *
 * Source: primitive macros and feature masks of MARS.
 */
import { formatBytes } from "../../base/figures.ts";
import { NS_PER_S } from "../../base/time.ts";
import {
  type Algorithm,
  COMPRESSIONS,
  DIGESTS,
  formatNames,
} from "../../tree/algorithms.ts";
import { directoryOf, linkPath, nameOf } from "../../tree/path.ts";
import { parseTraffic } from "../../tree/traffic.ts";
import { formatStamp, NOBODY, parseFeatures } from "../../tree/values.ts";
import { countText, hostRow, type Row, row } from "./rows.ts";
import type { Run } from "./run.ts";
import { plainText } from "./values.ts";

/** Prescribed by MARS. */
const TREE_VERSION = "0.1";
const ALL_BITS = 0xffff_ffff;

const FAMILIES:
  readonly (readonly [name: string, names: readonly Algorithm[]])[] = [
    ["features", [...DIGESTS, ...COMPRESSIONS]],
    ["digests", DIGESTS],
    ["compressions", COMPRESSIONS],
  ];

export const FEATURE_MACROS: readonly Row[] = [
  ...FAMILIES.flatMap(([family, names]) => [
    row(
      `potential-${family}`,
      "what this program knows",
      () => formatNames(ALL_BITS, names),
    ),
    row(
      `implemented-${family}`,
      "what {host} says it can",
      (run, args) =>
        formatNames(
          maskOf(globalText(run, run.hostOr(args), "features")),
          names,
        ),
    ),
    row(
      `usable-${family}`,
      "what {host} and all of its peers can",
      (run, args) =>
        formatNames(maskOf(globalText(run, run.hostOr(args), "usable")), names),
    ),
  ]),
  ...["log", "net"].flatMap((what) => [
    used(`used-${what}-digest`, DIGESTS),
    used(`used-${what}-compression`, COMPRESSIONS),
    setting(`enabled-${what}-compressions`, COMPRESSIONS),
    setting(`disabled-${what}-digests`, DIGESTS),
  ]),
  ...(["emergency", "buildtag", "rest-space", "total-space", "tree"] as const)
    .map(
      (name) =>
        row(
          name,
          "that link of {host}",
          (run, args) => globalText(run, run.hostOr(args), name),
        ),
    ),
  row(
    "features-version",
    "versions and mask of {host}",
    (run, args) => globalText(run, run.hostOr(args), "features"),
  ),
  row(
    "tree-version",
    "version of the tree that this program writes",
    () => TREE_VERSION,
  ),
  row(
    "uuid",
    "name of the cluster",
    (run) => plainText(run.world.snapshot.value(linkPath.uuid) ?? ""),
  ),
  row("time", "Lamport time", (run) => formatStamp(run.world.lamportNs)),
  row("real-time", "wall clock", (run) => formatStamp(run.world.realNs)),
  row(
    "time-slip",
    "seconds that Lamport time is ahead of the wall clock",
    (run) => String((run.world.lamportNs - run.world.realNs) / NS_PER_S),
  ),
  row(
    "global-sync-limit-value",
    "syncs at once on {host}, 0 unlimited",
    (run, args) => countText(run, linkPath.syncLimit(run.hostOr(args))),
  ),
  row(
    "traffic",
    "what lines of {host} move, peer by peer and class by class",
    (run, args) => trafficText(run, run.hostOr(args), false),
  ),
  row(
    "traffic-limited",
    "the same, of what is limited",
    (run, args) => trafficText(run, run.hostOr(args), true),
  ),
  row("systemd-unit", "unit that starts the resource, and stops it", (run) => {
    const unit = (name: string): string =>
      resourceText(run, `systemd-${name}-unit`);
    const [start, stop] = [unit("start"), unit("stop")];
    return stop === "" || stop === start ? start : `${start} ${stop}`;
  }),
  row("systemd-want", "host on which units shall run", (run) => {
    const host = resourceText(run, "systemd-want");
    return host === NOBODY ? "" : host;
  }),
  hostRow(
    "acknowledge",
    "what a write waits for, on",
    (report) => report.view.level,
  ),
];

function used(name: string, names: readonly Algorithm[]): Row {
  return row(
    name,
    "what {host} uses",
    (run, args) =>
      formatNames(numberOf(globalText(run, run.hostOr(args), name)), names),
  );
}

function setting(name: string, names: readonly Algorithm[]): Row {
  return row(
    name,
    "that setting of the cluster",
    (run) =>
      formatNames(
        numberOf(run.world.snapshot.value(linkPath.defaults(name)) ?? ""),
        names,
      ),
  );
}

function globalText(run: Run, host: string, name: string): string {
  return plainText(run.world.snapshot.value(linkPath.global(host, name)) ?? "");
}

function resourceText(run: Run, name: string): string {
  const directory = linkPath.resource(run.resource());
  return plainText(run.world.snapshot.value(`${directory}/${name}`) ?? "");
}

function maskOf(text: string): number {
  return parseFeatures(text)?.mask ?? 0;
}

/** Decimal or 0x…; garbage is 0. */
function numberOf(text: string): number {
  return /^(?:0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text) ? Number(text) : 0;
}

const TRAFFIC = "traffic-";
const KIB = 1024;

function trafficText(run: Run, host: string, isLimited: boolean): string {
  const lines: string[] = [];
  const directory = linkPath.global(host, "");
  for (const link of run.world.snapshot.children(directoryOf(directory))) {
    const name = nameOf(link.path);
    if (!name.startsWith(TRAFFIC)) continue;
    const peer = name.slice(TRAFFIC.length);
    for (const row of parseTraffic(link.value)) {
      const hasLimit = row.sendLimitKib !== undefined ||
        row.receiveLimitKib !== undefined;
      if (isLimited && !hasLimit) continue;
      const sent = flowText(row.sentKib, row.sendLimitKib);
      const received = flowText(row.receivedKib, row.receiveLimitKib);
      lines.push(
        `${peer} ${row.trafficClass}: sends ${sent}, takes in ${received}`,
      );
    }
  }
  return lines.sort().join("\n");
}

/** `1.000 MiB/s of 10.000 MiB/s` */
function flowText(kib: number, limitKib: number | undefined): string {
  const rate = `${formatBytes(kib * KIB)}/s`;
  return limitKib === undefined
    ? rate
    : `${rate} of ${formatBytes(limitKib * KIB)}/s`;
}
