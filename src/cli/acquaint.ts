/**
 * Acquaintance: how this host and another one come to trust each other's keys.
 *
 *   token   the other host made one; it proves who may come in, and tells the
 *           key it belongs to, so each side learns the key of the other
 *   ssh     root may run commands there: keys go both ways over that line
 *   keys    both know each other already; nothing is to be done
 *
 * Trust is between two hosts and is never passed on; but by ssh one command can
 * take the keys of many hosts to many others. Everything can be repeated.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import { parseHostAddress } from "../tree/values.ts";
import { ownAddress, peerAddressOf, typedAddress } from "./address.ts";
import {
  addressesIn,
  type ClusterFacts,
  decodeFacts,
} from "./cluster_facts.ts";
import type { Desk } from "./command.ts";

/** What a peer is met for: to be in one cluster, or to make two to one. */
export type Purpose = "join" | "merge";

/** A host that trusts this one now, and is trusted. */
export interface Acquaintance {
  readonly peer: string;
  /** The cluster of the peer. */
  readonly uuid: string;
  /** Addresses of hosts of its cluster, its own among them. */
  readonly addresses: ReadonlyMap<string, string>;
}

/**
 * Meets the maker of a token, which is used up by that.
 *
 * @param address where it is, if not where the token says
 * @throws MarsError with the maker's words, if it refuses
 */
export async function meetByToken(
  desk: Desk,
  token: string,
  options: {
    readonly purpose: Purpose;
    readonly cluster: string | undefined;
    readonly address: string | undefined;
  },
): Promise<Acquaintance> {
  const { keys } = desk.effects;
  const { address } = options;
  const { peer, keyLine, reply } = await keys.redeem(token, {
    address: peerAddressOf(ownAddress(desk)),
    inviterAddress: address === undefined ? undefined : peerAddressOf(address),
    params: { purpose: options.purpose, cluster: options.cluster ?? "" },
  });
  const { uuid } = reply;
  if (typeof uuid !== "string" || uuid === "") {
    throw new MarsError(`Cannot join "${peer}": it named no cluster`);
  }
  await keys.trust(keyLine);
  const addresses = addressesIn(reply["ips"]);
  if (address !== undefined) addresses.set(peer, address);
  return { peer, uuid, addresses };
}

/** What a host said by ssh. */
export interface SshAnswer {
  /** "ssh-ed25519 AAAA… host" */
  readonly keyLine: string;
  readonly facts: ClusterFacts;
}

/** Asks a host by ssh for its key and its cluster. @throws MarsError */
export async function askBySsh(
  desk: Desk,
  host: string,
  address: string | undefined,
): Promise<SshAnswer> {
  const text = await runThere(
    desk,
    host,
    address,
    "mars key show && mars merge-cluster-list --json",
  );
  const lines = text.split("\n");
  const keyLine = lines.find((line) => line.startsWith("ssh-ed25519 "));
  const json = lines.findLast((line) => line.startsWith("{"));
  if (keyLine === undefined || json === undefined) {
    throw new MarsError(
      `Cannot meet "${host}": mars there said no key and no cluster; is it the same version?`,
    );
  }
  const name = keyLine.split(" ")[2];
  if (name !== host) {
    throw new RefusedError(`Cannot meet "${host}"`, [
      `the host that ssh reached calls itself "${name}"`,
    ]);
  }
  return { keyLine, facts: decodeFacts(json) };
}

/** Lets a host trust keys, by ssh. @throws MarsError */
export async function tellKeysBySsh(
  desk: Desk,
  host: string,
  address: string | undefined,
  keyLines: readonly string[],
): Promise<void> {
  if (keyLines.length === 0) return;
  const words = keyLines.map((line) => `'${line}'`).join(" ");
  await runThere(desk, host, address, `mars key trust ${words}`);
}

/** Names are what ssh knows best; addresses are for those it does not know. */
async function runThere(
  desk: Desk,
  host: string,
  address: string | undefined,
  line: string,
): Promise<string> {
  const typed = typedAddress(desk, host, undefined);
  const first = await runAt(desk, hostnameOf(typed) ?? host, line);
  const known = hostnameOf(address);
  const isUnknown = typed === undefined && known !== undefined &&
    first.code === SSH_FAILED && /resolve/i.test(first.stderr);
  const outcome = isUnknown ? await runAt(desk, known, line) : first;
  if (outcome.code === 0) return outcome.stdout;
  const reason = outcome.stderr.trim().split("\n").at(-1) ?? "";
  throw new MarsError(
    outcome.code === SSH_FAILED
      ? `Cannot reach "${host}" by ssh: ${reason}; see --ssh-port, --ssh-opts and --ip-${host}`
      : `Cannot meet "${host}": mars there failed: ${reason}`,
  );
}

/** Prescribed by OpenSSH: what ssh itself ends with. */
const SSH_FAILED = 255;

async function runAt(desk: Desk, destination: string, line: string) {
  const { ssh, timeoutMs } = desk.options;
  return await desk.effects.machine.ssh({
    destination,
    port: ssh.port,
    options: ssh.options,
    timeoutMs,
  }, line);
}

function hostnameOf(address: string | undefined): string | undefined {
  return parseHostAddress(address ?? "")?.address;
}

/** How to meet hosts that do not trust this one yet, in words. */
export function adviceFor(
  desk: Desk,
  missing: readonly string[],
  friend: string,
): string[] {
  if (missing.length === 0) return [];
  return [
    `No trust yet between "${desk.host}" and ${
      missing.join(", ")
    }. On each of these type`,
    "  mars token create",
    "and here, with what they print,",
    `  mars join-cluster ${missing.map(() => "--token=TOKEN").join(" ")}`,
    "or, if root may ssh to all of them, once here",
    `  mars join-cluster ${friend} --ssh`,
  ];
}

/** Hosts of the cluster whose keys this host does not know, sorted. */
export async function strangersAmong(
  desk: Desk,
  hosts: Iterable<string>,
): Promise<string[]> {
  const trusted = await desk.effects.keys.hosts();
  return [...new Set(hosts)].filter((host) =>
    host !== desk.host && !trusted.includes(host)
  ).sort();
}
