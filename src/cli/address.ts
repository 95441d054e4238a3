/**
 * Addresses of hosts: what links and command lines say, and what else may be
 * asked.
 *
 * Of another host, the first of these that there is: the word of the command
 * line, `--ip-PEER`, the link `ips/ip-PEER`, the newest backup of it, what the
 * machine resolves the name to. Of this host: `--ip`, its link, the first IPv4
 * address of an interface.
 *
 * Source: address lookup of `marsadm`.
 */
import { assert } from "../base/assert.ts";
import { UsageError } from "../base/errors.ts";
import { PORT } from "../base/settings.ts";
import type { PeerAddress } from "../peer/token.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import {
  formatHostAddress,
  isHostAddress,
  parseHostAddress,
} from "../tree/values.ts";
import type { Desk } from "./command.ts";

/** Prescribed by MARS: where a split puts what it takes away. */
export const BACKUP = { prefix: "backups-", ips: "ips-backup" } as const;

/** The address under which others reach this host. @throws UsageError */
export function ownAddress(desk: Desk): string {
  const { port } = desk.settings;
  const given = desk.options.ip ??
    desk.look().value(linkPath.ip(desk.host)) ??
    desk.effects.machine.interfaceAddress();
  const parsed = parseHostAddress(given ?? "");
  if (parsed === undefined) {
    throw new UsageError(
      `Cannot tell the address of this host${
        given === undefined ? "" : ` ("${given}")`
      }: type --ip=ADDRESS or --ip=ADDRESS:PORT`,
    );
  }
  return parsed.port !== undefined || port === PORT
    ? formatHostAddress(parsed)
    : formatHostAddress({ address: parsed.address, port });
}

/**
 * The address of another host.
 *
 * @param word as typed after the host's name
 * @throws UsageError if it is none, or none is known
 */
export async function addressOfHost(
  desk: Desk,
  host: string,
  word: string | undefined,
): Promise<string> {
  const typed = typedAddress(desk, host, word);
  const known = typed ?? desk.look().value(linkPath.ip(host)) ??
    addressInBackups(desk, host) ?? await desk.effects.machine.resolve(host);
  if (known !== undefined && isHostAddress(known)) return known;
  throw new UsageError(
    `Cannot tell the address of "${host}": type it after the name, or as --ip-${host}=ADDRESS`,
  );
}

/** What the command line says of the address of `host`. @throws UsageError */
export function typedAddress(
  desk: Desk,
  host: string,
  word: string | undefined,
): string | undefined {
  const typed = word ?? desk.options.peerIps.get(host);
  if (typed === undefined || isHostAddress(typed)) return typed;
  throw new UsageError(
    `Cannot use "${typed}" as address of "${host}": expected ADDRESS or ADDRESS:PORT`,
  );
}

/** Why `typed` cannot be the address of `host`; empty if it can. */
export function addressConflicts(
  snapshot: Snapshot,
  host: string,
  typed: string | undefined,
): string[] {
  const known = snapshot.value(linkPath.ip(host));
  if (typed === undefined || known === undefined) return [];
  const [one, other] = [parseHostAddress(typed), parseHostAddress(known)];
  const isSame = one?.address === other?.address &&
    (one?.port ?? PORT) === (other?.port ?? PORT);
  return isSame ? [] : [
    `"${host}" has address "${known}" here, not "${typed}"; if it moved, type lowlevel-set-host-ip`,
  ];
}

function addressInBackups(desk: Desk, host: string): string | undefined {
  const { machine, files } = desk.effects;
  const epochs = files.list(desk.settings.marsDir)
    .map(({ name }) => name)
    .filter((name) => name.startsWith(BACKUP.prefix))
    .map((name) => Number(name.slice(BACKUP.prefix.length)))
    .filter((epoch) => Number.isSafeInteger(epoch))
    .sort((left, right) => right - left);
  for (const epoch of epochs) {
    const value = machine.lookInto(`${BACKUP.prefix}${epoch}/${BACKUP.ips}`)
      ?.value(`ip-${host}`);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Host and port of an address that was checked. */
export function peerAddressOf(text: string): PeerAddress {
  const parsed = parseHostAddress(text);
  assert(parsed !== undefined, "address was checked");
  return { hostname: parsed.address, port: parsed.port ?? PORT };
}
