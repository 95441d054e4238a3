/**
 * What must hold when faults have ended and time has passed:
 *
 *   all trees are equal, and nobody writes the same links again and again
 *   every clock is greater than every stamp (I9)
 *   every host names the same split brains; there is none that nobody forced
 */
import { findSplits } from "../../src/resource/parting.ts";
import { type ResourceView, resourceView } from "../../src/resource/view.ts";
import { isReplicated } from "../../src/tree/path.ts";
import type { Link, Snapshot } from "../../src/tree/snapshot.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";
import type { ClusterWatch } from "./cluster_watch.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { Violation } from "./truth.ts";

/** Waits of commands that are still running. */
const COMMANDS_MS = 60_000;
const AGREE_MS = 60_000;
const STOP_MS = 20_000;
/** How long nobody writes anything when the cluster is at rest. */
const REST_MS = 2_000;

/** Waits for peace and checks it. @throws Violation */
export async function checkPeace(world: ClusterWorld): Promise<void> {
  await world.until(
    COMMANDS_MS,
    () =>
      world.isTyping
        ? `commands do not end: ${
          world.hosts.flatMap((host) =>
            host.commands.map((words) => `${host.name}$ ${words}`)
          ).join(", ")
        }`
        : undefined,
  );
  await world.until(STOP_MS, () => {
    const down = world.hosts.filter((host) => !host.isRunning);
    for (const host of down) host.start();
    const [stopping] = world.hosts.filter((host) => host.isStopping);
    return stopping && `${stopping.name} does not stop`;
  });
  // Nothing may go back and forth when nobody does anything.
  await world.until(
    AGREE_MS,
    () =>
      world.time.nowMs - world.lastWriteMs < REST_MS
        ? `the cluster does not come to rest: ${world.lastPath}`
        : disagreement(world),
  );
  checkClocks(world);
  for (const watch of world.watches) checkSplits(world, watch);
}

/** The first link on which two hosts differ, in words. */
export function disagreement(world: ClusterWorld): string | undefined {
  const [first, ...others] = world.hosts;
  if (first === undefined) return undefined;
  const links = linksOf(first.look());
  for (const other of others) {
    const theirs = linksOf(other.look());
    for (const path of new Set([...links.keys(), ...theirs.keys()])) {
      const left = links.get(path);
      const right = theirs.get(path);
      if (textOf(left) === textOf(right)) continue;
      return `${path} is ${textOf(left)} on ${first.name}, ${
        textOf(right)
      } on ${other.name}`;
    }
  }
  return undefined;
}

function linksOf(snapshot: Snapshot): Map<string, Link> {
  const links = new Map<string, Link>();
  for (const link of snapshot.all()) {
    // Where a link was never known, its tombstone is not either.
    if (link.value === TOMBSTONE || !isReplicated(link.path)) continue;
    links.set(link.path, link);
  }
  return links;
}

function textOf(link: Link | undefined): string {
  return link === undefined ? "missing" : `"${link.value}" of ${link.stampNs}`;
}

function checkClocks(world: ClusterWorld): void {
  for (const host of world.hosts) {
    for (const { path, stampNs } of host.snapshot().all()) {
      if (stampNs <= host.lamport.now()) continue;
      throw new Violation(
        `The clock of ${host.name} is behind the stamp of ${path} (I9)`,
      );
    }
  }
}

function checkSplits(
  world: ClusterWorld,
  { resource, isForced }: ClusterWatch,
): void {
  const texts = world.hosts.map((host) => {
    const splits = findSplits(viewOf(host, resource));
    return splits.map(({ hosts }) => hosts.join("/")).sort().join(" ");
  });
  const [first = ""] = texts;
  if (texts.some((text) => text !== first)) {
    throw new Violation(
      `Split brains of "${resource}" differ: ${texts.join(" | ")}`,
    );
  }
  if (first !== "" && !isForced) {
    throw new Violation(`A split brain that nobody forced: ${first}`);
  }
}

/** The resource as it stands on the disk of `host`. */
export function viewOf(host: SimHost, resource: string): ResourceView {
  return resourceView(host.look(), resource, host.name);
}
