// Pure
/**
 * What a host is told that has proved a token, and what is written of it.
 *
 *   purpose   its cluster      what happens
 *   join      none, or ours    its address is written, it learns the cluster
 *   join      another one      it is refused, and not trusted
 *   merge     ours             as a join
 *   merge     another one      both trust each other, nothing else
 */
import { MarsError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../peer/rpc.ts";
import type { JoinRequest } from "../peer/token.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import { clusterOf, isSameCluster, mergedClusters } from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatHostAddress, isHostAddress } from "../tree/values.ts";

// Ours. More do not fit into a reply; the joiner learns them as links.
const ADDRESSES_MAX = 100;

/** @throws MarsError with a message fit for the joiner */
export function welcome(
  snapshot: Snapshot,
  host: string,
  request: JoinRequest,
): { readonly links: readonly LinkValue[]; readonly reply: JsonObject } {
  const uuid = clusterOf(snapshot);
  if (uuid === undefined) {
    throw new MarsError(
      `Cannot let "${request.host}" join: "${host}" is in no cluster`,
    );
  }
  const address = addressOf(request);
  if (!isHostAddress(address)) {
    throw new MarsError(
      `Cannot let "${request.host}" join: it names no address of its own`,
    );
  }
  const theirs = request.params["cluster"];
  const isOurs = typeof theirs !== "string" || theirs === "" ||
    isSameCluster([uuid, ...mergedClusters(snapshot)], [theirs]);
  if (!isOurs && request.params["purpose"] !== "merge") {
    throw new MarsError(
      `Cannot let "${request.host}" join: it belongs to cluster "${theirs}", "${host}" to "${uuid}"; type merge-cluster`,
    );
  }
  const ips: Record<string, string> = {};
  for (const known of snapshot.hosts().slice(0, ADDRESSES_MAX)) {
    ips[known] = snapshot.value(linkPath.ip(known)) ?? "";
  }
  return {
    links: isOurs ? [{ path: linkPath.ip(request.host), value: address }] : [],
    // The inviter last: it is among those that fit, whatever its name.
    reply: {
      uuid,
      ips: { ...ips, [host]: snapshot.value(linkPath.ip(host)) ?? "" },
    },
  };
}

/** The address a joiner names, as a link has it. */
function addressOf(request: JoinRequest): string {
  const address = request.params["address"];
  if (!isJsonObject(address)) return "";
  const { hostname, port } = address;
  const isPort = typeof port === "number" && Number.isInteger(port) &&
    port >= 0;
  return typeof hostname === "string" && isPort
    ? formatHostAddress({ address: hostname, port })
    : "";
}
