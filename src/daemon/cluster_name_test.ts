/** What a host remembers of the name of its cluster. */
import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { ClusterName } from "./cluster_name.ts";

function named(uuid: string): Snapshot {
  return new Snapshot([{ path: "uuid", value: uuid, stampNs: 1n }]);
}

function links(name: ClusterName, snapshot: Snapshot) {
  name.compare(snapshot);
  return name.links(snapshot);
}

Deno.test("The old name is kept when a peer tells a new one", () => {
  const name = new ClusterName(named("a_1"));
  assertEquals(links(name, named("a_1")), []);
  const kept = { path: "todo-global/merged-a_1", value: "b_1" };
  assertEquals(links(name, named("b_1")), [kept]);
  // It could not be written.
  assertEquals(links(name, named("b_1")), [kept]);
  const written = named("b_1").with([{ ...kept, stampNs: 2n }]);
  assertEquals(links(name, written), []);
  assertEquals(links(name, named("b_1")), []);
});

Deno.test("No name is kept that is none", () => {
  for (const uuid of ["(any)", ".deleted", "a/b", "../a"]) {
    assertEquals(links(new ClusterName(named(uuid)), named("b_1")), []);
  }
  const left = new ClusterName(named("a_1"));
  assertEquals(links(left, new Snapshot([])), []);
  assertEquals(links(left, named("b_1")), []);
});

Deno.test("What an administrator sets is no merge", () => {
  const name = new ClusterName(named("a_1"));
  name.accept(named("b_1"));
  assertEquals(links(name, named("b_1")), []);
});
