/** Claims of dead commands are taken back, and only those. */
import { assertEquals, assertThrows } from "@std/assert";
import { MarsError, RefusedError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { type Link, Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { takeBackClaims } from "./left_claims.ts";
import type { TakeBackDesk } from "./take_back.ts";

const CLAIM = linkPath.claim("r", "gamma");
const PRIMARY = linkPath.primary("r");

/** What happens, in order. */
class Events {
  readonly list: string[] = [];
  snapshot = new Snapshot([
    { path: linkPath.claim("r", "gamma"), value: "1", stampNs: 5n },
    { path: linkPath.claim("r", "alpha"), value: "1", stampNs: 6n },
    { path: linkPath.claim("other", "alpha"), value: "1", stampNs: 6n },
    { path: linkPath.claim("old", "gamma"), value: TOMBSTONE, stampNs: 6n },
  ]);

  run(changes: Partial<TakeBackDesk> = {}): string[] {
    takeBackClaims({
      host: "gamma",
      snapshot: () => this.snapshot,
      hasHeard: () => true,
      lock: (resource) => {
        this.list.push(`lock ${resource}`);
        return {
          [Symbol.dispose]: () => {
            this.list.push(`unlock ${resource}`);
          },
        };
      },
      look: () => this.list.push("look"),
      isRunning: () => false,
      publish: (links) => {
        for (const { path, value } of links) {
          this.list.push(`${path} -> ${value}`);
        }
      },
      ...changes,
    });
    return this.list;
  }

  find(link: Omit<Link, "stampNs">): void {
    this.list.push("look");
    this.snapshot = this.snapshot.with([{ ...link, stampNs: 7n }]);
  }
}

Deno.test("A claim that no command holds is taken back", () => {
  assertEquals(new Events().run(), [
    "lock r",
    "look",
    `${CLAIM} -> ${TOMBSTONE}`,
    "unlock r",
  ]);
});

Deno.test("Peers learn before of what the dead command has written", () => {
  const events = new Events();
  const found = { path: PRIMARY, value: "gamma" };
  const list = events.run({ look: () => events.find(found) });
  assertEquals(list.slice(1, 3), ["look", `${CLAIM} -> ${TOMBSTONE}`]);
  const unseen = new Events();
  const fail = () => {
    throw new MarsError("cannot read");
  };
  assertThrows(() => unseen.run({ look: fail }), MarsError);
  assertEquals(unseen.list, ["lock r", "unlock r"]);
});

Deno.test("A claim stays while a command works on the resource", () => {
  const lock = () => {
    throw new RefusedError("Cannot work", ["another command does"]);
  };
  assertEquals(new Events().run({ lock }), []);
});

Deno.test("A claim stays until peers could tell what is newer", () => {
  assertEquals(new Events().run({ hasHeard: () => false }), []);
});

Deno.test("A command that has just ended took its claim back itself", () => {
  const events = new Events();
  const found = { path: CLAIM, value: TOMBSTONE };
  const list = events.run({ look: () => events.find(found) });
  assertEquals(list, ["lock r", "look", "unlock r"]);
});
