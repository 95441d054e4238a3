// Pure
/**
 * What one host knows of its cluster, as far as joins and merges need it; and
 * whether two clusters can become one.
 *
 * They cannot if both have a resource of one name, or a host of one name: links
 * of the two would be taken for those of one. What is all the same on both
 * sides is no obstacle: half of a merge may have happened.
 */
import { FormatError } from "../base/errors.ts";
import { isIdentifier } from "../base/names.ts";
import {
  clusterOf,
  isClusterName,
  isSameCluster,
  mergedClusters,
} from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { isHostAddress } from "../tree/values.ts";

export interface ClusterFacts {
  /** Undefined without a cluster. */
  readonly uuid: string | undefined;
  /** Names of clusters that were merged into it. */
  readonly merged: readonly string[];
  /** Address by host. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Those that exist, sorted. */
  readonly resources: readonly string[];
}

export function factsOf(snapshot: Snapshot): ClusterFacts {
  return {
    uuid: clusterOf(snapshot),
    merged: mergedClusters(snapshot),
    addresses: new Map(
      snapshot.hosts().map((host) => [
        host,
        snapshot.value(linkPath.ip(host)) ?? "",
      ]),
    ),
    // What is left of deleted ones has no size.
    resources: snapshot.resources().filter((resource) =>
      snapshot.value(linkPath.size(resource)) !== undefined
    ),
  };
}

/** Whether both are one cluster already. */
export function isOneCluster(left: ClusterFacts, right: ClusterFacts): boolean {
  return isSameCluster(namesOf(left), namesOf(right));
}

function namesOf(facts: ClusterFacts): readonly string[] {
  return facts.uuid === undefined ? [] : [facts.uuid, ...facts.merged];
}

/** Why two clusters cannot become one. */
export function mergeObstacles(
  own: ClusterFacts,
  theirs: ClusterFacts,
): string[] {
  const obstacles: string[] = [];
  for (const facts of [own, theirs]) {
    if (facts.uuid !== undefined && !isClusterName(facts.uuid)) {
      obstacles.push(`"${facts.uuid}" is no name of a cluster`);
    }
  }
  if (own.uuid === undefined) obstacles.push("this host is in no cluster");
  if (theirs.uuid === undefined) obstacles.push("the peer is in no cluster");
  if (isOneCluster(own, theirs)) return obstacles;
  const common = own.resources.filter((resource) =>
    theirs.resources.includes(resource)
  );
  if (common.length > 0) {
    obstacles.push(
      `both clusters have resources of the names ${common.join(", ")}`,
    );
  }
  for (const [host, address] of own.addresses) {
    const other = theirs.addresses.get(host);
    if (other === undefined || other === address) continue;
    obstacles.push(
      `both clusters have a host "${host}", at ${address} and at ${other}`,
    );
  }
  return obstacles;
}

/** For people. */
export function factLines(facts: ClusterFacts): string[] {
  return [
    `uuid: ${facts.uuid ?? "(none)"}`,
    ...facts.merged.map((name) => `merged: ${name}`),
    ...[...facts.addresses].map(([host, address]) => `ip: ${host} ${address}`),
    ...facts.resources.map((resource) => `resource: ${resource}`),
  ];
}

/** One line, for another host. */
export function encodeFacts(facts: ClusterFacts): string {
  const { uuid, merged, addresses, resources } = facts;
  return JSON.stringify({
    ...(uuid === undefined ? {} : { uuid }),
    merged,
    ips: Object.fromEntries(addresses),
    resources,
  });
}

/** @throws FormatError */
export function decodeFacts(text: string): ClusterFacts {
  const json = parseObject(text);
  const { uuid, merged, ips, resources } = json;
  const isGood = (uuid === undefined || typeof uuid === "string") &&
    isTexts(merged) && isTexts(resources) && typeof ips === "object" &&
    ips !== null;
  if (!isGood) throw noFacts(text);
  return { uuid, merged, resources, addresses: addressesIn(ips) };
}

/** Addresses by host; what is no host or no address is left out. */
export function addressesIn(ips: unknown): Map<string, string> {
  const addresses = new Map<string, string>();
  if (typeof ips !== "object" || ips === null) return addresses;
  for (const [host, address] of Object.entries(ips)) {
    const isGood = isIdentifier(host) && typeof address === "string" &&
      isHostAddress(address);
    if (isGood) addresses.set(host, address);
  }
  return addresses;
}

function parseObject(text: string): { readonly [key: string]: unknown } {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) return { ...json };
  } catch {
    // Told below, in words for who typed the command.
  }
  throw noFacts(text);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) &&
    value.every((text) => typeof text === "string");
}

function noFacts(text: string): FormatError {
  return new FormatError(
    `Cannot read what a peer says of its cluster: "${text.slice(0, 80)}"`,
  );
}
