/** Every obstacle of a handover, and what vanishes by waiting. */
import { assertEquals, assertMatch } from "@std/assert";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import {
  type Avoidance,
  avoidSplit,
  consistencyGaps,
  numberGaps,
  preconditions,
} from "./handover.ts";
import { versionText } from "./history.ts";
import { type Reason, textsOf } from "./reasons.ts";
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
  const snapshot = snapshotOfR(links);
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

// ---- what refuses ---------------------------------------------------------

const SIZE_BYTES = 1 << 20;

/** alpha is primary, beta has everything, gamma as well. */
const READY: Readonly<Record<string, string>> = {
  ...LEVEL,
  size: String(SIZE_BYTES),
  primary: "alpha",
  "actual-alpha/is-primary": "1",
  ...Object.fromEntries(
    ["alpha", "beta", "gamma"].flatMap((host) => [
      [`data-${host}`, "/dev/x"],
      [`syncstatus-${host}`, String(SIZE_BYTES)],
      [`replay-${host}`, REPLAY],
      ...["attach", "connect", "sync", "allow-replay"].map((name) => [
        `todo-${host}/${name}`,
        "1",
      ]),
    ]),
  ),
};

function obstaclesOf(
  links: Readonly<Record<string, string>>,
  options: { isForced?: true; ignoreSync?: true; host?: string } = {},
): string[] {
  return textsOf(reasonsOf(links, options));
}

function reasonsOf(
  links: Readonly<Record<string, string>>,
  options: { isForced?: true; ignoreSync?: true; host?: string } = {},
): Reason[] {
  const snapshot = snapshotOfR({ ...READY, ...links });
  return preconditions(resourceView(snapshot, "r", options.host ?? "beta"), {
    isForced: options.isForced ?? false,
    ignoreSync: options.ignoreSync ?? false,
    oldPrimary: "alpha",
    isRecent: () => true,
    hasUnits: false,
  });
}

const REFUSALS: readonly {
  readonly name: string;
  readonly links?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly planned: RegExp | undefined;
  /** With fetch switched off. */
  readonly forced: RegExp | undefined;
}[] = [
  {
    name: "nothing is in the way",
    planned: undefined,
    forced: undefined,
  },
  {
    name: "this host has no disk",
    host: "delta",
    planned: /"delta" has no disk/,
    forced: /"delta" has no disk/,
  },
  {
    name: "the device is open on the old primary",
    links: { "actual-alpha/open-count": "2" },
    planned: /open 2 times on "alpha"/,
    forced: undefined,
  },
  {
    name: "the disk is detached",
    links: { "todo-beta/attach": "0" },
    planned: /detached; type up/,
    forced: /detached; type up/,
  },
  {
    name: "fetch is off",
    links: { "todo-beta/connect": "0" },
    planned: /fetch is off; type resume-fetch/,
    forced: undefined,
  },
  {
    name: "replay is off",
    links: { "todo-beta/allow-replay": "0" },
    planned: /replay is off; type resume-replay/,
    forced: /replay is off; type resume-replay/,
  },
  {
    name: "replay has stopped at damage",
    links: { "actual-beta/replay-code": "-74,-1,0x00" },
    planned: /replay has stopped with -74/,
    forced: undefined,
  },
  {
    name: "the own copy is not complete",
    links: { "syncstatus-beta": "4096" },
    planned: /own copy is not complete/,
    forced: /own copy is not complete/,
  },
  {
    name: "the disk is not consistent yet",
    links: { "syncpos-beta": "log-000000002-alpha,91,0" },
    // It is waited for.
    planned: undefined,
    forced: /not consistent yet/,
  },
  {
    name: "another member is still copying",
    links: { "syncstatus-gamma": "4096" },
    planned: /"gamma" is still copying/,
    forced: undefined,
  },
  {
    name: "this host has parted from the primary",
    links: {
      "replay-beta": "log-000000003-beta,5,0",
      "version-000000002-beta": V2_SHORT,
      "version-000000003-beta": versionText(
        { log: log(3, "beta"), bytes: 5 },
        V2_SHORT,
      ),
    },
    planned: /split brain with "alpha".*invalidate r/,
    forced: undefined,
  },
];

for (const { name, links = {}, host, planned, forced } of REFUSALS) {
  Deno.test(`preconditions() when ${name}`, () => {
    const refused = obstaclesOf(links, host === undefined ? {} : { host });
    assertEquals(refused.length, planned === undefined ? 0 : 1);
    if (planned !== undefined) assertMatch(refused[0] ?? "", planned);
    const off = { ...links, "todo-beta/connect": "0" };
    const left = obstaclesOf(off, {
      isForced: true,
      ...(host === undefined ? {} : { host }),
    });
    assertEquals(left.length, forced === undefined ? 0 : 1, left.join());
    if (forced !== undefined) assertMatch(left[0] ?? "", forced);
  });
}

Deno.test("preconditions() tell apart what normally goes by itself", () => {
  const passingOf = (links: Record<string, string>, isForced?: true) =>
    reasonsOf(links, isForced ? { isForced } : {})
      .filter(({ kind }) => kind === "passing").map(({ text }) => text);
  const open = { "actual-alpha/open-count": "1" };
  assertEquals(passingOf({ ...open, "todo-beta/attach": "0" }), [
    'the device is open 1 time on "alpha"',
  ]);
  assertEquals(passingOf({ "syncpos-gamma": "log-000000002-alpha,91,0" }), [
    '"gamma" is not consistent yet: it replays',
  ]);
  assertEquals(passingOf({ "syncstatus-gamma": "4096" }), []);
  const behind = { "syncpos-beta": "log-000000002-alpha,91,0" };
  assertEquals(passingOf(behind, true), [
    "its disk is not consistent yet: replay is behind",
  ]);
});

Deno.test("consistencyGaps() name a disk that is behind what was copied", () => {
  const gaps = (links: Readonly<Record<string, string>>): string[] =>
    consistencyGaps(
      resourceView(snapshotOfR({ ...READY, ...links }), "r", "beta"),
    );
  assertEquals(gaps({}), []);
  assertMatch(
    gaps({ "syncpos-beta": "log-000000002-alpha,91,0" })[0] ?? "",
    /replay is behind/,
  );
});

Deno.test("preconditions() of a failover want fetch to be off", () => {
  assertEquals(obstaclesOf({}, { isForced: true }), [
    "fetch is on; type pause-fetch first",
  ]);
});

Deno.test("preconditions() need not wait for copies that do not count", () => {
  const copying = { "syncstatus-gamma": "4096" };
  assertEquals(obstaclesOf(copying, { ignoreSync: true }), []);
});

Deno.test("numberGaps() wants the primary beyond numbers of lost logs", () => {
  const gaps = (links: Readonly<Record<string, string>>): string[] => {
    const snapshot = snapshotOfR({ ...READY, ...links });
    return numberGaps(resourceView(snapshot, "r", "beta"), "alpha");
  };
  assertEquals(gaps({}), []);
  assertEquals(gaps({ "userspace/used-log-beta": "2" }), []);
  assertEquals(gaps({ "userspace/used-log-beta": "x" }), []);
  // Nobody has written that many; the primary would begin each of them.
  assertEquals(gaps({ "userspace/used-log-beta": "10003" }), []);
  assertMatch(
    gaps({ "userspace/used-log-beta": "5" })[0] ?? "",
    /"alpha" is in log 2, and must be in log 5 first/,
  );
  // Nobody rotates who does not lead.
  assertEquals(
    gaps({ "userspace/used-log-beta": "5", "actual-alpha/is-primary": "0" }),
    [],
  );
});
