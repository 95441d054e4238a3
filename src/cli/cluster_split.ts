/**
 * split-cluster: hosts that share no resource part.
 *
 *   1  hosts are grouped by the resources that they have in common
 *   2  all addresses are put aside, here
 *   3  all addresses become tombstones, everywhere: nobody calls anybody
 *   4  when all lines have ended, each host gets the addresses of its group
 *
 * The groups keep the name of the cluster, the keys and all links; so they are
 * one again as soon as one host hears of one of another group. Deprecated, as
 * in the original: leave-cluster and join-cluster move hosts one by one.
 *
 * Source: `marsadm`.
 */
import { RefusedError } from "../base/errors.ts";
import { NS_PER_S } from "../base/time.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { strangersAmong } from "./acquaint.ts";
import { BACKUP } from "./address.ts";
import { checkIsSelf } from "./cluster_create.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { ASK, hostsOfResource, peersOf, waitForPeers } from "./peers_alive.ts";

export const SPLIT_COMMANDS: readonly Command[] = [
  {
    name: "split-cluster",
    usage: "",
    summary: "Deprecated: part hosts that share no resource",
    subject: "none",
    wordsMin: 0,
    wordsMax: 0,
    phases: (desk) => new Split(desk).phases(),
  },
];

/** Ours. Lines end within this part of a window, 10 s by default. */
const WINDOW_PART = 6;

class Split {
  readonly #desk: Desk;
  #groups: readonly (readonly string[])[] = [];
  #addresses: ReadonlyMap<string, string> = new Map();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  phases(): readonly Phase[] {
    return [
      { title: "group the hosts", act: () => this.#group() },
      { title: "put addresses aside", act: () => this.#putAside() },
      { title: "end all lines", act: () => this.#cut() },
      { title: "form the groups", act: () => this.#form() },
    ];
  }

  async #group(): Promise<void> {
    const desk = this.#desk;
    checkIsSelf(desk, "split the cluster");
    const snapshot = desk.snapshot();
    const groups = groupsOf(snapshot);
    if (groups.length <= 1) {
      desk.print("All hosts share resources: there is nothing to split");
      return;
    }
    for (const [index, hosts] of groups.entries()) {
      desk.print(`Group ${index + 1}: ${hosts.join(", ")}`);
    }
    const strangers = await strangersAmong(desk, snapshot.hosts());
    const obstacles: string[] = [];
    if (strangers.length > 0) {
      obstacles.push(
        `no trust between this host and ${
          strangers.join(", ")
        }; type join-cluster to meet them`,
      );
    }
    if (!desk.isDaemonRunning()) {
      obstacles.push("no daemon runs here; start it");
    }
    if (obstacles.length > 0) {
      throw new RefusedError("Cannot split the cluster", obstacles);
    }
    await waitForPeers(desk, peersOf(desk, snapshot, undefined));
    const dead = peersOf(desk, snapshot, undefined).filter((host) =>
      !desk.isRecent(desk.snapshot(), host)
    );
    refuseIf(
      "split the cluster",
      dead.map((host) => `"${host}" is dead and would bring it back together`),
      desk.options,
    );
    this.#groups = groups;
    this.#addresses = new Map(
      snapshot.hosts().map((host) => [
        host,
        snapshot.value(linkPath.ip(host)) ?? "",
      ]),
    );
  }

  #putAside(): void {
    const desk = this.#desk;
    const { machine } = desk.effects;
    if (this.#groups.length === 0 || desk.options.dryRun) return;
    const epoch = desk.clock.realNs() / NS_PER_S;
    const directory = desk.options.backupDir ??
      `${desk.settings.marsDir}/${BACKUP.prefix}${epoch}`;
    for (const [host, address] of this.#addresses) {
      machine.saveLink(`${directory}/${BACKUP.ips}/ip-${host}`, address);
    }
    const uuid = desk.look().value(linkPath.uuid) ?? "";
    machine.saveLink(`${directory}/uuid-backups/uuid`, uuid);
    desk.print(`All addresses are put aside in "${directory}"`);
  }

  async #cut(): Promise<void> {
    const desk = this.#desk;
    if (this.#groups.length === 0) return;
    for (const host of this.#others()) {
      for (const known of this.#addresses.keys()) {
        this.#push(host, known, TOMBSTONE);
      }
    }
    desk.write(
      [...this.#addresses.keys()].map((host) => ({
        path: linkPath.ip(host),
        value: TOMBSTONE,
      })),
      ASK.everybody,
    );
    await desk.sleep(desk.options.windowMs / WINDOW_PART);
  }

  #form(): void {
    const desk = this.#desk;
    for (const group of this.#groups) {
      for (const host of group) {
        if (host === desk.host) continue;
        for (const known of group) {
          this.#push(host, known, this.#addresses.get(known) ?? "");
        }
      }
    }
    const own = this.#groups.find((group) => group.includes(desk.host)) ?? [];
    desk.write(own.map((host) => ({
      path: linkPath.ip(host),
      value: this.#addresses.get(host) ?? "",
    })));
    if (own.length > 0) {
      desk.print(`This host is in the group of ${own.join(", ")} now`);
    }
  }

  #others(): string[] {
    return [...this.#addresses.keys()].filter((host) =>
      host !== this.#desk.host
    );
  }

  /** Writes the address of `known` into the tree of `host`. */
  #push(host: string, known: string, value: string): void {
    const address = this.#addresses.get(host) ?? "";
    this.#desk.trigger(`P ${host} ${address} ${value} /mars/ips/ip-${known}`);
  }
}

/** Hosts by common resources, and those without any alone; sorted. */
export function groupsOf(snapshot: Snapshot): string[][] {
  const groupOf = new Map<string, Set<string>>();
  for (const host of snapshot.hosts()) groupOf.set(host, new Set([host]));
  for (const resource of snapshot.resources()) {
    const hosts = hostsOfResource(snapshot, resource)
      .filter((host) => groupOf.has(host));
    const union = new Set(
      hosts.flatMap((host) => [...groupOf.get(host) ?? []]),
    );
    for (const host of union) groupOf.set(host, union);
  }
  return [...new Set(groupOf.values())].map((group) => [...group].sort())
    .sort((left, right) => (left[0] ?? "") < (right[0] ?? "") ? -1 : 1);
}
