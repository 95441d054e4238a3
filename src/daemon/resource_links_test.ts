import { assert, assertEquals } from "@std/assert";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import { type ResourceFacts, ResourceLinks } from "./resource_links.ts";

const STATES = { "is-attached": "1", "is-primary": "0" };
const ATTACHED = "resource-r/actual-alpha/is-attached";
const PRIMARY = "resource-r/actual-alpha/is-primary";

class World {
  readonly clock = new ManualClock();
  readonly tree = new MemoryTree(this.clock);
  readonly links = this.start();

  start(): ResourceLinks {
    return new ResourceLinks({
      resource: "r",
      host: "alpha",
      snapshot: this.tree.snapshot(),
    });
  }

  /** Writes what is told after `seconds`; gives back paths. */
  tell(
    seconds: number,
    facts: Partial<ResourceFacts> = {},
    links = this.links,
  ): string[] {
    this.clock.nowNs += BigInt(seconds) * 1_000_000_000n;
    const written = links.links({
      nowMs: this.clock.monotonicMs(),
      realNs: this.clock.realNs(),
      stampNs: this.tree.lamport.now(),
      snapshot: this.tree.snapshot(),
      states: STATES,
      diskBytes: 0,
      obstacles: [],
      ...facts,
    });
    this.tree.write(written);
    return written.map(({ path }) => path);
  }
}

Deno.test("ResourceLinks tell everything at first, then what changes", () => {
  const world = new World();
  assertEquals(world.tell(0), [ATTACHED, PRIMARY]);
  assertEquals(world.tell(1), []);
  assertEquals(world.tell(1, { diskBytes: 4096 }), [
    "resource-r/actsize-alpha",
  ]);
  assertEquals(
    world.tell(1, {
      diskBytes: 4096,
      states: { ...STATES, "is-primary": "1" },
    }),
    [PRIMARY],
  );
});

Deno.test("ResourceLinks refresh what must be fresh, sooner if asked", () => {
  const world = new World();
  world.tell(0);
  assertEquals(world.tell(19), []);
  assertEquals(world.tell(1), [PRIMARY]);
  world.links.ask();
  assertEquals(world.tell(1), [PRIMARY]);
  world.links.ask();
  world.clock.nowNs += 500_000_000n;
  assertEquals(world.tell(0), [], "Not more than once a second");
  assertEquals(world.tell(1), [PRIMARY]);
  assertEquals(world.tell(1), []);
});

Deno.test("ResourceLinks refresh a primary twice as often", () => {
  const world = new World();
  const states = { ...STATES, "is-primary": "1" };
  world.tell(0, { states });
  assertEquals(world.tell(9, { states }), []);
  assertEquals(world.tell(1, { states }), [PRIMARY]);
});

Deno.test("ResourceLinks.refreshed() needs no other facts", () => {
  const world = new World();
  const at = (seconds: number): string[] =>
    world.links.refreshed(seconds * 1_000).map(({ path }) => path);
  assertEquals(at(0), [], "Nothing was told yet");
  const startS = Number(world.clock.nowNs / 1_000_000_000n);
  world.tell(0);
  assertEquals(at(startS + 19), []);
  assertEquals(at(startS + 20), [PRIMARY]);
  assertEquals(at(startS + 21), []);
});

Deno.test("ResourceLinks mend what somebody has changed or removed", () => {
  const world = new World();
  world.tell(0);
  world.tree.write([{ path: ATTACHED, value: ".deleted" }]);
  assertEquals(world.tell(1), [ATTACHED]);
  world.tree.unlink(PRIMARY);
  assertEquals(world.tell(1), [PRIMARY]);
});

Deno.test("ResourceLinks end messages, also those of an earlier daemon", () => {
  const world = new World();
  const path = "resource-r/actual-alpha/msg-err-x";
  world.tell(0, { obstacles: [{ key: "err-x", text: "broken" }] });
  assert(world.tree.snapshot().value(path)?.endsWith("broken"));
  const next = world.start();
  world.tell(1, {}, next);
  assertEquals(world.tell(10, {}, next).includes(path), true);
  assertEquals(world.tree.snapshot().value(path), "OK");
  world.tree.write([{ path, value: ".deleted" }]);
  assertEquals(world.tell(1, {}, next), [path]);
});
