/** What keeps a host from a log of its own. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { IDLE_FACTS } from "../../tests/support/idle.ts";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { versionText } from "./history.ts";
import { plan } from "./plan.ts";
import type { Plan, PlanFacts } from "./plan_types.ts";
import { resourceView } from "./view.ts";

const MIB = 1 << 20;
const log = (sequence: number, host: string) => ({ sequence, host });
const version = (
  sequence: number,
  host: string,
  bytes: number,
  before?: string,
) => versionText({ log: log(sequence, host), bytes }, before);

/** A resource of alpha (primary) and beta, all switches on. */
const CLUSTER: Record<string, string> = {
  size: String(MIB),
  primary: "alpha",
  ...Object.fromEntries(
    ["alpha", "beta"].flatMap((host) => [
      [`data-${host}`, `/dev/${host}`],
      [`device-${host}`, "r"],
      [`syncstatus-${host}`, String(MIB)],
      ...["attach", "connect", "sync", "allow-replay"].map((name) => [
        `todo-${host}/${name}`,
        "1",
      ]),
    ]),
  ),
};

/** The plan of alpha. */
function planOf(
  links: Record<string, string>,
  facts: Partial<PlanFacts>,
): Plan {
  const snapshot = snapshotOfR({ ...CLUSTER, ...links });
  return plan(resourceView(snapshot, "r", "alpha"), {
    ...IDLE_FACTS,
    ...facts,
  });
}

const texts = (next: Plan): string =>
  next.obstacles.map((obstacle) => obstacle.text).join("; ");

const NO_FETCH = { "todo-alpha/connect": "0" };
const V1 = version(1, "alpha", 4180);
const V2 = version(2, "alpha", 8360, V1);

/** Log 2 of alpha had data when its file was lost; log 1 is written back. */
const LOST: Record<string, string> = {
  "replay-alpha": "log-000000001-alpha,4180,0",
  "version-000000001-alpha": V1,
  "version-000000002-alpha": V2,
  "version-000000001-beta": V1,
  "version-000000002-beta": V2,
};
const LOG_1 = { log: log(1, "alpha"), bytes: 4180 };

Deno.test("plan() fetches an own log that was lost, and does not begin it anew", () => {
  const next = planOf(LOST, { logs: [LOG_1] });
  assertEquals([next.role, next.logFiles], ["idle", []]);
  assertEquals(next.fetch?.log, log(2, "alpha"));
  assertStringIncludes(texts(next), 'Log 2 of "alpha" is not here');
  // Nobody else has it: that is for an administrator to say.
  const alone = { ...LOST, "version-000000002-beta": ".deleted" };
  const stuck = planOf(alone, { logs: [LOG_1] });
  assertEquals([stuck.role, stuck.logFiles], ["idle", []]);
  assertStringIncludes(texts(stuck), "had 8360 bytes");
});

Deno.test("plan() leads with a lost own log only when all of it is back", () => {
  // What is told here of log 2 is void since its file was made again.
  const moved = {
    ...LOST,
    "replay-alpha": "log-000000002-alpha,0,0",
    "version-000000002-alpha": version(2, "alpha", 0, V1),
  };
  const empty = planOf(moved, {
    logs: [LOG_1, { log: log(2, "alpha"), bytes: 0 }],
  });
  assertEquals([empty.role, empty.logFiles], ["idle", []]);
  assertEquals(empty.fetch?.log, log(2, "alpha"));
  assertStringIncludes(texts(empty), "others have more");
  const missing = planOf(moved, { logs: [LOG_1] });
  assertEquals([missing.role, missing.logFiles], ["idle", []]);
  const back = planOf(
    { ...moved, "replay-alpha": "log-000000002-alpha,8360,0" },
    { logs: [LOG_1, { log: log(2, "alpha"), bytes: 8360 }] },
  );
  assertEquals(back.logFiles, [{ kind: "create", log: log(3, "alpha") }]);
});

Deno.test("plan() never writes to a lost own log, however forced to lead", () => {
  const forced = { ...LOST, ...NO_FETCH };
  const told = planOf(forced, { logs: [LOG_1] });
  assertEquals(told.logFiles, []);
  assertEquals(told.publish.at(-1), {
    path: "resource-r/userspace/used-log-alpha",
    value: "2",
  });
  const noted = { ...forced, "userspace/used-log-alpha": "2" };
  const named = planOf(noted, { logs: [LOG_1] });
  assertEquals(named.logFiles, [{ kind: "create", log: log(2, "alpha") }]);
  const logs = [LOG_1, { log: log(2, "alpha"), bytes: 0 }];
  const passed = planOf(
    {
      ...noted,
      "replay-alpha": "log-000000002-alpha,0,0",
      "version-000000002-alpha": version(2, "alpha", 0, V1),
    },
    { logs },
  );
  assertEquals(passed.logFiles, [{ kind: "create", log: log(3, "alpha") }]);
});

