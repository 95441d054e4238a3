/** Each row of the decision table in `plan.ts`. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { IDLE_FACTS, IDLE_WORKER } from "../../tests/support/idle.ts";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { versionText } from "./history.ts";
import { plan } from "./plan.ts";
import { type Plan, type PlanFacts, type WorkerState } from "./plan_types.ts";
import { resourceView } from "./view.ts";

const MIB = 1 << 20;
const log = (sequence: number, host: string) => ({ sequence, host });
const V1 = versionText({ log: log(1, "alpha"), bytes: 4180 }, undefined);
const V1_EMPTY = versionText({ log: log(1, "alpha"), bytes: 0 }, undefined);

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

function planOf(
  host: string,
  links: Record<string, string>,
  facts: Partial<PlanFacts>,
): Plan {
  const all = { ...CLUSTER, ...links };
  const snapshot = snapshotOfR(all);
  return plan(resourceView(snapshot, "r", host), {
    ...IDLE_FACTS,
    ...facts,
  });
}

function published(next: Plan, name: string): string | undefined {
  return next.publish.find((link) => link.path === `resource-r/${name}`)
    ?.value;
}

const texts = (next: Plan): string =>
  next.obstacles.map((obstacle) => obstacle.text).join("; ");

Deno.test("plan() leaves a resource without own device link alone", () => {
  const next = planOf("alpha", { "device-alpha": ".deleted" }, {});
  assertEquals([next.role, next.publish.length], ["detached", 0]);
});

Deno.test("plan() tells no position of a disk that was let go", () => {
  const links = {
    "replay-alpha": "log-000000001-alpha,0,0",
    "todo-alpha/attach": "0",
  };
  const leaving = planOf("alpha", links, {});
  assertEquals([leaving.role, leaving.publish.length], ["detached", 2]);
  // The command line may be giving up the copy: nothing old comes back.
  const left = planOf("alpha", links, { worker: undefined });
  assertEquals([left.role, left.publish.length], ["detached", 0]);
});

Deno.test("plan() tells of a disk that was let go what its logs still hold", () => {
  const links = {
    "replay-alpha": "log-000000002-alpha,100,20",
    "todo-alpha/attach": "0",
  };
  const logs = [
    { log: log(2, "alpha"), bytes: 400 },
    { log: log(3, "alpha"), bytes: 50 },
    { log: log(3, "beta"), bytes: 77 },
  ];
  const left = planOf("alpha", links, { worker: undefined, logs });
  assertEquals(left.publish, [
    {
      path: "resource-r/replay-alpha",
      value: "log-000000002-alpha,100,350",
    },
  ]);
  const told = { ...links, "replay-alpha": "log-000000002-alpha,100,350" };
  const again = planOf("alpha", told, { worker: undefined, logs });
  assertEquals(again.publish, []);
  // What others have written is theirs to tell.
  const foreign = { ...links, "replay-alpha": "log-000000003-beta,0,0" };
  const other = planOf("alpha", foreign, { worker: undefined, logs });
  assertEquals(other.publish, []);
});

Deno.test("plan() leads without the log of its position only if it is forced", () => {
  const links = {
    primary: "beta",
    "replay-beta": "log-000000004-alpha,100,0",
  };
  const waits = planOf("beta", links, {});
  assertEquals([waits.role, waits.logFiles.length], ["idle", 0]);
  assertStringIncludes(texts(waits), 'Log 4 of "alpha" is not here');
  const forced = { ...links, "todo-beta/connect": "0" };
  const begins = planOf("beta", forced, {});
  assertEquals(begins.logFiles, [{ kind: "create", log: log(5, "beta") }]);
  const logs = [{ log: log(5, "beta"), bytes: 0 }];
  const goes = planOf("beta", forced, { logs });
  assertEquals(published(goes, "replay-beta"), "log-000000005-beta,0,0");
  // Peers may know better, for a moment.
  assertEquals(planOf("beta", forced, { mayLead: false }).logFiles, []);
});

Deno.test("plan() logs into an empty own log", () => {
  const next = planOf(
    "alpha",
    { "replay-alpha": "log-000000001-alpha,0,0" },
    { logs: [{ log: log(1, "alpha"), bytes: 0 }] },
  );
  assertEquals([next.role, next.log], ["log", log(1, "alpha")]);
  assertEquals(published(next, "version-000000001-alpha"), V1_EMPTY);
});

Deno.test("plan() creates the first log of a designated primary", () => {
  const next = planOf(
    "alpha",
    { "replay-alpha": "log-000000001-alpha,0,0" },
    {},
  );
  assertEquals(next.logFiles, [{ kind: "create", log: log(1, "alpha") }]);
});

Deno.test("plan() waits with a role until peers were heard", () => {
  const next = planOf(
    "alpha",
    { "replay-alpha": "log-000000001-alpha,0,0" },
    { logs: [{ log: log(1, "alpha"), bytes: 0 }], mayLead: false },
  );
  assertEquals(next.role, "idle");
});

Deno.test("plan() publishes positions of the log it writes", () => {
  const worker: WorkerState = {
    ...IDLE_WORKER,
    role: "log",
    logSequence: 1,
    durableBytes: 4180,
    writtenBackSequence: 1,
    writtenBackBytes: 1000,
  };
  const next = planOf(
    "alpha",
    { "replay-alpha": "log-000000001-alpha,0,0" },
    { logs: [{ log: log(1, "alpha"), bytes: 4180 }], worker },
  );
  assertEquals(next.role, "log");
  assertEquals(published(next, "version-000000001-alpha"), V1);
  assertEquals(
    published(next, "replay-alpha"),
    "log-000000001-alpha,1000,3180",
  );
});

Deno.test("plan() tells the end of a log left since the last look", () => {
  // The link of log 1 says 1000 bytes; then 3180 more came, log 2 was begun,
  // and log 1 was written back, all at once.
  const worker: WorkerState = {
    ...IDLE_WORKER,
    role: "log",
    logSequence: 2,
    durableBytes: 700,
    writtenBackSequence: 2,
    writtenBackBytes: 300,
  };
  const next = planOf(
    "alpha",
    {
      "replay-alpha": "log-000000001-alpha,1000,0",
      "version-000000001-alpha": versionText(
        { log: log(1, "alpha"), bytes: 1000 },
        undefined,
      ),
    },
    {
      logs: [
        { log: log(1, "alpha"), bytes: 4180 },
        { log: log(2, "alpha"), bytes: 700 },
      ],
      worker,
    },
  );
  assertEquals(published(next, "version-000000001-alpha"), V1);
  assertEquals(
    published(next, "version-000000002-alpha"),
    versionText({ log: log(2, "alpha"), bytes: 700 }, V1),
  );
  assertEquals(published(next, "replay-alpha"), "log-000000002-alpha,300,400");
});

Deno.test("plan() tells the whole of a log left but not written back", () => {
  const worker: WorkerState = {
    ...IDLE_WORKER,
    role: "log",
    logSequence: 2,
    durableBytes: 700,
    writtenBackSequence: 1,
    writtenBackBytes: 2000,
  };
  const promised = versionText(
    { log: log(1, "alpha"), bytes: 3000 },
    undefined,
  );
  const next = planOf(
    "alpha",
    {
      "replay-alpha": "log-000000001-alpha,1000,2000",
      "version-000000001-alpha": promised,
    },
    {
      logs: [
        { log: log(1, "alpha"), bytes: 4180 },
        { log: log(2, "alpha"), bytes: 700 },
      ],
      worker,
    },
  );
  assertEquals(published(next, "version-000000001-alpha"), V1);
  assertEquals(
    published(next, "version-000000002-alpha"),
    versionText({ log: log(2, "alpha"), bytes: 700 }, V1),
  );
});

Deno.test("plan() rotates into an empty next log, one at a time", () => {
  const worker: WorkerState = {
    ...IDLE_WORKER,
    role: "log",
    logSequence: 1,
    durableBytes: 4180,
    writtenBackSequence: 1,
  };
  const logs = [
    { log: log(1, "alpha"), bytes: 4180 },
    { log: log(2, "alpha"), bytes: 0 },
  ];
  const links = { "replay-alpha": "log-000000001-alpha,0,0" };
  assertEquals(
    planOf("alpha", links, { logs, worker }).log,
    log(2, "alpha"),
  );
  const rotated = planOf("alpha", links, {
    logs: [...logs, { log: log(3, "alpha"), bytes: 0 }],
    worker: { ...worker, logSequence: 2, durableBytes: 0 },
  });
  assertEquals(rotated.log, log(2, "alpha"));
  assertEquals(published(rotated, "version-000000001-alpha"), V1);
  assertEquals(
    published(rotated, "version-000000002-alpha"),
    versionText({ log: log(2, "alpha"), bytes: 0 }, V1),
  );
  assertEquals(
    published(rotated, "replay-alpha"),
    "log-000000001-alpha,0,4180",
  );
});

Deno.test("plan() leaves the role when another host is designated", () => {
  const worker: WorkerState = { ...IDLE_WORKER, role: "log", logSequence: 1 };
  const links = {
    primary: "(none)",
    "replay-alpha": "log-000000001-alpha,0,0",
  };
  const facts = { logs: [{ log: log(1, "alpha"), bytes: 0 }] };
  assertEquals(planOf("alpha", links, { ...facts, worker }).role, "idle");
  const busy = planOf("alpha", links, {
    ...facts,
    worker: { ...worker, openCount: 1 },
  });
  assertStringIncludes(texts(busy), "Remains primary");
});

Deno.test("plan() recovers an own log, then begins the next one", () => {
  const links = {
    "replay-alpha": "log-000000001-alpha,0,0",
    "version-000000001-alpha": V1,
  };
  const logs = [{ log: log(1, "alpha"), bytes: 4180 }];
  const recovery = planOf("alpha", links, { logs });
  assertEquals(
    [recovery.role, recovery.startBytes, recovery.logEndBytes],
    ["replay", 0, 4180],
  );
  const done: WorkerState = {
    ...IDLE_WORKER,
    role: "replay",
    logSequence: 1,
    writtenBackSequence: 1,
    writtenBackBytes: 4180,
    replayStatus: 1,
  };
  const begun = planOf("alpha", links, { logs, worker: done });
  assertEquals(begun.logFiles, [{ kind: "create", log: log(2, "alpha") }]);
  const moved = planOf("alpha", links, {
    logs: [...logs, { log: log(2, "alpha"), bytes: 0 }],
    worker: done,
  });
  assertEquals(published(moved, "replay-alpha"), "log-000000002-alpha,0,0");
  assertEquals(
    published(moved, "version-000000002-alpha"),
    versionText({ log: log(2, "alpha"), bytes: 0 }, V1),
  );
});

const STOPPED: WorkerState = {
  ...IDLE_WORKER,
  role: "replay",
  logSequence: 1,
  writtenBackSequence: 1,
  writtenBackBytes: 4180,
  replayStatus: -74,
  replayDetail: -10013,
};

Deno.test("plan() cuts what a crash left behind the promised end", () => {
  const next = planOf(
    "alpha",
    {
      "replay-alpha": "log-000000001-alpha,0,0",
      "version-000000001-alpha": V1,
    },
    { logs: [{ log: log(1, "alpha"), bytes: 5000 }], worker: STOPPED },
  );
  assertEquals(next.logFiles, [
    { kind: "truncate", log: log(1, "alpha"), bytes: 4180 },
  ]);
  assertEquals(next.obstacles, []);
});

Deno.test("plan() never cuts promised bytes of an own log by itself", () => {
  const links = {
    "replay-alpha": "log-000000001-alpha,0,0",
    "version-000000001-alpha": versionText(
      { log: log(1, "alpha"), bytes: 8360 },
      undefined,
    ),
  };
  const logs = [{ log: log(1, "alpha"), bytes: 8360 }];
  const next = planOf("alpha", links, { logs, worker: STOPPED });
  assertEquals(next.logFiles, []);
  assertStringIncludes(texts(next), "damaged at 4180");
  const forced = planOf("alpha", { ...links, "todo-alpha/connect": "0" }, {
    logs,
    worker: STOPPED,
  });
  assertEquals(forced.logFiles.length, 1);
});

Deno.test("plan() cuts a damaged foreign log to fetch it again", () => {
  const next = planOf(
    "beta",
    {
      "replay-beta": "log-000000001-alpha,0,0",
      "version-000000001-beta": V1,
    },
    { logs: [{ log: log(1, "alpha"), bytes: 9000 }], worker: STOPPED },
  );
  assertEquals(next.logFiles, [
    { kind: "truncate", log: log(1, "alpha"), bytes: 4180 },
  ]);
  assertEquals(next.role, "idle");
});

Deno.test("plan() has damaged records mended by members who have them", () => {
  const whole = versionText({ log: log(1, "alpha"), bytes: 9000 }, undefined);
  const foreign = planOf("beta", {
    "replay-beta": "log-000000001-alpha,0,0",
    "version-000000001-alpha": whole,
  }, { logs: [{ log: log(1, "alpha"), bytes: 9000 }], worker: STOPPED });
  assertEquals(foreign.repair, {
    log: log(1, "alpha"),
    offsetBytes: 4180,
    sources: ["alpha"],
  });
  // The worker must go on saying what is damaged.
  assertEquals([foreign.role, foreign.logFiles.length], ["replay", 0]);
  assertStringIncludes(texts(foreign), "damaged at 4180");
  // Its own log, as it was fetched by others.
  const own = planOf("alpha", {
    "replay-alpha": "log-000000001-alpha,0,0",
    "version-000000001-alpha": whole,
    "version-000000001-beta": whole,
  }, { logs: [{ log: log(1, "alpha"), bytes: 9000 }], worker: STOPPED });
  assertEquals(own.repair?.sources, ["beta"]);
  assertEquals(own.logFiles, []);
});

Deno.test("plan() fetches back what its own log has lost", () => {
  const whole = versionText({ log: log(1, "alpha"), bytes: 9000 }, undefined);
  const links = {
    "replay-alpha": "log-000000001-alpha,4180,0",
    "version-000000001-alpha": whole,
    "version-000000001-beta": whole,
  };
  for (const logs of [[], [{ log: log(1, "alpha"), bytes: 4180 }]]) {
    const next = planOf("alpha", links, { logs, mayLead: true });
    assertEquals(next.fetch?.sources, ["beta"]);
    assertEquals(next.logFiles, [], "no new log hides the loss");
    assertEquals(next.role === "log", false);
  }
});

Deno.test("plan() does not begin an own log anew that had something in it", () => {
  const links = {
    "replay-alpha": "log-000000001-alpha,0,0",
    "version-000000001-alpha": V1,
  };
  const next = planOf("alpha", links, { logs: [], mayLead: true });
  assertEquals(next.logFiles, []);
  assertStringIncludes(texts(next), "is not here");
});

Deno.test("plan() waits for the rest of a foreign record", () => {
  const next = planOf(
    "beta",
    { "replay-beta": "log-000000001-alpha,0,0" },
    {
      logs: [{ log: log(1, "alpha"), bytes: 5000 }],
      worker: { ...STOPPED, replayStatus: 2 },
    },
  );
  assertEquals([next.role, next.logFiles.length], ["replay", 0]);
});

Deno.test("plan() copies the disk before it replays", () => {
  const links = {
    "actual-alpha/is-primary": "1",
    "syncstatus-beta": "0",
    "syncfrom-beta": "alpha",
    "replay-alpha": "log-000000001-alpha,4180,0",
    "replay-beta": "log-000000001-alpha,0,0",
  };
  const next = planOf("beta", links, {
    logs: [{ log: log(1, "alpha"), bytes: 4180 }],
  });
  assertEquals(next.role, "idle");
  assertEquals(next.sync, {
    source: "alpha",
    startBytes: 0,
    sizeBytes: MIB,
    ranges: undefined,
  });
  assertEquals(next.fetch?.sources, ["alpha"]);
});

Deno.test("plan() does not copy older blocks over newer ones", () => {
  const next = planOf("beta", {
    "syncstatus-beta": "0",
    "replay-alpha": "log-000000001-alpha,4180,0",
    "replay-beta": "log-000000001-alpha,8360,0",
  }, { logs: [{ log: log(1, "alpha"), bytes: 8360 }] });
  assertEquals(next.sync, undefined);
});

Deno.test("plan() follows a planned handover to the next log", () => {
  const successor = versionText({ log: log(2, "beta"), bytes: 0 }, V1);
  const next = planOf("alpha", {
    primary: "beta",
    "replay-alpha": "log-000000001-alpha,4180,0",
    "version-000000001-alpha": V1,
    "version-000000002-beta": successor,
  }, { logs: [{ log: log(1, "alpha"), bytes: 4180 }] });
  assertEquals(published(next, "replay-alpha"), "log-000000002-beta,0,0");
  assertEquals(published(next, "version-000000002-alpha"), successor);
  assertEquals(next.fetch, { log: log(2, "beta"), sources: ["beta"] });
});

const SPLIT = {
  primary: "beta",
  "replay-beta": "log-000000001-alpha,4180,0",
  "version-000000001-alpha": versionText(
    { log: log(1, "alpha"), bytes: 8360 },
    undefined,
  ),
  "version-000000001-beta": V1,
};

Deno.test("plan() does not lead with an incomplete history", () => {
  const logs = [{ log: log(1, "alpha"), bytes: 4180 }];
  const next = planOf("beta", SPLIT, { logs });
  assertEquals([next.role, next.logFiles.length], ["idle", 0]);
  assertStringIncludes(texts(next), "have 4180 of 8360");
  const forced = planOf("beta", { ...SPLIT, "todo-beta/connect": "0" }, {
    logs,
  });
  assertEquals(forced.logFiles, [{ kind: "create", log: log(2, "beta") }]);
});

Deno.test("plan() stops a secondary at a split brain", () => {
  const links = {
    ...SPLIT,
    "replay-alpha": "log-000000001-alpha,8360,0",
    "version-000000002-beta": versionText(
      { log: log(2, "beta"), bytes: 0 },
      V1,
    ),
  };
  const next = planOf("alpha", links, {
    logs: [{ log: log(1, "alpha"), bytes: 8360 }],
  });
  assertEquals(next.role, "replay");
  assert(next.obstacles[0]?.key === "err-splitbrain-detected");
});

Deno.test("plan() lets a primary in split brain go on after a crash", () => {
  const links = {
    "replay-alpha": "log-000000002-alpha,4180,0",
    "version-000000002-alpha": versionText(
      { log: log(2, "alpha"), bytes: 4180 },
      V1,
    ),
    "version-000000003-beta": versionText(
      { log: log(3, "beta"), bytes: 0 },
      V1,
    ),
  };
  const next = planOf("alpha", links, {
    logs: [{ log: log(2, "alpha"), bytes: 4180 }],
  });
  assertEquals(next.logFiles, [{ kind: "create", log: log(3, "alpha") }]);
});

Deno.test("plan() does not promise the tail of a crashed own log", () => {
  const links = {
    "replay-alpha": "log-000000001-alpha,0,0",
    "version-000000001-alpha": V1,
  };
  const logs = [{ log: log(1, "alpha"), bytes: 5000 }];
  const next = planOf("alpha", links, { logs });
  assertEquals(published(next, "version-000000001-alpha"), V1);
  assertEquals(next.logEndBytes, 5000);
});
