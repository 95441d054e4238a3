/** Tests of the emergency mode as `plan` decides it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { IDLE_FACTS, IDLE_WORKER } from "../../tests/support/idle.ts";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import type { LogName } from "../base/names.ts";
import { anchorText } from "./emergency.ts";
import { nextLog, versionText } from "./history.ts";
import { findSplits } from "./parting.ts";
import { plan } from "./plan.ts";
import type { Plan, PlanFacts, WorkerState } from "./plan_types.ts";
import { type ResourceView, resourceView } from "./view.ts";

const MIB = 1024 * 1024;
const ENOSPC = 28;
const HELD = { log: log(1), bytes: 4180 };
const BEHIND = { log: log(12), bytes: 0 };

/** Alpha has logged one record, written it back, and waits. */
const READY: WorkerState = {
  ...IDLE_WORKER,
  role: "log",
  logSequence: 1,
  durableBytes: 4180,
  writtenBackSequence: 1,
  writtenBackBytes: 4180,
  deviceOn: 1,
  deviceBytes: MIB,
  bypass: 1,
  openCount: 1,
  logErrno: ENOSPC,
};

const V1 = versionText({ log: log(1), bytes: 4180 }, undefined);
const ANCHOR = anchorText(log(11));
const V12 = versionText({ log: log(12), bytes: 0 }, ANCHOR);
const POSITION_1 = "log-000000001-alpha,4180,0";
const POSITION_12 = "log-000000012-alpha,0,0";

/** Links after alpha has moved behind the hole. */
const BEHIND_HOLE = {
  "replay-alpha": POSITION_12,
  "version-000000011-alpha": ANCHOR,
  "version-000000012-alpha": V12,
};

function log(sequence: number, host = "alpha"): LogName {
  return { sequence, host };
}

function viewOf(host: string, links: Record<string, string>): ResourceView {
  const all: Record<string, string> = {
    size: String(MIB),
    primary: "alpha",
    "replay-alpha": POSITION_1,
    "replay-beta": POSITION_1,
    "version-000000001-alpha": V1,
    "version-000000001-beta": V1,
  };
  for (const member of ["alpha", "beta"]) {
    all[`data-${member}`] = `/dev/${member}`;
    all[`device-${member}`] = "r";
    all[`syncstatus-${member}`] = String(MIB);
    for (const name of ["attach", "connect", "sync", "allow-replay"]) {
      all[`todo-${member}/${name}`] = "1";
    }
  }
  const snapshot = snapshotOfR({ ...all, ...links });
  return resourceView(snapshot, "r", host);
}

function planOf(
  links: Record<string, string>,
  facts: Partial<PlanFacts>,
  host = "alpha",
): Plan {
  return plan(viewOf(host, links), {
    ...IDLE_FACTS,
    logs: [HELD],
    worker: READY,
    ...facts,
  });
}

function published(next: Plan): string[] {
  return next.publish.map(({ path, value }) =>
    `${path.replace("resource-r/", "")} ${value}`
  );
}

Deno.test("plan() lets a worker prepare when there is no room", () => {
  const worker = { ...READY, bypass: 0, logErrno: 0 };
  const next = planOf({}, { worker, emergencyLevel: 4 });
  assertEquals([next.role, next.bypass, next.log], ["log", "prepare", log(1)]);
  assertEquals(next.logFiles, []);
  const early = planOf({}, { worker, emergencyLevel: 3 });
  assertEquals([early.role, early.bypass], ["log", "off"]);
});

Deno.test("plan() makes no hole before everything is written back", () => {
  const worker = { ...READY, bypass: 0, writtenBackBytes: 0 };
  const next = planOf({}, { worker });
  assertEquals(next.logFiles, []);
  assertEquals(next.log, log(1));
  assertEquals(next.obstacles[0]?.key, "err-emergency");
});

Deno.test("plan() jumps over no numbers that nobody can have written", () => {
  const garbage = versionText(
    { log: log(999_999_999_999_999, "beta"), bytes: 0 },
    undefined,
  );
  const next = planOf(
    {
      "version-999999999999999-beta": garbage,
      "version-000000005-beta": versionText(
        { log: log(5, "beta"), bytes: 0 },
        undefined,
      ),
    },
    {
      emergencyLevel: 4,
      logs: [HELD, { log: log(888_888_888_888_888, "beta"), bytes: 10 }],
    },
  );
  assertEquals(next.logFiles, [{ kind: "create", log: log(16) }]);
});

Deno.test("plan() moves the replay link behind a hole before anything else", () => {
  const next = planOf({}, { emergencyLevel: 4 });
  assertEquals([next.bypass, next.log], ["prepare", log(1)]);
  assertEquals(next.logFiles, [{ kind: "create", log: log(12) }]);
  assertEquals(published(next), [
    `replay-alpha ${POSITION_12}`,
    `version-000000011-alpha ${ANCHOR}`,
    `version-000000012-alpha ${V12}`,
    `version-000000001-alpha ${V1}`,
  ]);
});

