import { assert, assertEquals } from "@std/assert";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import { Alive, type AliveFacts } from "./alive.ts";

const GIB = 1 << 30;

class World {
  readonly clock = new ManualClock();
  readonly tree = new MemoryTree(this.clock);
  readonly alive: Alive;

  constructor(links: Readonly<Record<string, string>> = {}) {
    this.write(links);
    this.alive = this.start();
  }

  start(): Alive {
    return new Alive({
      host: "alpha",
      buildTag: "tag",
      snapshot: this.tree.snapshot(),
    });
  }

  write(links: Readonly<Record<string, string>>): void {
    this.tree.write(
      Object.entries(links).map(([path, value]) => ({ path, value })),
    );
  }

  /** Writes what is told after `seconds`; gives back names and values. */
  tell(
    seconds: number,
    facts: Partial<AliveFacts> = {},
    alive = this.alive,
  ): Record<string, string> {
    this.clock.nowNs += BigInt(seconds) * 1_000_000_000n;
    const links = alive.links({
      nowMs: this.clock.monotonicMs(),
      realNs: this.clock.realNs(),
      stampNs: this.tree.lamport.now(),
      snapshot: this.tree.snapshot(),
      isRunning: true,
      restBytes: 5 * GIB + 1,
      totalBytes: 10 * GIB,
      emergencyLevel: 0,
      connected: [],
      heardNs: new Map(),
      traffic: [],
      obstacles: [],
      ...facts,
    });
    this.tree.write(links);
    return Object.fromEntries(links.map(({ path, value }) => [path, value]));
  }
}

Deno.test("Alive tells everything at first, then that time goes on", () => {
  const world = new World();
  const first = world.tell(0);
  for (
    const name of [
      "time",
      "alive",
      "tree",
      "features",
      "usable",
      "buildtag",
      "emergency",
      "rest-space",
      "total-space",
      "used-log-digest",
      "used-net-digest",
      "used-log-compression",
      "used-net-compression",
    ]
  ) assert(first[`actual-alpha/${name}`] !== undefined, name);
  assertEquals(first["actual-alpha/rest-space"], "5");
  assertEquals(Object.keys(world.tell(3)), [
    "actual-alpha/time",
    "actual-alpha/alive",
  ]);
  assertEquals(world.tell(3, { isRunning: false })["actual-alpha/alive"], "0");
});

Deno.test("Alive mends what somebody has changed", () => {
  const world = new World();
  world.tell(0);
  world.write({ "actual-alpha/tree": "0.9" });
  assertEquals(world.tell(3)["actual-alpha/tree"], "0.1");
});

Deno.test("Alive narrows what is usable to what connected peers can", () => {
  const world = new World({ "actual-beta/features": "4,5,0x00040000" });
  world.tell(0);
  const told = world.tell(3, { connected: ["beta"] });
  assertEquals(told["actual-alpha/usable"], "4,5,0x00050000");
});

Deno.test("Alive tells how fresh links of peers are, now and then", () => {
  const world = new World({ "ips/ip-beta": "10.0.0.2" });
  const path = "actual-beta/read-stamp";
  const heard = (seconds: bigint): Partial<AliveFacts> => ({
    heardNs: new Map([["beta", seconds * 1_000_000_000n]]),
  });
  assertEquals(world.tell(0, heard(7n))[path], "7.000000000");
  assertEquals(world.tell(3, heard(8n))[path], undefined);
  assertEquals(world.tell(10, heard(9n))[path], "9.000000000");
  assertEquals(world.tell(10, heard(9n))[path], undefined);
  world.write({ "ips/ip-beta": ".deleted" });
  assertEquals(world.tell(10, heard(10n))[path], undefined);
});

Deno.test("Alive ends messages, also those of an earlier daemon", () => {
  const world = new World();
  const key = "needed-connection-with-beta";
  const path = `actual-alpha/msg-${key}`;
  const text = "NOT connected: refused";
  const told = world.tell(0, { obstacles: [{ key, text }] })[path] ?? "";
  assert(told.endsWith(text), told);
  const next = world.start();
  assertEquals(world.tell(3, {}, next)[path], undefined);
  assertEquals(world.tell(11, {}, next)[path], ".deleted");
  assertEquals(world.tell(3, {}, next)[path], undefined);
});

Deno.test("Alive is silent when the host has left, not while it comes back", () => {
  const uuid = "alpha_1.000000000";
  const gone = { uuid, "ips/ip-alpha": ".deleted" };
  const left = new World({ uuid, "ips/ip-alpha": "10.0.0.1" });
  assert("actual-alpha/time" in left.tell(0));
  left.write(gone);
  assertEquals(left.tell(3), {});
  assertEquals(left.tell(3, {}, left.start()), {});

  const back = new World();
  back.tell(0);
  back.tree.write([{ path: "uuid", value: "(any)", stampNs: 1n }]);
  back.tree.write([{ path: "ips/ip-alpha", value: "10.0.0.1", stampNs: 1n }]);
  back.tell(3);
  back.write({ uuid });
  back.tell(3);
  back.write(gone);
  assert("actual-alpha/time" in back.tell(3));
  back.write({ "ips/ip-alpha": "10.0.0.1" });
  back.tell(3);
  back.write(gone);
  assertEquals(back.tell(3), {});
});
