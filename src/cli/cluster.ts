/** Commands on the cluster and its hosts. */
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { isHostAddress } from "../tree/values.ts";
import { ownAddress, peerAddressOf } from "./address.ts";
import {
  CREATE_COMMANDS,
  makeDirectories,
  membership,
} from "./cluster_create.ts";
import type { Command, Desk } from "./command.ts";
import { GUEST_COMMANDS } from "./guest.ts";
import { HOST_COMMANDS } from "./hosts.ts";

export const CLUSTER_COMMANDS: readonly Command[] = [
  ...CREATE_COMMANDS,
  {
    name: "join-cluster",
    usage: "[PEER] --token=TOKEN… [--ip=ADDRESS[:PORT]]",
    summary: "Enter a cluster with tokens that its members made",
    subject: "none",
    wordsMin: 0,
    wordsMax: 1,
    run: joinCluster,
  },
  ...HOST_COMMANDS,
  ...GUEST_COMMANDS,
];

async function joinCluster(
  desk: Desk,
  _resource: string,
  words: readonly string[],
): Promise<void> {
  const { tokens } = desk.options;
  if (tokens.length === 0) {
    throw new UsageError(
      "Cannot join without a token: type `mars token create` on a member, then --token=TOKEN here",
    );
  }
  // Only here, so that no other command pays for it.
  const { join } = await import("../peer/connection.ts");
  const { loadIdentity } = await import("../peer/identity.ts");
  const { decodeToken } = await import("../peer/token.ts");
  const { TrustStore } = await import("../peer/trust.ts");
  const expected = words[0];
  const inviters = tokens.map((token) => decodeToken(token).host);
  if (expected !== undefined && !inviters.includes(expected)) {
    throw new UsageError(
      `Cannot join "${expected}": the token is one of "${inviters.join(", ")}"`,
    );
  }
  const snapshot = desk.snapshot();
  const ownUuid = snapshot.value(linkPath.uuid);
  if (ownUuid === undefined && snapshot.resources().length > 0) {
    throw new RefusedError("Cannot join a cluster", [
      "there are resources here",
    ]);
  }
  const { etcDir, host } = desk.settings;
  const identity = await loadIdentity(etcDir, host);
  const trust = await TrustStore.load(etcDir);
  for (const token of tokens) {
    if (desk.options.dryRun) continue;
    const address = ownAddress(desk);
    const joined = await join({
      identity,
      token,
      own: { host, address: peerAddressOf(address) },
    });
    trust.add(joined.publicKeyLine);
    enter(desk, joined.peer, joined.reply, address);
  }
}

/** Writes what an inviter told. */
function enter(
  desk: Desk,
  peer: string,
  reply: { readonly [key: string]: unknown },
  address: string,
): void {
  const { uuid, ips } = reply;
  if (typeof uuid !== "string" || uuid === "") {
    throw new MarsError(`Cannot join "${peer}": it named no cluster`);
  }
  const ownUuid = desk.snapshot().value(linkPath.uuid);
  if (ownUuid !== undefined && ownUuid !== uuid) {
    throw new RefusedError(`Cannot join "${peer}"`, [
      `it belongs to cluster "${uuid}", this host to "${ownUuid}"`,
    ]);
  }
  makeDirectories(desk);
  const known = typeof ips === "object" && ips !== null
    ? Object.entries(ips)
    : [];
  // Provisional: whatever the members say themselves is newer.
  const provisional = known
    .filter((entry): entry is [string, string] =>
      entry[0] !== desk.host && typeof entry[1] === "string" &&
      isHostAddress(entry[1])
    )
    .map(([host, value]) => ({
      path: linkPath.ip(host),
      value,
      stampNs: PROVISIONAL_NS,
    }));
  desk.write([
    ...membership(desk, address),
    ...(ownUuid === undefined ? [{ path: linkPath.uuid, value: uuid }] : []),
    ...provisional,
  ], "8");
  desk.print(`Joined "${peer}", cluster "${uuid}"`);
}

/** Prescribed by MARS: one second after 1970 loses against anything. */
const PROVISIONAL_NS = 1_000_000_000n;