Deno.test("plan() passes the name of an own log on a side that was lost", () => {
  // Beta follows what alpha wrote behind a longer log 1, and gave up.
  const lost = version(2, "alpha", 8360, version(1, "alpha", 5000));
  const links = {
    ...LOST,
    "version-000000001-beta": ".deleted",
    "version-000000002-alpha": ".deleted",
    "version-000000002-beta": lost,
  };
  const told = planOf(links, { logs: [LOG_1] });
  assertEquals([told.logFiles, told.fetch?.log.sequence], [[], undefined]);
  assertEquals(told.publish.at(-1)?.value, "2");
  const noted = { ...links, "userspace/used-log-alpha": "2" };
  const named = planOf(noted, { logs: [LOG_1] });
  assertEquals(named.logFiles, [{ kind: "create", log: log(2, "alpha") }]);
  // It is not filled with what was given up.
  const passed = planOf(
    {
      ...noted,
      "replay-alpha": "log-000000002-alpha,0,0",
      "version-000000002-alpha": version(2, "alpha", 0, V1),
    },
    { logs: [LOG_1, { log: log(2, "alpha"), bytes: 0 }] },
  );
  assertEquals([passed.logFiles, passed.fetch], [
    [{ kind: "create", log: log(3, "alpha") }],
    undefined,
  ]);
});

Deno.test("plan() fetches the end of an own log that only others still have", () => {
  // Its disk had said that it was durable; what was told last had not come to
  // the disk either.
  const links = {
    "replay-alpha": "log-000000001-alpha,4180,0",
    "version-000000001-alpha": V1,
    "version-000000001-beta": version(1, "alpha", 8360),
  };
  const next = planOf(links, { logs: [LOG_1] });
  assertEquals([next.role, next.logFiles], ["idle", []]);
  assertEquals(next.fetch?.log, log(1, "alpha"));
  assertStringIncludes(texts(next), "others have more");
  const forced = planOf({ ...links, ...NO_FETCH }, { logs: [LOG_1] });
  assertEquals(forced.logFiles, [{ kind: "create", log: log(2, "alpha") }]);
});

Deno.test("plan() does not lead with a copy that is newer than what is replayed", () => {
  const links = {
    "replay-alpha": "log-000000005-beta,4180,0",
    "syncpos-alpha": "log-000000007-beta,1000,0",
    "version-000000005-alpha": version(5, "beta", 4180),
  };
  const facts = { logs: [{ log: log(5, "beta"), bytes: 4180 }] };
  for (const fetching of [{}, NO_FETCH]) {
    const next = planOf({ ...links, ...fetching }, facts);
    assertEquals([next.role, next.logFiles], ["idle", []]);
    assertStringIncludes(texts(next), 'The copy needs log 7 of "beta"');
  }
  // Nor without the logs.
  const without = planOf({ ...links, ...NO_FETCH }, {});
  assertEquals([without.role, without.logFiles], ["idle", []]);
});

Deno.test("plan() replays no own log behind one that has lost its end", () => {
  const before = version(1, "alpha", 8360);
  const links = {
    "replay-alpha": "log-000000001-alpha,4180,0",
    "version-000000001-alpha": before,
    "version-000000002-alpha": version(2, "alpha", 4180, before),
  };
  const logs = [LOG_1, { log: log(2, "alpha"), bytes: 4180 }];
  const next = planOf(links, { logs });
  assertEquals([next.role, next.logFiles], ["idle", []]);
  assertStringIncludes(
    next.publish.map(({ value }) => value).join(" "),
    "log-000000001-alpha,4180,",
  );
  assertStringIncludes(texts(next), "ends at 4180, and log 2 follows at 8360");
  const whole = planOf(
    { ...links, "replay-alpha": "log-000000001-alpha,8360,0" },
    { logs: [{ log: log(1, "alpha"), bytes: 8360 }, ...logs.slice(1)] },
  );
  assertStringIncludes(
    whole.publish.map(({ value }) => value).join(" "),
    "log-000000002-alpha,0,0",
  );
});
