/** Tombstones stand for what is there, and for nothing else. */
import { assertEquals } from "@std/assert";
import { linkPath } from "./path.ts";
import { Snapshot } from "./snapshot.ts";
import { tombstonesUnder } from "./tombstones.ts";
import { TOMBSTONE } from "./values.ts";

const HEAD = linkPath.actual("r", "alpha", "msg-err-");

Deno.test("tombstonesUnder() takes links by how their paths begin", () => {
  const paths = [
    `${HEAD}one`,
    `${HEAD}two`,
    linkPath.actual("r", "alpha", "msg-wrn-one"),
    linkPath.actual("r", "alpha-2", "msg-err-one"),
  ];
  const links = paths.map((path) => ({ path, value: "text", stampNs: 1n }));
  const gone = { path: `${HEAD}gone`, value: TOMBSTONE, stampNs: 1n };
  assertEquals(tombstonesUnder(new Snapshot([...links, gone]), HEAD), [
    { path: `${HEAD}one`, value: TOMBSTONE },
    { path: `${HEAD}two`, value: TOMBSTONE },
  ]);
});
