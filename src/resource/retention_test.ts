import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import type { LogName } from "../base/names.ts";
import { logFileName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { formatStep } from "../tree/values.ts";
import {
  type Claim,
  claimsOf,
  oldOnes,
  unreachable,
  unreadableClaims,
} from "./retention.ts";
import { type ResourceView, resourceView } from "./view.ts";

const HOSTS = ["alpha", "beta", "gamma"];

interface Seen {
  readonly view: ResourceView;
  readonly claims: readonly Claim[];
}

function seen(links: Readonly<Record<string, string>>, level = 1): Seen {
  const snapshot = snapshotOf(links);
  const view = resourceView(snapshot, "r", "alpha");
  const claims = claimsOf(snapshot, view, {
    ignoreDeletedPeers: level,
    isRecent: () => false,
  });
  return { view, claims };
}

/** A log that follows another one, which may be undefined. */
interface Step {
  readonly log: LogName;
  readonly previous: LogName | undefined;
}

function versionLinks(steps: readonly Step[]): Record<string, string> {
  const text = (log: LogName): string =>
    formatStep({ digest: "1".repeat(32), log, endBytes: 10 });
  return Object.fromEntries(
    steps.map(({ log, previous }) => [
      linkPath.version("r", log.sequence, log.host),
      `${text(log)}:${previous === undefined ? "" : text(previous)}`,
    ]),
  );
}

/** A tree of logs: each of the following begins behind an earlier one. */
const aTree: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ at: fc.nat(), host: fc.constantFrom(...HOSTS) }),
  { maxLength: 12 },
).map((choices) => {
  const steps: Step[] = [
    { log: { sequence: 1, host: "alpha" }, previous: undefined },
  ];
  for (const { at, host } of choices) {
    const previous = steps[at % steps.length]?.log;
    const sequence = (previous?.sequence ?? 0) + 1;
    const isUsed = steps.some(({ log }) =>
      log.sequence === sequence && log.host === host
    );
    if (!isUsed) steps.push({ log: { sequence, host }, previous });
  }
  return steps;
});

/** Where each of some hosts is: an index into the tree, or garbage. */
const somePlaces = fc.uniqueArray(
  fc.record({
    host: fc.constantFrom(...HOSTS, "delta"),
    at: fc.option(fc.nat(), { nil: undefined, freq: 10 }),
    isMember: fc.boolean(),
  }),
  { selector: ({ host }) => host, maxLength: 4 },
);

const aWorld = fc.record({ steps: aTree, places: somePlaces }).map(
  ({ steps, places }) => {
    const links: Record<string, string> = { ...versionLinks(steps) };
    for (const { host, at, isMember } of places) {
      const log = at === undefined ? undefined : steps[at % steps.length]?.log;
      links[linkPath.ip(host)] = "10.0.0.1";
      if (isMember) links[linkPath.data("r", host)] = "/dev/x";
      links[linkPath.replay("r", host)] = log === undefined
        ? "garbage"
        : `${logFileName(log)},0,0`;
    }
    return { links, steps, places, logs: steps.map(({ log }) => log) };
  },
);

const keyOf = (log: LogName): string => logFileName(log);

/** `log` and all logs before it. */
function lineOf(steps: readonly Step[], log: LogName): Set<string> {
  const line = new Set<string>();
  let at: LogName | undefined = log;
  while (at !== undefined) {
    const key: string = keyOf(at);
    line.add(key);
    at = steps.find((step) => keyOf(step.log) === key)?.previous;
  }
  return line;
}

Deno.test("oldOnes() never has a log that any claim still needs (I7)", () => {
  fc.assert(fc.property(aWorld, ({ links, logs, places, steps }) => {
    const { view, claims } = seen(links);
    const { logs: old } = oldOnes(view, claims, logs);
    for (const { at } of places) {
      if (at === undefined) assertEquals(old, []);
      const needed = steps[(at ?? 0) % steps.length]?.log.sequence ?? 0;
      assert(old.every(({ sequence }) => sequence < needed));
    }
    const highest = Math.max(...logs.map(({ sequence }) => sequence));
    assert(old.every(({ sequence }) => sequence < highest));
    if (places.length === 0) assertEquals(old, []);
  }));
});

