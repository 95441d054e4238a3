/** Commands on the cluster: create it, join it. */
import { assert } from "../base/assert.ts";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { PORT } from "../base/settings.ts";
import type { PeerAddress } from "../peer/token.ts";
import { linkPath } from "../tree/path.ts";
import {
  formatStamp,
  isHostAddress,
  NOBODY,
  parseHostAddress,
} from "../tree/values.ts";
import type { Command, Desk } from "./command.ts";

/** Prescribed by MARS: the version of its tool whose commands these are. */
const TOOL_VERSION = "2.9";

const DIRECTORIES = ["ips", "userspace", "defaults", "todo-global"];

export const CLUSTER_COMMANDS: readonly Command[] = [
  {
    name: "create-cluster",
    usage: "[--ip=ADDRESS[:PORT]]",
    summary: "Begin a cluster with this host as its first member",
    subject: "none",
    wordsMin: 0,
    wordsMax: 0,
    run: createCluster,
  },
  {
    name: "join-cluster",
    usage: "[PEER] --token=TOKEN… [--ip=ADDRESS[:PORT]]",
    summary: "Enter a cluster with tokens that its members made",
    subject: "none",
    wordsMin: 0,
    wordsMax: 1,
    run: joinCluster,
  },
];

function createCluster(desk: Desk): void {
  const uuid = desk.snapshot().value(linkPath.uuid);
  if (uuid !== undefined) {
    throw new RefusedError("Cannot create a cluster", [
      `this host belongs to "${uuid}" already`,
    ]);
  }
  makeDirectories(desk);
  const name = `${desk.host}_${formatStamp(desk.nowNs())}`;
  desk.write([
    ...membership(desk, ownAddress(desk)),
    { path: linkPath.uuid, value: name },
  ], "3");
  desk.print(`Created cluster "${name}"`);
}

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

function makeDirectories(desk: Desk): void {
  if (desk.options.dryRun) return;
  const { marsDir, host } = desk.settings;
  for (
    const name of [...DIRECTORIES, `defaults-${host}`, `actual-${host}`]
  ) {
    Deno.mkdirSync(`${marsDir}/${name}`, { recursive: true, mode: 0o700 });
  }
}

function membership(
  desk: Desk,
  address: string,
): { path: string; value: string }[] {
  const { host } = desk;
  return [
    { path: linkPath.global(host, "marsadm-version"), value: TOOL_VERSION },
    { path: linkPath.syncLimit(host), value: "0" },
    { path: linkPath.syncPrefList(host), value: NOBODY },
    { path: linkPath.ip(host), value: address },
  ];
}

/** The address under which others reach this host. @throws UsageError */
export function ownAddress(desk: Desk): string {
  const { port } = desk.settings;
  const given = desk.options.ip ??
    desk.snapshot().value(linkPath.ip(desk.host)) ?? firstAddress();
  if (given === undefined || !isHostAddress(given)) {
    throw new UsageError(
      `Cannot tell the address of this host${
        given === undefined ? "" : ` ("${given}")`
      }: type --ip=ADDRESS or --ip=ADDRESS:PORT`,
    );
  }
  const hasPort = /^[^:]*:\d+$|\]:\d+$/.test(given);
  if (hasPort || port === PORT) return given;
  return given.includes(":") ? `[${given}]:${port}` : `${given}:${port}`;
}

function peerAddressOf(text: string): PeerAddress {
  const parsed = parseHostAddress(text);
  assert(parsed !== undefined, "own address was checked");
  return { hostname: parsed.address, port: parsed.port ?? PORT };
}

/** The first IPv4 address that is not of this host alone. */
function firstAddress(): string | undefined {
  return Deno.networkInterfaces().find((item) =>
    item.family === "IPv4" && !item.address.startsWith("127.")
  )?.address;
}
