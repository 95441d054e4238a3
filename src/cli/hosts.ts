/**
 * Addresses of hosts by hand: lowlevel-*.
 *
 * They repair what join-cluster and leave-cluster have left half done; what
 * they write is believed by all hosts.
 */
import { RefusedError, UsageError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { addressOfHost } from "./address.ts";
import { checkName } from "./arguments.ts";
import type { Command, Desk } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

export const HOST_COMMANDS: readonly Command[] = [
  {
    name: "lowlevel-ls-host-ips",
    usage: "",
    summary: "For experts: print the address of every host",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: listAddresses,
  },
  {
    name: "lowlevel-set-host-ip",
    usage: "HOST [ADDRESS[:PORT]]",
    summary: "For experts: set the address of a host, for all hosts",
    subject: "none",
    wordsMin: 1,
    wordsMax: 2,
    run: (desk, _resource, [host = "", address]) =>
      setAddress(desk, host, address),
  },
  {
    name: "lowlevel-delete-host",
    usage: "HOST",
    summary: "For experts: forget the address of a host, on all hosts",
    subject: "none",
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, _resource, [host = ""]) => deleteHost(desk, host),
  },
];

const EXPERTS = "WARNING: this command is for experts; it can cut a cluster";

function listAddresses(desk: Desk): void {
  desk.warn(EXPERTS);
  const snapshot = desk.look();
  for (const host of snapshot.hosts()) {
    const address = snapshot.value(linkPath.ip(host)) ?? "";
    desk.answer(`${host} ${address}`, { host, address });
  }
}

async function setAddress(
  desk: Desk,
  host: string,
  word: string | undefined,
): Promise<void> {
  checkName(host, "host");
  desk.warn(EXPERTS);
  const address = await addressOfHost(desk, host, word);
  desk.write([{ path: linkPath.ip(host), value: address }]);
  desk.print(`"${host}" has address "${address}"`);
}

function deleteHost(desk: Desk, host: string): void {
  checkName(host, "host");
  desk.warn(EXPERTS);
  const snapshot = desk.snapshot();
  if (snapshot.value(linkPath.ip(host)) === undefined && !desk.options.force) {
    throw new UsageError(
      `No host "${host}"; there are: ${snapshot.hosts().join(", ")}`,
    );
  }
  const self = isActingForAnother(desk, snapshot)
    ? desk.effects.machine.realHost()
    : desk.host;
  if (host === self && !desk.options.force) {
    throw new RefusedError(`Cannot forget "${host}"`, [
      "it is this host; type leave-cluster",
    ]);
  }
  const resources = snapshot.resources().filter((resource) =>
    snapshot.members(resource).includes(host)
  );
  if (resources.length > 0) {
    desk.warn(
      `WARNING: "${host}" is still a member of ${resources.join(", ")}`,
    );
  }
  desk.write([{ path: linkPath.ip(host), value: TOMBSTONE }]);
  desk.print(`"${host}" has no address any more`);
}