Deno.test("oldOnes() has everything that all claims have passed", () => {
  fc.assert(fc.property(aWorld, ({ links, logs, places, steps }) => {
    fc.pre(places.length > 0 && places.every(({ at }) => at !== undefined));
    const { view, claims } = seen(links);
    const limit = Math.min(
      ...places.map(({ at }) =>
        steps[(at ?? 0) % steps.length]?.log.sequence ?? 0
      ),
    );
    assertEquals(
      oldOnes(view, claims, logs).logs.map(keyOf).sort(),
      logs.filter(({ sequence }) => sequence < limit).map(keyOf).sort(),
    );
  }));
});

Deno.test("oldOnes() keeps the version link before the first log that stays", () => {
  fc.assert(fc.property(aWorld, ({ links, logs }) => {
    const { view, claims } = seen(links);
    const old = oldOnes(view, claims, logs);
    const gone = new Set(old.logs.map(keyOf));
    const first = Math.min(
      ...logs.filter((log) => !gone.has(keyOf(log)))
        .map(({ sequence }) => sequence),
    );
    assert(old.versions.every(({ sequence }) => sequence < first - 1));
  }));
});

Deno.test("unreachable() has no log of a claim's past or future (I7)", () => {
  fc.assert(fc.property(aWorld, ({ links, logs, places, steps }) => {
    const { view, claims } = seen(links);
    const lost = new Set(unreachable(view, claims, logs).logs.map(keyOf));
    for (const { at } of places) {
      if (at === undefined) assertEquals(lost.size, 0);
      const here = steps[(at ?? 0) % steps.length]?.log;
      if (here === undefined) continue;
      for (const key of lineOf(steps, here)) assert(!lost.has(key), key);
      for (const { log } of steps) {
        if (!lineOf(steps, log).has(keyOf(here))) continue;
        assert(!lost.has(keyOf(log)), keyOf(log));
      }
    }
  }));
});

Deno.test("unreachable() has everything that is on no line of a claim", () => {
  fc.assert(fc.property(aWorld, ({ links, logs, places, steps }) => {
    fc.pre(places.every(({ at }) => at !== undefined));
    const { view, claims } = seen(links);
    const heres = places.map(({ at }) => steps[(at ?? 0) % steps.length]?.log)
      .filter((log) => log !== undefined);
    const expected = steps.filter(({ log }) =>
      !heres.some((here) =>
        lineOf(steps, log).has(keyOf(here)) ||
        lineOf(steps, here).has(keyOf(log))
      )
    ).map(({ log }) => keyOf(log));
    assertEquals(
      unreachable(view, claims, logs).logs.map(keyOf).sort(),
      expected.sort(),
    );
  }));
});

Deno.test("claimsOf() takes no tombstone and no log of another name for a claim", () => {
  const { claims } = seen({
    "ips/ip-alpha": "10.0.0.1",
    "resource-r/data-alpha": "/dev/x",
    "resource-r/replay-alpha": "log-000000003-alpha,0,0",
    "resource-r/replay-beta": ".deleted",
    "resource-r/replayed": "1",
  });
  assertEquals(claims, [{
    host: "alpha",
    log: { sequence: 3, host: "alpha" },
    isPrimary: false,
    isLost: false,
  }]);
});

Deno.test("claimsOf() counts this host even if it has no address", () => {
  const { claims } = seen({
    "resource-r/data-alpha": "/dev/x",
    "resource-r/replay-alpha": "log-000000003-alpha,0,0",
  }, 2);
  assertEquals(claims.map(({ host }) => host), ["alpha"]);
});

Deno.test("unreadableClaims() names members without a position", () => {
  const { claims } = seen({
    "ips/ip-alpha": "10.0.0.1",
    "ips/ip-beta": "10.0.0.2",
    "resource-r/data-alpha": "/dev/x",
    "resource-r/data-beta": "/dev/x",
    "resource-r/replay-alpha": "log-000000003-alpha,0",
  });
  assertEquals(unreadableClaims(claims), ["alpha", "beta"]);
});
