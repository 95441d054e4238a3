// Pure
/**
 * The name of the cluster over time: when a peer tells a new one, the old one
 * is kept as one that was merged. Other hosts do not know the new one yet, and
 * would take this host for one of a foreign cluster.
 */
import type { LinkValue } from "../resource/plan_types.ts";
import { clusterOf, isClusterName } from "../tree/cluster.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";

export class ClusterName {
  #name: string | undefined;
  /** Names that are to be kept, until they are in the tree. */
  readonly #owed = new Set<string>();

  constructor(snapshot: Snapshot) {
    this.#name = clusterOf(snapshot);
  }

  /** Takes the name as it is; an administrator may have set it. */
  accept(snapshot: Snapshot): void {
    this.#name = clusterOf(snapshot);
  }

  /** A peer's links were taken: is the name another one now? */
  compare(snapshot: Snapshot): void {
    const old = this.#name;
    this.accept(snapshot);
    const isRenamed = old !== undefined && this.#name !== undefined &&
      old !== this.#name;
    if (isRenamed && isClusterName(old)) this.#owed.add(old);
  }

  /** Links to write. */
  links(snapshot: Snapshot): LinkValue[] {
    const links: LinkValue[] = [];
    for (const old of this.#owed) {
      const path = linkPath.merged(old);
      const value = this.#name;
      const isKept = snapshot.value(path) !== undefined;
      if (isKept || value === undefined) this.#owed.delete(old);
      else links.push({ path, value });
    }
    return links;
  }
}
