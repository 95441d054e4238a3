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
import { nameOf } from "../tree/path.ts";
import type { Link } from "../tree/snapshot.ts";
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

/** @param links of a resource's directory, version links among them */
export function versionsOf(links: Iterable<Link>): Versions {
  const bySequence = new Map<number, Map<string, Link>>();
  for (const link of links) {
    const match = NAME.exec(nameOf(link.path));
    if (match === null) continue;
    const sequence = Number(match[1]);
    let ofSequence = bySequence.get(sequence);
    if (ofSequence === undefined) {
      ofSequence = new Map();
      bySequence.set(sequence, ofSequence);
    }
    ofSequence.set(match[2] ?? "", link);
  }
  const sorted = [...bySequence].sort(([left], [right]) => right - left);
  return new LazyVersions(
    sorted.map(([sequence, ofSequence]) =>
      [sequence, new LazyHostVersions(ofSequence)] as const
    ),
  );
}

const NAME = /^version-(\d{9,15})-(.+)$/;

class LazyVersions implements Versions {
  readonly #bySequence: ReadonlyMap<number, LazyHostVersions>;

  constructor(sorted: Iterable<readonly [number, LazyHostVersions]>) {
    this.#bySequence = new Map(sorted);
  }

  get(sequence: number): HostVersions | undefined {
    const versions = this.#bySequence.get(sequence);
    return versions === undefined || versions.isEmpty() ? undefined : versions;
  }

  *keys(): Iterable<number> {
    for (const [sequence] of this) yield sequence;
  }

  *[Symbol.iterator](): Iterator<[number, HostVersions]> {
    for (const [sequence, versions] of this.#bySequence) {
      if (!versions.isEmpty()) yield [sequence, versions];
    }
  }
}

class LazyHostVersions implements HostVersions {
  readonly #links: ReadonlyMap<string, Link>;
  readonly #decoded = new Map<string, VersionLink | undefined>();

  constructor(links: ReadonlyMap<string, Link>) {
    this.#links = links;
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
