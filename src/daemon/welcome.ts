// Pure
/**
 * Welcome: what a host gets that has proved a token, and what the others learn
 * of it.
 */
import { MarsError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../peer/rpc.ts";
import type { JoinRequest } from "../peer/token.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatHostAddress, isHostAddress } from "../tree/values.ts";

/** @throws MarsError if it cannot come in */
export function welcome(
  snapshot: Snapshot,
  host: string,
  request: JoinRequest,
): { readonly links: LinkValue[]; readonly reply: JsonObject } {
  const refused = (reason: string): MarsError =>
    new MarsError(`Cannot let "${request.host}" join: ${reason}`);
  const uuid = snapshot.value(linkPath.uuid);
  if (uuid === undefined) throw refused(`"${host}" is in no cluster`);
  const address = addressOf(request);
  if (!isHostAddress(address)) throw refused("it names no address of its own");
  const ips: Record<string, string> = {};
  for (const member of snapshot.hosts()) {
    ips[member] = snapshot.value(linkPath.ip(member)) ?? "";
  }
  return {
    links: [{ path: linkPath.ip(request.host), value: address }],
    reply: { uuid, ips },
  };
}

/** The address a joiner names, as a link has it. */
function addressOf(request: JoinRequest): string {
  const address = request.params["address"];
  if (!isJsonObject(address)) return "";
  const { hostname, port } = address;
  return typeof hostname === "string" && typeof port === "number"
    ? formatHostAddress({ address: hostname, port })
    : "";
}
