// Pure
/**
 * Macros that list hosts and resources, one per line, and count them.
 *
 *   my-resources   with a device or a disk on the host; all-: anywhere
 *   my-members     with a disk
 *   my-guests      with a device but no disk
 *
 *   cluster-peers     hosts with an address
 *   resource-peers    hosts with a disk for the resource
 *   guest-peers       hosts with only a device for it
 *   configured-peers  hosts of the cluster, and those with a disk for it
 *
 * Hosts and disks that were deleted do not count, unless with
 * --ignore-deleted-peers=0.
 *
 * Source: primitive macros of `marsadm view`.
 */
import { linkPath, nameOf } from "../../tree/path.ts";
import { TOMBSTONE } from "../../tree/values.ts";
import { compareNatural } from "../arguments.ts";
import { type Row, row } from "./rows.ts";
import type { Run } from "./run.ts";

type Kind = "resources" | "members" | "guests";

const ABOUT: Readonly<Record<Kind, string>> = {
  resources: "resources with a disk or a device",
  members: "resources with a disk",
  guests: "resources with a device but no disk",
};

export const HOST_MACROS: readonly Row[] = [
  ...(["resources", "members", "guests"] as const).flatMap((kind) => [
    ...listed(
      `my-${kind}`,
      `${ABOUT[kind]} on {host}`,
      (run, host) => resourcesOf(run, kind, [host]),
    ),
    ...listed(
      `all-${kind}`,
      `${ABOUT[kind]} anywhere`,
      (run) => resourcesOf(run, kind, undefined),
    ),
  ]),
  ...listed("cluster-peers", "hosts of the cluster", hostsOf),
  ...listed(
    "resource-peers",
    "hosts with a disk for the resource",
    (run) => hostsWith(run, "data-"),
  ),
  ...listed("guest-peers", "hosts with only a device for it", (run) => {
    const members = hostsWith(run, "data-");
    return hostsWith(run, "device-").filter((host) => !members.includes(host));
  }),
  ...listed(
    "configured-peers",
    "hosts that could have a disk for it",
    (run) => [...new Set([...hostsOf(run), ...hostsWith(run, "data-")])],
  ),
];

function listed(
  name: string,
  about: string,
  list: (run: Run, host: string) => readonly string[],
): Row[] {
  return [
    row(
      name,
      about,
      (run, args) =>
        [...list(run, run.hostOr(args))].sort(compareNatural).join("\n"),
    ),
    row(
      `count-${name}`,
      `count of ${about}`,
      (run, args) => String(list(run, run.hostOr(args)).length),
    ),
  ];
}

function hostsOf(run: Run): readonly string[] {
  return suffixesIn(run, "ips", "ip-");
}

function hostsWith(run: Run, prefix: string): readonly string[] {
  return suffixesIn(run, linkPath.resource(run.resource()), prefix);
}

function resourcesOf(
  run: Run,
  kind: Kind,
  hosts: readonly string[] | undefined,
): string[] {
  const { snapshot } = run.world;
  return snapshot.resources().filter((resource) => {
    const directory = linkPath.resource(resource);
    const members = suffixesIn(run, directory, "data-");
    const devices = suffixesIn(run, directory, "device-");
    const among = (names: readonly string[]): readonly string[] =>
      hosts === undefined
        ? names
        : names.filter((name) => hosts.includes(name));
    switch (kind) {
      case "members":
        return among(members).length > 0;
      case "guests":
        return among(devices).some((host) => !members.includes(host));
      case "resources":
        return among(devices).length > 0 || among(members).length > 0;
    }
  });
}

/** What stands behind `prefix` in the names of a directory. */
function suffixesIn(run: Run, directory: string, prefix: string): string[] {
  const { snapshot, countsDeletedPeers } = run.world;
  const suffixes: string[] = [];
  for (const link of snapshot.children(directory)) {
    const name = nameOf(link.path);
    if (!name.startsWith(prefix)) continue;
    if (link.value === TOMBSTONE && !countsDeletedPeers) continue;
    suffixes.push(name.slice(prefix.length));
  }
  return suffixes;
}
