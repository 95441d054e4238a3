import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { anyIdentifier } from "../../tests/support/links.ts";
import {
  classify,
  directoryOf,
  isLegalPath,
  isReplicated,
  linkPath,
  matchPath,
  nameOf,
  ownerOf,
  pathIn,
} from "./path.ts";

Deno.test("linkPath builds the names of the original", () => {
  assertEquals(linkPath.ip("alpha"), "ips/ip-alpha");
  assertEquals(linkPath.global("alpha", "time"), "actual-alpha/time");
  assertEquals(
    linkPath.version("x", 42, "alpha"),
    "resource-x/version-000000042-alpha",
  );
  assertEquals(linkPath.log("x", 7, "beta"), "resource-x/log-000000007-beta");
  assertEquals(
    linkPath.todo("x", "alpha", "attach"),
    "resource-x/todo-alpha/attach",
  );
});

Deno.test("ownerOf() is the host whose state a link states", () => {
  fc.assert(fc.property(anyIdentifier, anyIdentifier, (resource, host) => {
    const owned = [
      linkPath.global(host, "time"),
      linkPath.global(host, "something-new"),
      linkPath.actual(resource, host, "is-attached"),
      linkPath.actual(resource, host, "something-new"),
      linkPath.replay(resource, host),
      linkPath.version(resource, 42, host),
      linkPath.syncStatus(resource, host),
      linkPath.syncPos(resource, host),
      linkPath.actsize(resource, host),
      linkPath.verifyStatus(resource, host),
    ];
    for (const path of owned) assertEquals(ownerOf(path), host, path);
  }));
});

Deno.test("ownerOf() is nobody for what others may write", () => {
  fc.assert(fc.property(anyIdentifier, anyIdentifier, (resource, host) => {
    const free = [
      linkPath.ip(host),
      linkPath.data(resource, host),
      linkPath.device(resource, host),
      linkPath.todo(resource, host, "attach"),
      linkPath.skipCheck(resource, host),
      linkPath.log(resource, 42, host),
      linkPath.syncLimit(host),
      linkPath.global(host, "read-stamp"),
      linkPath.primary(resource),
      linkPath.uuid,
    ];
    for (const path of free) assertEquals(ownerOf(path), undefined, path);
  }));
});

Deno.test("matchPath() finds the parts it was built from", () => {
  fc.assert(fc.property(
    anyIdentifier,
    anyIdentifier,
    fc.nat(),
    (resource, host, sequence) => {
      const match = matchPath(linkPath.version(resource, sequence, host));
      assertEquals(match?.resource, resource);
      assertEquals(match?.host, host);
      assertEquals(Number(match?.sequence), sequence);
      assertEquals(match?.kind.value, "version");
    },
  ));
});

Deno.test("classify() does not know everything", () => {
  assertEquals(classify("tree-alpha"), undefined);
  assertEquals(classify("resource-x/new-thing"), undefined);
});

Deno.test("classify() takes the first row that matches", () => {
  assertEquals(classify("actual-alpha/time")?.value, "stamp");
  assertEquals(classify("actual-alpha/other")?.value, "text");
  assertEquals(classify("actual-alpha/msg-err-x")?.value, "message");
});

for (
  const path of [
    "cache-alpha/invalid",
    "backups-1795351445/uuid",
    "probe-alpha/uuid",
    "resource-x/local-alpha/connection",
    "resource-x/.tmp-size",
    ".deleted-uuid",
    "resource-x/ignore-me",
    "resource-x/a/b/c",
    "../etc/passwd",
    "resource-x/../uuid",
    "/uuid",
    "resource-x//size",
    "resource-x/",
    "",
    "a\nb",
    "x".repeat(256),
  ]
) {
  Deno.test(`isReplicated() refuses "${path.slice(0, 40)}"`, () => {
    assertEquals(isReplicated(path), false);
  });
}

for (
  const path of [
    "uuid",
    "ips/ip-alpha",
    "userspace/note",
    "resource-x/todo-alpha/attach",
    "resource-x/something-new",
    "tree-alpha",
  ]
) {
  Deno.test(`isReplicated() lets "${path}" out`, () => {
    assertEquals(isReplicated(path), true);
  });
}

Deno.test("No path makes the table throw", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (path) => {
    isLegalPath(path);
    isReplicated(path);
    matchPath(path);
  }));
});

Deno.test("pathIn() joins what directoryOf() and nameOf() split", () => {
  for (const path of ["uuid", "ips/ip-alpha", "resource-x/todo-a/b"]) {
    assertEquals(pathIn(directoryOf(path), nameOf(path)), path);
  }
});
