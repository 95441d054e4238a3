// Pure
/**
 * Versions: the version links of one resource, decoded when they are needed.
 *
 * A resource may have a thousand of them, and most questions concern the few
 * around one position. So the index is made of names alone, and a link is read
 * and decoded when it is asked for. Links that cannot be decoded, tombstones
 * among them, do not exist here.
 *
 * Sequences come highest first: who looks for the newest stops there.
 */
import { linkPath, nameOf } from "../tree/path.ts";
import type { Link, Names, Snapshot } from "../tree/snapshot.ts";
import { parseVersion, type VersionValue } from "../tree/values.ts";

export interface VersionLink {
  readonly text: string;
  readonly value: VersionValue;
}

/** The version links of one sequence number, by host. */
export interface HostVersions extends Iterable<[string, VersionLink]> {
  get(host: string): VersionLink | undefined;
  has(host: string): boolean;
  keys(): Iterable<string>;
  values(): Iterable<VersionLink>;
}

/** Sequence, then host, to text and decoded value; highest sequence first. */
export interface Versions extends Iterable<[number, HostVersions]> {
  get(sequence: number): HostVersions | undefined;
  keys(): Iterable<number>;
}

/** Those of `resource`; made once for each state of its directory. */
export function versionsIn(snapshot: Snapshot, resource: string): Versions {
  const links = snapshot.names(linkPath.resource(resource));
  let versions = made.get(links);
  if (versions === undefined) {
    versions = versionsOf(links.values());
    made.set(links, versions);
  }
  return versions;
}

const made = new WeakMap<Names, Versions>();

/** @param links of a resource's directory, version links among them */
export function versionsOf(links: Iterable<Link>): Versions {
  const bySequence = new Map<number, NamedLink[]>();
  for (const link of links) {
    const match = NAME.exec(nameOf(link.path));
    if (match === null) continue;
    const sequence = Number(match[1]);
    const named = { host: match[2] ?? "", link };
    const others = bySequence.get(sequence);
    if (others === undefined) bySequence.set(sequence, [named]);
    else others.push(named);
  }
  return new LazyVersions(
    [...bySequence].sort(([left], [right]) => right - left),
  );
}

type NamedLink = { readonly host: string; readonly link: Link };

const NAME = /^version-(\d{9,15})-(.+)$/;

class LazyVersions implements Versions {
  /** Links until they are asked for, then what they say. */
  readonly #bySequence: Map<number, readonly NamedLink[] | LazyHostVersions>;

  constructor(sorted: Iterable<readonly [number, readonly NamedLink[]]>) {
    this.#bySequence = new Map(sorted);
  }

  get(sequence: number): HostVersions | undefined {
    const entry = this.#bySequence.get(sequence);
    if (entry === undefined) return undefined;
    let versions = entry;
    if (!(versions instanceof LazyHostVersions)) {
      versions = new LazyHostVersions(versions);
      this.#bySequence.set(sequence, versions);
    }
    return versions.isEmpty() ? undefined : versions;
  }

  *keys(): Iterable<number> {
    for (const [sequence] of this) yield sequence;
  }

  *[Symbol.iterator](): Iterator<[number, HostVersions]> {
    for (const sequence of this.#bySequence.keys()) {
      const versions = this.get(sequence);
      if (versions !== undefined) yield [sequence, versions];
    }
  }
}

class LazyHostVersions implements HostVersions {
  readonly #links: ReadonlyMap<string, Link>;
  readonly #decoded = new Map<string, VersionLink | undefined>();

  constructor(links: readonly NamedLink[]) {
    this.#links = new Map(links.map(({ host, link }) => [host, link]));
  }

  get(host: string): VersionLink | undefined {
    const link = this.#links.get(host);
    if (link === undefined) return undefined;
    if (!this.#decoded.has(host)) this.#decoded.set(host, decoded(link));
    return this.#decoded.get(host);
  }

  has(host: string): boolean {
    return this.get(host) !== undefined;
  }

  *keys(): Iterable<string> {
    for (const [host] of this) yield host;
  }

  *values(): Iterable<VersionLink> {
    for (const [, version] of this) yield version;
  }

  *[Symbol.iterator](): Iterator<[string, VersionLink]> {
    for (const host of this.#links.keys()) {
      const version = this.get(host);
      if (version !== undefined) yield [host, version];
    }
  }

  isEmpty(): boolean {
    for (const _ of this) return false;
    return true;
  }
}

function decoded(link: Link): VersionLink | undefined {
  const text = link.value;
  const value = parseVersion(text);
  return value && { text, value };
}
