// Pure
/**
 * The index: what was last read or written of the tree. Changes are collected
 * until somebody wants a snapshot, for one change costs nearly as much as many.
 */
import { type Link, Snapshot } from "./snapshot.ts";

// Ours. Ten members of a resource have the same history; so many texts are
// remembered, and then others.
const TEXTS_MAX = 4_096;

export class TreeIndex {
  #snapshot = new Snapshot([]);
  /** Changes since the snapshot; undefined means removed. */
  readonly #changes = new Map<string, Link | undefined>();
  readonly #texts = new Map<string, string>();

  /** All links as known now; the same object until one changes. */
  snapshot(): Snapshot {
    if (this.#changes.size === 0) return this.#snapshot;
    const removed: string[] = [];
    const changed: Link[] = [];
    for (const [path, link] of this.#changes) {
      if (link === undefined) removed.push(path);
      else changed.push(link);
    }
    this.#snapshot = this.#snapshot.without(removed).with(changed);
    this.#changes.clear();
    return this.#snapshot;
  }

  get(path: string): Link | undefined {
    return this.#changes.has(path)
      ? this.#changes.get(path)
      : this.#snapshot.get(path);
  }

  /** Returns a copy that nobody else can change. */
  record(link: Link): Link {
    const { path, stampNs } = link;
    const own = { path, value: this.#shared(link.value), stampNs };
    this.#changes.set(path, own);
    return own;
  }

  /** One string for equal ones. */
  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= TEXTS_MAX) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  forget(path: string): void {
    if (this.get(path) !== undefined) this.#changes.set(path, undefined);
  }
}
