import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../base/errors.ts";
import { type Link, Snapshot } from "../tree/snapshot.ts";
import {
  comparePaths,
  countThatFits,
  decodeLinks,
  encodeLinks,
  linksInRange,
  MESSAGE_BYTES_MAX,
} from "./link_message.ts";

const anyText = fc.string({ unit: "binary", maxLength: 20 })
  .map((text) => text.replaceAll("\0", ""));
const anyLink: fc.Arbitrary<Link> = fc.record({
  path: anyText,
  value: anyText,
  stampNs: fc.bigInt({ min: 0n, max: 10n ** 19n }),
});

Deno.test("decodeLinks() is the inverse of encodeLinks()", () => {
  fc.assert(fc.property(fc.array(anyLink), (links) => {
    assertEquals(decodeLinks(encodeLinks(links)), links);
  }));
});

Deno.test("decodeLinks() refuses or decodes whatever arrives", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (body) => {
    try {
      decodeLinks(body);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }));
});

Deno.test("decodeLinks() refuses a body that was cut", () => {
  const body = encodeLinks([
    { path: "uuid", value: "ä", stampNs: 1n },
    { path: "ips/ip-alpha", value: "1.1.1.1", stampNs: 2n },
  ]);
  const wholeLength = encodeLinks([
    { path: "uuid", value: "ä", stampNs: 1n },
  ]).length;
  for (let length = 1; length < body.length; length++) {
    if (length === wholeLength) continue;
    assertThrows(() => decodeLinks(body.subarray(0, length)), FormatError);
  }
});

Deno.test("decodeLinks() refuses more links than a message may have", () => {
  const link = { path: "uuid", value: "x", stampNs: 1n };
  const body = encodeLinks(Array.from({ length: 2_001 }, () => link));
  assertThrows(() => decodeLinks(body), FormatError, "2001");
});

function linksOf(directory: string, count: number, value = "x"): Link[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `${directory}/${String(index).padStart(5, "0")}`,
    value,
    stampNs: 1n,
  }));
}

Deno.test("countThatFits() does not cut a directory unless it must", () => {
  const links = [
    ...linksOf("a", 1_500),
    ...linksOf("b", 1_000),
    ...linksOf("c", 3_000),
  ];
  assertEquals(countThatFits(links), 1_500);
  assertEquals(countThatFits(links, 1_500), 1_000);
  assertEquals(countThatFits(links, 2_500), 2_000);
  assertEquals(countThatFits(links, 4_500), 1_000);
  assertEquals(countThatFits(links, 5_500), 0);
});

Deno.test("countThatFits() keeps messages below their length", () => {
  for (const value of ["x".repeat(1_023), "\u{1f600}".repeat(255)]) {
    const links = linksOf("a", 2_000, value);
    const count = countThatFits(links);
    assert(count > 0);
    assert(encodeLinks(links.slice(0, count)).length <= MESSAGE_BYTES_MAX);
  }
});

const anyPath = fc.array(fc.constantFrom("a", "b", "a-", "A", "z"), {
  minLength: 1,
  maxLength: 3,
}).map((names) => names.join("/"));

Deno.test("linksInRange() divides a snapshot into ranges without loss", () => {
  fc.assert(fc.property(
    fc.uniqueArray(anyPath),
    fc.array(anyPath),
    (paths, cuts) => {
      const links = paths.map((path) => ({ path, value: "x", stampNs: 1n }));
      const snapshot = new Snapshot(links);
      const directories = [...snapshot.directories()].sort();
      const places = [...new Set(cuts)].sort(comparePaths);
      const parts: Link[] = [];
      for (const [index, from] of ["", ...places].entries()) {
        const until = places[index];
        parts.push(...linksInRange(snapshot, directories, { from, until }));
      }
      assertEquals(
        parts.map((link) => link.path),
        [...paths].sort(comparePaths),
      );
    },
  ));
});
