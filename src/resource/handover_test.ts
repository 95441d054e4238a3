/** avoidSplit() where scenarios of `primary` do not reach. */
import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { type Avoidance, avoidSplit } from "./handover.ts";
import { versionText } from "./history.ts";
import { resourceView } from "./view.ts";

const log = (sequence: number, host: string) => ({ sequence, host });
const V1 = versionText({ log: log(1, "alpha"), bytes: 100 }, undefined);
const V2 = versionText({ log: log(2, "alpha"), bytes: 90 }, V1);
const V2_SHORT = versionText({ log: log(2, "alpha"), bytes: 50 }, V1);
const V2_LOST = versionText({ log: log(2, "alpha"), bytes: 90 }, undefined);
const V3_GAMMA = versionText({ log: log(3, "gamma"), bytes: 10 }, V2);
const REPLAY = "log-000000002-alpha,90,0";

const LEVEL = {
  "data-alpha": "/dev/null",
  "data-beta": "/dev/null",
  "replay-alpha": REPLAY,
  "replay-beta": REPLAY,
  "version-000000001-alpha": V1,
  "version-000000001-beta": V1,
  "version-000000002-alpha": V2,
  "version-000000002-beta": V2,
};

/** What beta may do with these links; all of them are at rest. */
function avoidance(
  links: Readonly<Record<string, string>>,
  options: { old?: string; isBefore?: boolean; isQuiet?: boolean } = {},
): Avoidance {
  const snapshot = new Snapshot(
    Object.entries(links).map(([path, value]) => ({
      path: `resource-r/${path}`,
      value,
      stampNs: 1n,
    })),
  );
  const { old, isBefore = false, isQuiet = true } = options;
  return avoidSplit(resourceView(snapshot, "r", "beta"), {
    oldPrimary: old,
    isBefore,
    isQuiet: () => isQuiet,
  });
}

const without = (...names: string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(LEVEL).filter(([name]) => !names.includes(name)),
  );

Deno.test("avoidSplit() takes the author of the newest log for the old primary", () => {
  assertEquals(avoidance(LEVEL).kind, "safe");
  const behind = { ...LEVEL, "replay-beta": "log-000000002-alpha,10,80" };
  assertEquals(avoidance(behind).kind, "wait");
});

Deno.test("avoidSplit() of an unknown author wants all members to agree", () => {
  const gone = {
    ...LEVEL,
    "version-000000003-alpha": V3_GAMMA,
    "version-000000003-beta": V3_GAMMA,
  };
  assertEquals(avoidance(gone).kind, "safe");
  const behind = { ...gone, "version-000000003-beta": ".deleted" };
  assertEquals(avoidance(behind).kind, "wait");
});

Deno.test("avoidSplit() of a resource of one host is safe", () => {
  assertEquals(avoidance(without("replay-alpha"), { old: "alpha" }), {
    kind: "safe",
  });
});

Deno.test("avoidSplit() lets the old primary write back, until it is to end", () => {
  const dirty = { ...LEVEL, "replay-alpha": "log-000000002-alpha,40,50" };
  const of = (isBefore: boolean) =>
    avoidance(dirty, { old: "alpha", isBefore }).kind;
  assertEquals([of(true), of(false)], ["safe", "wait"]);
});

Deno.test("avoidSplit() does not heal while anything moves", () => {
  const behind = { ...LEVEL, "version-000000002-beta": V2_SHORT };
  const of = (isQuiet: boolean) =>
    avoidance(behind, { old: "alpha", isQuiet }).kind;
  assertEquals([of(true), of(false)], ["heal", "wait"]);
});

Deno.test("avoidSplit() does not heal what is replayed differently", () => {
  const behind = {
    ...LEVEL,
    "version-000000002-beta": V2_SHORT,
    "replay-beta": "log-000000002-alpha,50,0",
  };
  assertEquals(avoidance(behind, { old: "alpha" }).kind, "wait");
});

Deno.test("avoidSplit() does not heal with a version of another end", () => {
  const odd = { ...LEVEL, "version-000000002-alpha": V2_SHORT };
  assertEquals(avoidance(odd, { old: "alpha" }).kind, "wait");
});

Deno.test("avoidSplit() gives back a version that was lost, and the one before", () => {
  const lost = without("version-000000001-beta", "version-000000002-beta");
  const both = [
    { path: "resource-r/version-000000001-beta", value: V1 },
    { path: "resource-r/version-000000002-beta", value: V2 },
  ];
  const healed = { kind: "heal", links: both } as const;
  assertEquals(avoidance(lost, { old: "alpha" }), healed);
  const rootless = {
    ...without("version-000000001-beta"),
    "version-000000002-beta": V2_LOST,
  };
  assertEquals(avoidance(rootless, { old: "alpha" }), healed);
});

Deno.test("avoidSplit() has nothing to avoid in a split brain", () => {
  const split = {
    ...LEVEL,
    "replay-alpha": "log-000000003-alpha,10,0",
    "replay-beta": "log-000000003-beta,10,0",
    "version-000000003-alpha": versionText(
      { log: log(3, "alpha"), bytes: 10 },
      V2,
    ),
    "version-000000003-beta": versionText(
      { log: log(3, "beta"), bytes: 10 },
      V2,
    ),
  };
  assertEquals(avoidance(split, { old: "alpha" }), { kind: "safe" });
});
