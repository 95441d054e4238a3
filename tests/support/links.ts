/** Links for property tests. */
import fc from "fast-check";
import { isIdentifier } from "../../src/base/names.ts";
import type { Link } from "../../src/tree/snapshot.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";

/** Names of hosts and resources, short and long. */
export const anyIdentifier: fc.Arbitrary<string> = fc.stringMatching(
  /^[A-Za-z0-9_][-A-Za-z0-9_]{0,30}$/,
).filter(isIdentifier);

/** Few paths, so that links meet. */
export const anyPath: fc.Arbitrary<string> = fc.constantFrom(
  "uuid",
  "ips/ip-alpha",
  "userspace/note",
  "actual-alpha/note",
  "actual-beta/note",
  "resource-x/device-alpha",
  "resource-x/todo-alpha/note",
  "resource-x/todo-beta/note",
  "resource-y/device-alpha",
);

/** Few values and few stamps, so that ties happen. */
export const anyLink: fc.Arbitrary<Link> = anyLinkOf(anyPath);

/** Links of the given paths. */
export function anyLinkOf(path: fc.Arbitrary<string>): fc.Arbitrary<Link> {
  return fc.record({
    path,
    value: fc.constantFrom("1.1.1.1", "2.2.2.2", "3.3.3.3", TOMBSTONE),
    stampNs: fc.bigInt({ min: 1n, max: 4n }),
  });
}
