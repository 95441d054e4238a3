/**
 * Catalog: the links that may travel, in the order of `link_message.ts`, and
 * digests of them.
 *
 *   directory   of path, stamp and value of its links, tombstones included
 *   top         of the names and digests of its directories
 *
 * Both are kept as long as nothing changes there: a snapshot shares what did
 * not change with the one before. So a peer that comes back is compared with
 * at the price of what changed meanwhile.
 */
import { createHash } from "node:crypto";
import { directoryOf, nameOf } from "../tree/path.ts";
import type { Link, Names, Snapshot, Subtree } from "../tree/snapshot.ts";
import { compareTexts, encodeLinks, type LinkRange } from "./link_message.ts";

// Ours: 64 bits would do against chance, this is 128.
const DIGEST_CHARACTERS = 32;

/** Of which things digests are compared: of tops, or of directories in some. */
export type Scope =
  | { readonly kind: "tops" }
  | { readonly kind: "directories"; readonly tops: readonly string[] };

type Page = { readonly links: readonly Link[]; digest: string | undefined };

export class LinkCatalog {
  readonly #isFit: (link: Link) => boolean;
  readonly #pages = new WeakMap<Names, Page>();
  readonly #tops = new WeakMap<Subtree, { digest: string | undefined }>();

  /** @param isFit whether a link may travel; depends on nothing but the link */
  constructor(isFit: (link: Link) => boolean) {
    this.#isFit = isFit;
  }

  /** Names of what can be compared, in order; without empty ones. */
  names(snapshot: Snapshot, scope: Scope): string[] {
    const names: string[] = [];
    if (scope.kind === "tops") {
      for (const top of snapshot.tops()) {
        if (this.#topDigest(snapshot, top) !== undefined) names.push(top);
      }
    } else {
      for (const top of new Set(scope.tops)) {
        for (const directory of snapshot.subtree(top)?.keys() ?? []) {
          const { links } = this.#page(snapshot, directory);
          if (links.length > 0) names.push(directory);
        }
      }
    }
    return names.sort(compareTexts);
  }

  /** In hexadecimal digits; undefined where no link may travel. */
  digest(
    snapshot: Snapshot,
    scope: Scope,
    name: string,
  ): string | undefined {
    return scope.kind === "tops"
      ? this.#topDigest(snapshot, name)
      : this.#directoryDigest(snapshot, name);
  }

  /** Links of some directories inside a range, in order. */
  *links(
    snapshot: Snapshot,
    directories: Iterable<string>,
    range: LinkRange,
  ): Iterable<Link> {
    const [first, firstName] = [directoryOf(range.from), nameOf(range.from)];
    const { until } = range;
    for (const directory of [...directories].sort(compareTexts)) {
      if (compareTexts(directory, first) < 0) continue;
      const { links } = this.#page(snapshot, directory);
      const start = directory === first ? indexOfName(links, firstName) : 0;
      const isLast = until !== undefined && directory === directoryOf(until);
      const end = until === undefined || directory < directoryOf(until)
        ? links.length
        : isLast
        ? indexOfName(links, nameOf(until))
        : 0;
      for (let at = start; at < end; at++) {
        const link = links[at];
        if (link !== undefined) yield link;
      }
    }
  }

  #topDigest(snapshot: Snapshot, top: string): string | undefined {
    const subtree = snapshot.subtree(top);
    if (subtree === undefined) return undefined;
    const known = this.#tops.get(subtree);
    if (known !== undefined) return known.digest;
    let text = "";
    for (const directory of [...subtree.keys()].sort(compareTexts)) {
      const digest = this.#directoryDigest(snapshot, directory);
      if (digest !== undefined) text += `${directory}\0${digest}\0`;
    }
    const digest = text === "" ? undefined : digestOf(text);
    this.#tops.set(subtree, { digest });
    return digest;
  }

  #directoryDigest(snapshot: Snapshot, directory: string): string | undefined {
    const page = this.#page(snapshot, directory);
    if (page.links.length === 0) return undefined;
    return page.digest ??= digestOf(encodeLinks(page.links));
  }

  #page(snapshot: Snapshot, directory: string): Page {
    const names = snapshot.names(directory);
    let page = this.#pages.get(names);
    if (page === undefined) {
      const links = [...names.values()].filter(this.#isFit)
        .sort((left, right) => compareTexts(left.path, right.path));
      page = { links, digest: undefined };
      this.#pages.set(names, page);
    }
    return page;
  }
}

/** Index of the first link whose name is not before `name`. */
function indexOfName(links: readonly Link[], name: string): number {
  let low = 0;
  let high = links.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const isBefore = compareTexts(nameOf(links[middle]?.path ?? ""), name) < 0;
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}

function digestOf(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex")
    .slice(0, DIGEST_CHARACTERS);
}
