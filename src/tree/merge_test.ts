import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { anyLink, anyLinkOf } from "../../tests/support/links.ts";
import { acceptsFrom, isNewer, mergeLink, objectionTo } from "./merge.ts";
import type { Link } from "./snapshot.ts";
import { TOMBSTONE } from "./values.ts";

const GAMMA = { host: "gamma" };
const anyRival = anyLinkOf(fc.constant("ips/ip-alpha"));

function merged(own: Link, foreign: Link): Link {
  return mergeLink(own, foreign, GAMMA) === "take" ? foreign : own;
}

function link(path: string, value: string, stampNs = 1n): Link {
  return { path, value, stampNs };
}

Deno.test("mergeLink() is commutative", () => {
  fc.assert(fc.property(anyRival, anyRival, (one, two) => {
    assertEquals(merged(one, two), merged(two, one));
  }));
});

Deno.test("mergeLink() is associative", () => {
  fc.assert(fc.property(anyRival, anyRival, anyRival, (one, two, three) => {
    assertEquals(
      merged(merged(one, two), three),
      merged(one, merged(two, three)),
    );
  }));
});

Deno.test("mergeLink() is idempotent", () => {
  fc.assert(fc.property(anyRival, anyRival, (one, two) => {
    assertEquals(merged(one, one), one);
    assertEquals(merged(merged(one, two), two), merged(one, two));
  }));
});

Deno.test("mergeLink() leaves all hosts alike, whatever the order", () => {
  fc.assert(fc.property(
    anyRival,
    fc.array(anyRival, { maxLength: 8 }).chain((links) =>
      fc.tuple(
        fc.constant(links),
        fc.shuffledSubarray(links, { minLength: links.length }),
      )
    ),
    (start, [links, shuffled]) => {
      assertEquals(links.reduce(merged, start), shuffled.reduce(merged, start));
    },
  ));
});

Deno.test("isNewer() is a total order of distinct links", () => {
  fc.assert(fc.property(anyRival, anyRival, (one, two) => {
    const isSame = one.stampNs === two.stampNs && one.value === two.value;
    assertEquals(isNewer(one, two) !== isNewer(two, one), !isSame);
  }));
});

Deno.test("mergeLink() creates no tombstone where nothing exists", () => {
  const foreign = link("ips/ip-alpha", TOMBSTONE);
  assertEquals(mergeLink(undefined, foreign, GAMMA), "keep");
});

Deno.test("mergeLink() takes a newer tombstone and keeps an older one", () => {
  const own = link("ips/ip-alpha", "1.1.1.1", 5n);
  const newer = link("ips/ip-alpha", TOMBSTONE, 6n);
  const older = link("ips/ip-alpha", TOMBSTONE, 4n);
  assertEquals(mergeLink(own, newer, GAMMA), "take");
  assertEquals(mergeLink(own, older, GAMMA), "keep");
});

Deno.test("mergeLink() takes what is missing", () => {
  const foreign = link("ips/ip-alpha", "1.1.1.1");
  assertEquals(mergeLink(undefined, foreign, GAMMA), "take");
});

Deno.test("mergeLink() never takes what states this host's own state", () => {
  fc.assert(fc.property(
    fc.constantFrom(
      "actual-gamma/alive",
      "resource-x/actual-gamma/is-attached",
      "resource-x/replay-gamma",
      "resource-x/version-000000001-gamma",
      "resource-x/syncstatus-gamma",
    ),
    fc.option(anyLink, { nil: undefined }),
    anyLink,
    (path, own, foreign) => {
      const verdict = mergeLink(
        own && { ...own, path },
        { ...foreign, path },
        GAMMA,
      );
      assertEquals(verdict === "take", false);
    },
  ));
});

Deno.test("mergeLink() refuses a newer statement about this host", () => {
  const path = "resource-x/replay-gamma";
  const own = link(path, "log-000000001-alpha,0,0", 5n);
  const newer = link(path, "log-000000009-alpha,0,0", 6n);
  assertEquals(mergeLink(own, newer, GAMMA), "refuse");
  assertEquals(mergeLink(undefined, newer, GAMMA), "refuse");
  assertEquals(mergeLink(own, own, GAMMA), "keep");
});

Deno.test("acceptsFrom() refuses a sender that is no host", () => {
  assertEquals(acceptsFrom("../x", "uuid"), false);
  assertEquals(acceptsFrom("alpha", "uuid"), true);
});

for (
  const path of [
    "other/link",
    "userspace",
    "ips",
    "resource-x",
    "resource-x/todo-alpha",
    "resource-x/other/link",
    "ips/ip-alpha/more",
    "cache-alpha/invalid",
    "resource-x/local-alpha/note",
  ]
) {
  Deno.test(`acceptsFrom() refuses "${path}"`, () => {
    assertEquals(acceptsFrom("alpha", path), false);
  });
}

Deno.test("objectionTo() is content with links of the original", () => {
  for (
    const [path, value] of [
      ["uuid", "alpha_1795351445.000000000"],
      ["ips/ip-beta", "10.0.0.2:7777"],
      ["resource-x/primary", "(none)"],
      ["resource-x/data-beta", "/dev/vg/x"],
      ["resource-x/something-new", "whatever"],
      ["resource-x/log-000000001-beta", TOMBSTONE],
    ] as const
  ) {
    assertEquals(objectionTo("beta", link(path, value)), undefined, path);
  }
});

Deno.test("objectionTo() names what is wrong", () => {
  const cases = [
    [link("../x", "1"), "its path is not replicated"],
    [link("uuid", "x", -1n), "its stamp is out of range"],
    [link("uuid", "x", 2n ** 63n), "its stamp is out of range"],
    [link("uuid", "x".repeat(1024)), "its value cannot be stored"],
    [link("uuid", "ä".repeat(512)), "its value cannot be stored"],
    [link("uuid", "a\0b"), "its value cannot be stored"],
    [link("uuid", "a\u001b[2Jb"), "its value has control characters"],
    [link("resource-x/size", "big"), 'its value is not of kind "count"'],
    [
      link("resource-x/log-000000001-beta", "/etc/passwd"),
      'its value is not of kind "tombstone"',
    ],
  ] as const;
  for (const [foreign, expected] of cases) {
    assertEquals(objectionTo("beta", foreign), expected);
  }
});

Deno.test("No foreign link makes merging throw", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "binary" }),
    fc.bigInt(),
    (path, value, stampNs) => {
      const foreign = { path, value, stampNs };
      objectionTo("beta", foreign);
      mergeLink(undefined, foreign, GAMMA);
    },
  ));
});
