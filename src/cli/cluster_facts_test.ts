/** Can two clusters become one? And what one host tells the other of it. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../base/errors.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { anyIdentifier } from "../../tests/support/links.ts";
import {
  type ClusterFacts,
  decodeFacts,
  encodeFacts,
  factsOf,
  mergeObstacles,
} from "./cluster_facts.ts";

function facts(
  uuid: string | undefined,
  addresses: Readonly<Record<string, string>>,
  ...resources: string[]
): ClusterFacts {
  return {
    uuid,
    merged: [],
    addresses: new Map(Object.entries(addresses)),
    resources,
  };
}

const A = facts("a_1.000000000", { alpha: "10.0.0.1" }, "vm1", "vm2");

Deno.test("mergeObstacles() names what both clusters have", () => {
  const other = facts("b_1.000000000", { beta: "10.0.0.2" }, "vm2", "vm3");
  assertEquals(mergeObstacles(A, other), [
    "both clusters have resources of the names vm2",
  ]);
  const twin = facts("b_1.000000000", { alpha: "10.0.0.9" });
  assertEquals(mergeObstacles(A, twin), [
    'both clusters have a host "alpha", at 10.0.0.1 and at 10.0.0.9',
  ]);
});

Deno.test("mergeObstacles() lets clusters without common names become one", () => {
  const other = facts("b_1.000000000", { beta: "10.0.0.2" }, "vm3");
  assertEquals(mergeObstacles(A, other), []);
});

Deno.test("mergeObstacles() lets a merge that is half done go on", () => {
  const half = facts("b_1.000000000", { alpha: "10.0.0.1", beta: "10.0.0.2" });
  assertEquals(mergeObstacles(A, half), []);
  const opened = { ...A, merged: ["b_1.000000000"] };
  const all = { ...half, resources: A.resources };
  assertEquals(mergeObstacles(opened, all), []);
  assertEquals(mergeObstacles(all, opened), []);
  assertEquals(mergeObstacles(A, { ...all, uuid: A.uuid }), []);
});

Deno.test("mergeObstacles() wants two clusters with usable names", () => {
  assertEquals(mergeObstacles(A, facts(undefined, {})), [
    "the peer is in no cluster",
  ]);
  assertEquals(mergeObstacles(facts(undefined, {}), A), [
    "this host is in no cluster",
  ]);
  for (const uuid of ["../x", ".deleted", "", "a b"]) {
    assertEquals(mergeObstacles(A, facts(uuid, {})), [
      `"${uuid}" is no name of a cluster`,
    ]);
  }
});

Deno.test("factsOf() counts neither what was deleted nor what was forgotten", () => {
  const link = (path: string, value: string) => ({ path, value, stampNs: 1n });
  const snapshot = new Snapshot([
    link("uuid", "a_1"),
    link("ips/ip-alpha", "10.0.0.1"),
    link("ips/ip-gone", ".deleted"),
    link("resource-new/size", "4096"),
    link("resource-old/size", ".deleted"),
    link("resource-old/maxnr", "3"),
    link("todo-global/merged-b_1", "a_1"),
    link("todo-global/merged-c_1", ".deleted"),
  ]);
  assertEquals(factsOf(snapshot), {
    uuid: "a_1",
    merged: ["b_1"],
    addresses: new Map([["alpha", "10.0.0.1"]]),
    resources: ["new"],
  });
});

Deno.test("decodeFacts() reads what encodeFacts() wrote", () => {
  const anyFacts = fc.record({
    uuid: fc.option(anyIdentifier, { nil: undefined }),
    merged: fc.array(anyIdentifier),
    addresses: fc.array(anyIdentifier).map((hosts) =>
      new Map(hosts.map((host) => [host, "10.0.0.1:7000"]))
    ),
    resources: fc.array(anyIdentifier),
  });
  fc.assert(fc.property(anyFacts, (some) => {
    assertEquals(decodeFacts(encodeFacts(some)), some);
  }));
});

Deno.test("decodeFacts() refuses what no host says, and leaves out what is odd", () => {
  for (
    const text of ["", "{", "[]", "null", "{}", '{"merged":[],"resources":[]}']
  ) {
    assertThrows(() => decodeFacts(text), FormatError, "Cannot read");
  }
  const odd = decodeFacts(
    '{"merged":[],"resources":[],"ips":{"a/b":"10.0.0.1","ok":"10.0.0.2","bad":"x y","n":5}}',
  );
  assertEquals(odd.addresses, new Map([["ok", "10.0.0.2"]]));
});
