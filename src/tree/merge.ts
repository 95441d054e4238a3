// Pure
/**
 * Which of two values of one key stands, and what is let in at all.
 *
 *   own            foreign              verdict
 *   anything       states what this     keep, or refuse if it is newer (I8);
 *                  host does            take a tombstone of what has no use
 *                                       any more
 *   missing        tombstone            keep: nothing to delete
 *   missing        value                take
 *   older          anything             take
 *   equal stamp    greater value        take: a fixed rule, alike everywhere
 *   else                                keep
 *
 * Among existing links the rule is commutative, associative and idempotent: all
 * hosts end with the same values, whatever the order of arrival.
 *
 * Source: MARS symlink tree 0.1; the rule for equal stamps is ours.
 */
import { isIdentifier } from "../base/names.ts";
import { classify, isReplicated, ownerOf } from "./path.ts";
import type { Link } from "./snapshot.ts";
import { isStorableValue, isValueOf, TOMBSTONE } from "./values.ts";

/** Who merges. */
export type MergeContext = {
  /** The local host. */
  readonly host: string;
  /** Whether a statement about it has no use any more, and may be deleted. */
  readonly isOver?: (path: string) => boolean;
};

/** "take" the foreign link, "keep" the own state, or "refuse": an offence. */
export type MergeVerdict = "take" | "keep" | "refuse";

/** Whether `foreign` replaces `own`; both have the same path. */
export function mergeLink(
  own: Link | undefined,
  foreign: Link,
  context: MergeContext,
): MergeVerdict {
  const wins = own === undefined
    ? foreign.value !== TOMBSTONE
    : isNewer(foreign, own);
  if (!wins) return "keep";
  if (ownerOf(foreign.path) !== context.host) return "take";
  const mayGo = foreign.value === TOMBSTONE &&
    context.isOver?.(foreign.path) === true;
  return mayGo ? "take" : "refuse";
}

/** Whether `left` stands against `right`; a total order of distinct links. */
export function isNewer(left: Link, right: Link): boolean {
  if (left.stampNs !== right.stampNs) return left.stampNs > right.stampNs;
  return left.value > right.value;
}

/** Whether `sender` may send anything under this path. */
export function acceptsFrom(sender: string, path: string): boolean {
  return isIdentifier(sender) && isReplicated(path) && isInKnownPlace(path);
}

/** Why a foreign link is not let in, whatever its stamp; undefined if it is. */
export function objectionTo(sender: string, link: Link): string | undefined {
  if (!acceptsFrom(sender, link.path)) return "its path is not replicated";
  if (link.stampNs < 0n || link.stampNs > STAMP_NS_MAX) {
    return "its stamp is out of range";
  }
  if (!isStorableValue(link.value)) return "its value cannot be stored";
  // deno-lint-ignore no-control-regex -- They would reach a terminal.
  if (/[\u0000-\u001f\u007f]/.test(link.value)) {
    return "its value has control characters";
  }
  const kind = classify(link.path);
  if (kind !== undefined && !isValueOf(kind.value, link.value)) {
    return `its value is not of kind "${kind.value}"`;
  }
  return undefined;
}

/** What the kernel can store: 64 bits of nanoseconds. */
const STAMP_NS_MAX = 2n ** 63n - 1n;

const TOP_DIRECTORIES =
  /^(ips|userspace|(defaults|todo-|actual-|resource-).*)$/;
const SUBDIRECTORIES = /^(userspace|(defaults|todo-|actual-).*)$/;

/** Directories that exist in every tree or may be created for a foreign link. */
function isInKnownPlace(path: string): boolean {
  const [top = "", sub, leaf] = path.split("/");
  if (sub === undefined) return !TOP_DIRECTORIES.test(top);
  if (!TOP_DIRECTORIES.test(top)) return false;
  if (leaf === undefined) {
    return !(top.startsWith("resource-") && SUBDIRECTORIES.test(sub));
  }
  return top.startsWith("resource-") && SUBDIRECTORIES.test(sub);
}
