import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { anyLink, anyPath } from "../../tests/support/links.ts";
import { type Link, Snapshot } from "./snapshot.ts";
import { TOMBSTONE } from "./values.ts";

function link(path: string, value: string, stampNs = 1n): Link {
  return { path, value, stampNs };
}

function sorted(links: Iterable<Link>): Link[] {
  return [...links].sort((left, right) => left.path < right.path ? -1 : 1);
}

type Change =
  | { readonly kind: "with"; readonly links: readonly Link[] }
  | { readonly kind: "without"; readonly paths: readonly string[] };

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("with" as const), links: fc.array(anyLink) }),
  fc.record({
    kind: fc.constant("without" as const),
    paths: fc.array(anyPath, { maxLength: 3 }),
  }),
);

Deno.test("Snapshot equals a plain map after any changes", () => {
  fc.assert(fc.property(fc.array(anyChange), (changes) => {
    const plain = new Map<string, Link>();
    let snapshot = new Snapshot([]);
    for (const change of changes) {
      const before = sorted(snapshot.all());
      const old = snapshot;
      if (change.kind === "with") {
        for (const link of change.links) plain.set(link.path, link);
        snapshot = snapshot.with(change.links);
      } else {
        for (const path of change.paths) plain.delete(path);
        snapshot = snapshot.without(change.paths);
      }
      assertEquals(sorted(old.all()), before, "The old snapshot changed");
      assertEquals(sorted(snapshot.all()), sorted(plain.values()));
      assertEquals(snapshot.size, plain.size);
    }
    for (const [path, link] of plain) {
      assertEquals(snapshot.get(path), link);
      const isLive = link.value !== TOMBSTONE;
      assertEquals(snapshot.value(path), isLive ? link.value : undefined);
      assertEquals(snapshot.isTombstone(path), !isLive);
      assertEquals(snapshot.stampNs(path), link.stampNs);
    }
  }));
});

Deno.test("Snapshot.directories() are those that contain links", () => {
  fc.assert(fc.property(fc.array(anyLink), anyPath, (links, removed) => {
    const snapshot = new Snapshot(links).without([removed]);
    const expected = new Set<string>();
    for (const { path } of snapshot.all()) {
      expected.add(path.split("/").slice(0, -1).join("/"));
    }
    assertEquals([...snapshot.directories()].sort(), [...expected].sort());
  }));
});

Deno.test("Snapshot.under() is every link of a directory and below", () => {
  fc.assert(fc.property(
    fc.array(anyLink),
    fc.constantFrom("", "resource-x", "resource-x/todo-alpha", "ips", "res"),
    (links, directory) => {
      const snapshot = new Snapshot(links);
      const expected = [...snapshot.all()].filter(({ path }) =>
        directory === "" || path.startsWith(`${directory}/`)
      );
      assertEquals(sorted(snapshot.under(directory)), sorted(expected));
    },
  ));
});

Deno.test("Snapshot.with() returns itself when nothing changes", () => {
  const snapshot = new Snapshot([link("uuid", "x")]);
  assert(snapshot.with([link("uuid", "x")]) === snapshot);
  assert(snapshot.without(["missing"]) === snapshot);
});

Deno.test("Snapshot.hosts() leaves out tombstones and is sorted", () => {
  const snapshot = new Snapshot([
    link("ips/ip-gamma", "10.0.0.3"),
    link("ips/ip-alpha", "10.0.0.1"),
    link("ips/ip-beta", TOMBSTONE),
  ]);
  assertEquals(snapshot.hosts(), ["alpha", "gamma"]);
});

Deno.test("Snapshot.members() have a live disk", () => {
  const snapshot = new Snapshot([
    link("resource-x/data-beta", "/dev/b"),
    link("resource-x/data-alpha", "/dev/a"),
    link("resource-x/data-gamma", TOMBSTONE),
    link("resource-x/device-delta", "x"),
  ]);
  assertEquals(snapshot.members("x"), ["alpha", "beta"]);
  assertEquals(snapshot.members("y"), []);
});

Deno.test("Snapshot.resources() lists resources with any link", () => {
  const snapshot = new Snapshot([
    link("resource-y/todo-alpha/attach", "1"),
    link("resource-x/size", TOMBSTONE),
    link("uuid", "x"),
  ]);
  assertEquals(snapshot.resources(), ["x", "y"]);
  assertEquals(snapshot.without(["resource-x/size"]).resources(), ["y"]);
});
