// Pure
/**
 * Words of a command line that name something in the tree.
 *
 *   /mars/userspace/note   absolute, below the root of the tree
 *   userspace/note         relative to it
 *
 * and words that are perhaps only a value: `1`, `/dev/vg/x`, `a/b`.
 */
import { isLegalPath, linkPath } from "../tree/path.ts";

/**
 * The path in the tree that `word` names; undefined if it can be none.
 *
 * @param root absolute path of the tree
 */
export function treePathOf(word: string, root: string): string | undefined {
  const isBelow = word.startsWith(`${root}/`);
  if (!isBelow && word.startsWith("/")) return undefined;
  const path = isBelow ? word.slice(root.length + 1) : word;
  return isLegalPath(path) ? path : undefined;
}

/** How much `word` looks like a path of the tree: 0 not at all. */
export function treeLikeness(word: string, root: string): 0 | 1 | 2 {
  if (treePathOf(word, root) === undefined) return 0;
  if (word.startsWith("/") || TOPS.test(word)) return 2;
  // Nearly every value could be the name of a link below the root.
  return word.includes("/") || word === linkPath.uuid ? 1 : 0;
}

/** Directories at the top of the tree. */
const TOPS =
  /^(?:ips|userspace|defaults|todo-global)\/|^(?:resource|actual|defaults|cache)-[^/]+\//;

/** Whether users may put what they like there. */
export function isUserspace(path: string): boolean {
  return `/${path}`.includes("/userspace/");
}
