/**
 * leave-cluster: a host goes out of a cluster.
 *
 *   1  it hears of all peers: who is dead is named
 *   2  its address and what it says of itself become tombstones
 *   3  it hears of all peers again: the living know now, the others will
 *   4  what is left of the cluster is removed here, without tombstones, so
 *      that the host can enter another one; keys stay
 *
 * From step 2 on nobody calls the host any more; its daemon goes on telling for
 * a while, then waits for another cluster. In step 4 the name of the cluster
 * goes first: without it nothing comes in. What was on its way is removed when
 * it has arrived.
 *
 * With --force a host leaves although it has resources, or without a daemon;
 * nobody is waited for, and step 4 is left out: there may be logs, and others
 * must still hear of it. With --host=NAME a dead host is taken out.
 */
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { type Command, type Desk, type Phase, refuseIf } from "./command.ts";
import { ASK, hostsOfResource, peersOf, waitForPeers } from "./peers_alive.ts";
import { isActingForAnother } from "./start_checks.ts";

export const LEAVE_CLUSTER_COMMANDS: readonly Command[] = [
  {
    name: "leave-cluster",
    usage: "[--host=NAME]",
    summary: "Take this host, or a dead one, out of the cluster",
    details:
      "Keys that other hosts trust stay where they are: type key forget NAME there.",
    subject: "none",
    wordsMin: 0,
    wordsMax: 0,
    phases: leaveCluster,
  },
];

/** Names in the root of the tree. */
const OF_CLUSTER =
  /^(?:uuid|ips|userspace|todo-global|defaults|(?:defaults|actual|resource)-.*)$/;

/** Ours. So many looks in a row must find nothing: half a second. */
const CLEAN_LOOKS = 5;

function leaveCluster(desk: Desk): readonly Phase[] {
  const { force } = desk.options;
  let isOther = false;
  let peers: readonly string[] = [];
  const hear = async (): Promise<void> => {
    const isPossible = !force && desk.isDaemonRunning();
    if (isPossible && peers.length > 0) await waitForPeers(desk, peers);
  };
  const sweep = new Sweep(desk);
  return [
    {
      title: "check",
      act: async () => {
        const snapshot = desk.snapshot();
        isOther = isActingForAnother(desk, snapshot);
        peers = peersOf(desk, snapshot, undefined);
        check(desk, snapshot);
        await hear();
      },
    },
    {
      title: "take the address away",
      act: async () => {
        desk.write(tombstones(desk), ASK.fully);
        await hear();
      },
    },
    {
      title: "forget the cluster",
      act: async () => {
        if (force || isOther || desk.options.dryRun) return;
        await sweep.begin();
      },
      goal: "the last links to arrive and be removed",
      until: () => sweep.rest(),
    },
    {
      title: "tell what remains",
      act: () => {
        sweep.end();
        desk.print(`"${desk.host}" has left the cluster`);
        if (force && !isOther) {
          desk.print(
            "Its links stay here; its daemon tells others of it when it runs",
          );
        }
      },
    },
  ];
}

/** @throws RefusedError */
function check(desk: Desk, snapshot: Snapshot): void {
  const resources = snapshot.resources().filter((resource) =>
    hostsOfResource(snapshot, resource).includes(desk.host)
  );
  const obstacles: string[] = [];
  if (resources.length > 0) {
    obstacles.push(
      `it takes part in ${
        resources.map((resource) => `"${resource}"`).join(", ")
      }; type leave-resource or deactivate-guest`,
    );
  }
  if (!desk.isDaemonRunning()) {
    obstacles.push("no daemon runs here that could tell others");
  }
  refuseIf(`take "${desk.host}" out of the cluster`, obstacles, desk.options);
}

/** All that states that the host exists. */
function tombstones(desk: Desk) {
  const { host } = desk;
  const snapshot = desk.snapshot();
  const states = [...snapshot.children(`actual-${host}`)]
    .map(({ path }) => path)
    .filter((path) => snapshot.value(path) !== undefined);
  return [...states, linkPath.todoGlobal(`deleted-${host}`), linkPath.ip(host)]
    .map((path) => ({ path, value: TOMBSTONE }));
}

/** Removes a cluster from this host. */
class Sweep {
  readonly #desk: Desk;
  /** Resources of which there are logs: nobody else may have them. */
  readonly #kept = new Set<string>();
  #isOn = false;
  #cleanLooks = 0;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  async begin(): Promise<void> {
    const desk = this.#desk;
    for (const resource of desk.snapshot().resources()) {
      const logs = await desk.logs.list(resource);
      if (logs.length === 0) continue;
      this.#kept.add(linkPath.resource(resource));
      desk.warn(`WARNING: "${desk.resourcePath(resource)}" has logs and stays`);
    }
    this.#isOn = true;
    // Without it nothing comes in any more.
    const uuid = desk.look().value(linkPath.uuid);
    if (uuid !== undefined) desk.unlink(linkPath.uuid, uuid);
    desk.trigger(ASK.everybody);
  }

  /** Removes what is there; names it until nothing comes back. */
  rest(): readonly string[] {
    if (!this.#isOn) return [];
    const desk = this.#desk;
    const links = [...desk.snapshot().all()]
      .filter(({ path }) => this.#isOfCluster(path.split("/")[0] ?? ""));
    for (const { path, value } of links) desk.unlink(path, value);
    this.#cleanLooks = links.length === 0 ? this.#cleanLooks + 1 : 0;
    if (links.length > 0) desk.trigger(ASK.everybody);
    return this.#cleanLooks >= CLEAN_LOOKS ? [] : ["links come back"];
  }

  end(): void {
    if (!this.#isOn) return;
    const desk = this.#desk;
    for (
      const { name, kind } of desk.effects.files.list(desk.settings.marsDir)
    ) {
      // What users keep there is theirs.
      const isEmptied = kind === "directory" && name !== "userspace" &&
        this.#isOfCluster(name);
      if (isEmptied) desk.effects.machine.removeDirectory(name);
    }
  }

  /** Whether a name in the root belongs to the cluster and not to the host. */
  #isOfCluster(name: string): boolean {
    return OF_CLUSTER.test(name) && !this.#kept.has(name) &&
      name !== `actual-${this.#desk.host}`;
  }
}
