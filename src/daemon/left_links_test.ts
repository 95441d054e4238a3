/** What is told late of a resource that was left is taken back, always. */
import { assertEquals } from "@std/assert";
import { RefusedError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { LeftLinks } from "./left_links.ts";
import type { TakeBackDesk } from "./take_back.ts";

const REPLAY = linkPath.replay("r", "gamma");
const STATUS = linkPath.syncStatus("r", "gamma");
const VERIFIED = linkPath.verifyStatus("r", "gamma");
const DEVICE = linkPath.device("r", "gamma");

/** A host that has left "r", and its daemon's clock. */
class World {
  readonly #left = new LeftLinks();
  #nowMs = 0;
  #stampNs = 0n;
  snapshot = new Snapshot([]);
  isRunning = false;
  isBusy = false;
  hasHeard = true;
  /** What a look at the tree finds. */
  found: readonly (readonly [path: string, value: string])[] = [];
  lookCount = 0;

  constructor() {
    this.tell(DEVICE, TOMBSTONE);
    this.tell(linkPath.data("r", "gamma"), TOMBSTONE);
    this.tell(linkPath.data("r", "alpha"), "/dev/null");
  }

  tell(path: string, value: string): void {
    const stampNs = ++this.#stampNs;
    this.snapshot = this.snapshot.with([{ path, value, stampNs }]);
  }

  /** A tick of the daemon, some seconds after the last one. */
  tick(): void {
    this.#nowMs += 3_000;
    const desk: TakeBackDesk = {
      host: "gamma",
      snapshot: () => this.snapshot,
      hasHeard: (members) => {
        assertEquals(members, ["alpha"]);
        return this.hasHeard;
      },
      lock: (resource) => {
        if (this.isBusy) throw new RefusedError("Cannot work", [resource]);
        return { [Symbol.dispose]: () => {} };
      },
      look: () => {
        this.lookCount++;
        for (const [path, value] of this.found) this.tell(path, value);
      },
      isRunning: () => this.isRunning,
      publish: (links) => {
        for (const { path, value } of links) this.tell(path, value);
      },
    };
    this.#left.takeBack(desk, this.#nowMs);
  }

  isThere(path: string): boolean {
    return this.snapshot.value(path) !== undefined;
  }
}

Deno.test("What was told before the host knew goes, and what comes later", () => {
  const world = new World();
  world.tell(REPLAY, "log-000000001-alpha,0,0");
  world.tick();
  world.tick();
  assertEquals(world.isThere(REPLAY), false);
  // A step that had begun before ends now.
  for (const path of [STATUS, VERIFIED, REPLAY]) {
    world.tell(path, "4096");
    world.tick();
    world.tick();
    assertEquals(world.isThere(path), false, path);
  }
  const { lookCount } = world;
  world.tick();
  assertEquals(world.lookCount, lookCount, "nothing is left to look for");
});

Deno.test("Nothing is taken back while something still runs, or is not known", () => {
  for (const obstacle of ["isRunning", "isBusy", "unheard"] as const) {
    const world = new World();
    if (obstacle === "unheard") world.hasHeard = false;
    else world[obstacle] = true;
    world.tell(REPLAY, "log-000000001-alpha,0,0");
    for (let count = 0; count < 5; count++) world.tick();
    assertEquals(world.isThere(REPLAY), true, obstacle);
    Object.assign(world, { isRunning: false, isBusy: false, hasHeard: true });
    world.tick();
    assertEquals(world.isThere(REPLAY), false, obstacle);
  }
});

Deno.test("A host that becomes a member again keeps what it tells", () => {
  // By a command that has just ended, or a peer that knew of it.
  const rejoined = new World();
  rejoined.tell(REPLAY, "log-000000001-alpha,0,0");
  rejoined.tick();
  rejoined.found = [[linkPath.data("r", "gamma"), "/dev/null"], [DEVICE, "r"]];
  rejoined.tick();
  assertEquals([rejoined.lookCount, rejoined.isThere(REPLAY)], [1, true]);
  // By a tool without locks, link by link, while it is looked.
  const slow = new World();
  slow.tick();
  slow.tell(REPLAY, "log-000000001-alpha,0,0");
  slow.tick();
  slow.tell(DEVICE, "r");
  slow.tick();
  assertEquals([slow.lookCount, slow.isThere(REPLAY)], [0, true]);
});