Deno.test("plan() serves without a log once the replay link is behind a hole", () => {
  // The file system is so full that nothing else could be made.
  const next = planOf({ "replay-alpha": POSITION_12 }, { emergencyLevel: 4 });
  assertEquals([next.role, next.bypass, next.log], ["log", "serve", log(1)]);
  assertEquals(next.logFiles, [{ kind: "create", log: log(12) }]);
  assertEquals(published(next).sort(), [
    `replay-alpha ${POSITION_12}`,
    `version-000000001-alpha ${V1}`,
    `version-000000011-alpha ${ANCHOR}`,
    `version-000000012-alpha ${V12}`,
  ]);
});

Deno.test("plan() resumes behind the hole when there is room again", () => {
  const worker = { ...READY, bypass: 2 };
  const logs = [HELD, BEHIND];
  const held = planOf(BEHIND_HOLE, { worker, logs, emergencyLevel: 1 });
  assertEquals([held.bypass, held.log], ["serve", log(1)]);
  const resumed = planOf(BEHIND_HOLE, { worker, logs });
  assertEquals([resumed.bypass, resumed.log], ["off", log(12)]);
  assertEquals(resumed.obstacles, []);
});

Deno.test("plan() logs behind the hole after a crash without a log", () => {
  const idle: WorkerState = {
    ...READY,
    role: "idle",
    logSequence: 0,
    durableBytes: 0,
    writtenBackSequence: 0,
    writtenBackBytes: 0,
    bypass: 0,
    logErrno: 0,
  };
  const links = { "replay-alpha": POSITION_12 };
  const made = planOf(links, { worker: idle });
  assertEquals([made.role, made.logFiles], [
    "idle",
    [{ kind: "create", log: log(12) }],
  ]);
  const next = planOf(links, { worker: idle, logs: [HELD, BEHIND] });
  assertEquals([next.role, next.log, next.bypass], ["log", log(12), "off"]);
});

Deno.test("plan() lets clients of an unwanted primary finish", () => {
  const away = planOf({ primary: "beta" }, {});
  assertEquals([away.role, away.bypass], ["idle", "prepare"]);
  assertEquals(published(away)[0], `replay-alpha ${POSITION_12}`);
  const links = { ...BEHIND_HOLE, primary: "beta" };
  const serving = planOf(links, { logs: [HELD, BEHIND] });
  assertEquals([serving.role, serving.bypass], ["idle", "serve"]);
  const detached = planOf(
    { ...BEHIND_HOLE, "todo-alpha/attach": "0" },
    { logs: [HELD, BEHIND] },
  );
  assertEquals([detached.role, detached.bypass], ["idle", "serve"]);
});

Deno.test("plan() ends a secondary before the hole", () => {
  const worker: WorkerState = {
    ...READY,
    role: "replay",
    bypass: 0,
    logErrno: 0,
    replayStatus: 1,
  };
  const facts = { worker, logs: [HELD] };
  const next = planOf(BEHIND_HOLE, facts, "beta");
  assertEquals([next.role, next.log], ["replay", log(1)]);
  assertEquals(next.obstacles[0]?.key, "wrn-log-consecutive");
  assertStringIncludes(next.obstacles[0]?.text ?? "", "invalidate");
  const leading = planOf({ ...BEHIND_HOLE, primary: "beta" }, facts, "beta");
  assertEquals(leading.logFiles, [], "nothing is passed in silence");
  const early = planOf({}, facts, "beta");
  assertEquals(early.obstacles, []);
});

Deno.test("plan() does not go on with a copy across a hole", () => {
  const facts = { worker: { ...READY, role: "idle" as const, bypass: 0 } };
  const partial = {
    "syncstatus-beta": "4096",
    "syncfrom-beta": "alpha",
    "actual-alpha/is-primary": "1",
  };
  const copying = planOf(partial, facts, "beta");
  assertEquals(copying.sync?.startBytes, 4096);
  const cut = planOf({ ...BEHIND_HOLE, ...partial }, facts, "beta");
  assertEquals(cut.sync, undefined);
  assertStringIncludes(cut.obstacles[0]?.text ?? "", "invalidate");
});

Deno.test("nextLog() knows that a hole is no end", () => {
  const reached = { log: log(1), bytes: 4180 };
  assertEquals(nextLog(viewOf("beta", {}), reached).kind, "none");
  assertEquals(nextLog(viewOf("beta", BEHIND_HOLE), reached).kind, "hole");
});

Deno.test("findSplits() takes no copy from behind the hole for a side of its own", () => {
  const before = versionText({ log: log(1), bytes: 2090 }, undefined);
  const copied = {
    ...BEHIND_HOLE,
    "data-gamma": "/dev/gamma",
    "replay-gamma": POSITION_12,
    "version-000000012-gamma": V12,
    // What it was before it copied anew.
    "version-000000001-gamma": before,
  };
  assertEquals(findSplits(viewOf("beta", copied)), []);
});

Deno.test("findSplits() sees a split only if somebody passed the hole's begin", () => {
  assertEquals(findSplits(viewOf("beta", BEHIND_HOLE)), []);
  const forced = {
    ...BEHIND_HOLE,
    "replay-beta": "log-000000002-beta,100,0",
    "version-000000002-beta": versionText(
      { log: log(2, "beta"), bytes: 100 },
      V1,
    ),
  };
  const [split] = findSplits(viewOf("beta", forced));
  assertEquals(split?.hosts, ["alpha", "beta"]);
  assertEquals(split?.ancestor, { log: log(1), bytes: 4180 });
});
