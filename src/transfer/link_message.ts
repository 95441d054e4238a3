// Pure
/**
 * Format of links in the body of a message, and their order.
 *
 *   path NUL stamp NUL value NUL      per link, UTF-8
 *
 * A stamp is `<seconds>.<nanoseconds>`, nine digits. No field can contain a
 * zero byte, because none can in a file name or a link. At most
 * `LINKS_PER_MESSAGE_MAX` links and `MESSAGE_BYTES_MAX` bytes.
 *
 * Links are ordered by directory, then by name. A place in that order is named
 * by a path, whether a link of that path exists or not; "" is its begin, and
 * `undefined` its end.
 */
import { FormatError } from "../base/errors.ts";
import { directoryOf, nameOf } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { formatStamp, parseStamp } from "../tree/values.ts";

// Ours. Merging 2,000 new links takes the loop about 40 ms; more links are more
// messages.
export const LINKS_PER_MESSAGE_MAX = 2_000;
// Ours. Usual links have 200 bytes; with longer ones there are fewer.
export const MESSAGE_BYTES_MAX = 1024 * 1024;

const FIELDS_PER_LINK = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Inverse of `decodeLinks`; the links are fit for sending. */
export function encodeLinks(links: Iterable<Link>): Uint8Array<ArrayBuffer> {
  let text = "";
  for (const { path, value, stampNs } of links) {
    text += `${path}\0${formatStamp(stampNs)}\0${value}\0`;
  }
  return encoder.encode(text);
}

/**
 * How many links from `start` on fit into one message. Where a directory would
 * be cut, it is left to the next message, if that is not far away: a directory
 * that comes as a whole is cheaper to make.
 *
 * @param links in order
 */
export function countThatFits(links: readonly Link[], start = 0): number {
  let bytes = 0;
  let count = 0;
  let wholeCount = 0;
  let directory: string | undefined;
  while (count < LINKS_PER_MESSAGE_MAX) {
    const link = links[start + count];
    if (link === undefined) return count;
    bytes += bytesOf(link);
    if (bytes > MESSAGE_BYTES_MAX) break;
    const next = directoryOf(link.path);
    if (next !== directory) wholeCount = count;
    directory = next;
    count++;
  }
  const following = links[start + count];
  const isCut = following !== undefined &&
    directoryOf(following.path) === directory;
  const isNear = wholeCount >= LINKS_PER_MESSAGE_MAX / 4;
  return isCut && isNear ? wholeCount : count;
}

/** At most; a stamp has 21 characters. */
function bytesOf({ path, value }: Link): number {
  return 3 * (path.length + value.length) + 24;
}

/** Whether paths and values are legal is not checked. @throws FormatError */
export function decodeLinks(body: Uint8Array): Link[] {
  const fields = textOf(body).split("\0");
  // Every field ends with a zero byte, so the last piece is empty.
  const count = (fields.length - 1) / FIELDS_PER_LINK;
  if (fields.at(-1) !== "" || !Number.isInteger(count)) {
    throw new FormatError("Cannot decode links: incomplete");
  }
  if (count > LINKS_PER_MESSAGE_MAX) {
    throw new FormatError(`Cannot decode links: ${count} at once`);
  }
  const links: Link[] = [];
  for (let at = 0; at + FIELDS_PER_LINK < fields.length; at += 3) {
    const stamp = fields[at + 1] ?? "";
    const stampNs = parseStamp(stamp);
    if (stampNs === undefined) {
      throw new FormatError(`Cannot decode links: no stamp in "${stamp}"`);
    }
    const path = fields[at] ?? "";
    links.push({ path, value: fields[at + 2] ?? "", stampNs });
  }
  return links;
}

function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new FormatError("Cannot decode links: no UTF-8");
  }
}

/** Negative if `left` is before `right` in the order of links. */
export function comparePaths(left: string, right: string): number {
  return compareTexts(directoryOf(left), directoryOf(right)) ||
    compareTexts(nameOf(left), nameOf(right));
}

/** The order of UTF-16 units; alike everywhere, unlike that of a language. */
export function compareTexts(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Places in the order of links: from one, inclusive, to another, exclusive. */
export type LinkRange = {
  readonly from: string;
  readonly until: string | undefined;
};

/** Links of some directories inside a range, in order. */
export function linksInRange(
  snapshot: Snapshot,
  directories: readonly string[],
  range: LinkRange,
): Link[] {
  const { from, until } = range;
  const links: Link[] = [];
  for (const directory of directories) {
    for (const link of snapshot.children(directory)) {
      const isInside = comparePaths(link.path, from) >= 0 &&
        (until === undefined || comparePaths(link.path, until) < 0);
      if (isInside) links.push(link);
    }
  }
  return links.sort((left, right) => comparePaths(left.path, right.path));
}
