/** Which condition names a state first; whole lines: `texts_default_test.ts`. */
import { assertEquals } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";

const MIB = 2 ** 20;
const LOGS = [{ log: { sequence: 1, host: "beta" }, bytes: 100 }];

/** A secondary that is attached and level with its primary beta. */
const LINKS: Record<string, string> = {
  size: String(MIB),
  primary: "beta",
  "data-alpha": "/dev/a",
  "data-beta": "/dev/b",
  "syncstatus-alpha": String(MIB),
  "replay-alpha": "log-000000001-beta,100,0",
  "todo-alpha/attach": "1",
  "todo-alpha/connect": "1",
  "todo-alpha/sync": "1",
  "todo-alpha/allow-replay": "1",
  "actual-alpha/is-attached": "1",
};

type Facts = Partial<
  Pick<MacroWorld, "isDiskThere" | "logs" | "isDaemonRunning">
>;

const TIMES = {
  "actual-alpha/time": "1.000000000",
  "actual-beta/time": "1.000000000",
};

function worldOf(
  links: Record<string, string>,
  facts: Facts = {},
  ageS = 0n,
): MacroWorld {
  const world = new MacroWorld({
    ...Object.fromEntries(
      Object.entries(TIMES).map(([path, value]) => [path, [value, ageS]]),
    ),
    ...Object.fromEntries(
      Object.entries({ ...LINKS, ...links }).map(([name, value]) => [
        `resource-r/${name}`,
        value,
      ]),
    ),
  });
  world.host = "alpha";
  world.logs = LOGS;
  return Object.assign(world, facts);
}

function states(
  links: Record<string, string>,
  facts: Facts = {},
  ageS = 0n,
): string {
  return evaluate(
    "%diskstate{} %replstate{} %flags{} %role{}",
    worldOf(links, facts, ageS),
    { res: "r" },
  );
}

const CASES: readonly (readonly [
  expected: string,
  links: Record<string, string>,
  facts?: Facts,
  ageS?: bigint,
])[] = [
  ["UpToDate Replaying dCASFR Secondary", {}],
  [
    "DISK_ERROR=-5[EIO:Input/output_error] UpToDate Replaying dCASFR Secondary",
    { "actual-alpha/disk-error": "-5" },
  ],
  ["NotPresent Replaying -CASFR Secondary", {}, { isDiskThere: false }],
  ["Detaching NotStarted dCaSFR Secondary", { "todo-alpha/attach": "0" }],
  [
    "IncompleteLog[-85=ERESTART:Incomplete_log] Replaying dCASFR Secondary",
    { "actual-alpha/replay-code": "-85,-10101,0x00" },
  ],
  [
    "UnInitializedLogRecord[-56=EBADRQC:Uninitialized_log_record] Replaying dCASFR Secondary",
    { "actual-alpha/replay-code": "-56" },
  ],
  [
    "DefectiveLog[-74=EBADMSG:Bad_message] Replaying dCASFR Secondary",
    { "actual-alpha/replay-code": "-74" },
  ],
  ["Orphan Orphan dCASFR Secondary", {}, { logs: [] }],
  [
    "Recovery[40 B] NotYetPrimary dCASFr NotYetPrimary",
    { primary: "alpha", "replay-alpha": "log-000000001-beta,60,40" },
  ],
  [
    "InConsistent Replaying dcASFr Secondary",
    {
      "replay-alpha": "log-000000001-beta,60,40",
      "syncpos-alpha": "log-000000001-beta,50,20",
    },
  ],
  ["UpToDate PausedFetch dCASFR Secondary", { "todo-alpha/connect": "0" }],
  [
    "OutDated[R] PausedReplay dCASF- Secondary",
    {
      "todo-alpha/allow-replay": "0",
      "replay-alpha": "log-000000001-beta,60,40",
    },
  ],
  [
    "EmergencyMode Replaying dCASFR Secondary",
    { "actual-beta/has-emergency": "1" },
  ],
  [
    "OutDated[F] Replaying dCASfR Secondary",
    { "version-000000011-beta": `${"0".repeat(32)},log-000000011-beta,0:` },
  ],
  ["UpToDate UnResponsive dCASFR Secondary", {}, {}, 61n],
  [
    "UpToDate NoPrimaryDesignated dCASFR RemainsPrimary",
    { primary: "(none)", "actual-alpha/is-primary": "1" },
  ],
];

for (const [expected, links, facts, ageS] of CASES) {
  Deno.test(`A host says ${expected}`, () => {
    assertEquals(states(links, facts, ageS), expected);
  });
}

/** The words of DRBD, and of the short view. */
function words(links: Record<string, string>, ageS = 0n): string {
  const text = "%cstate{} %dstate{} %state{} %diskstate-1and1{} " +
    "%replstate-1and1{} %flags-1and1{} %role-1and1{} %primarynode-1and1{}";
  return evaluate(text, worldOf(links, {}, ageS), { res: "r" });
}

/** Beta as a complete member. */
const BETA: Record<string, string> = {
  ...Object.fromEntries(
    Object.entries(LINKS).filter(([name]) => name.includes("alpha"))
      .map(([name, value]) => [name.replace("alpha", "beta"), value]),
  ),
  "actual-beta/is-primary": "1",
  [`version-000000001-beta`]: `${"0".repeat(32)},log-000000001-beta,100:`,
};

const DRBD_CASES:
  readonly (readonly [string, Record<string, string>, bigint?])[] = [
    [
      "Connected UpToDate/UpToDate Secondary/Primary Uptodate Replaying -SFR-- Secondary beta",
      {},
    ],
    [
      "SyncTarget Inconsistent/UpToDate Secondary/Primary Inconsistent Syncing -SFR-- Secondary beta",
      { "syncstatus-alpha": "0" },
    ],
    [
      "PausedSyncT Inconsistent/UpToDate Secondary/Primary Inconsistent PausedSync --FR-- Secondary beta",
      { "syncstatus-alpha": "0", "todo-alpha/sync": "0" },
    ],
    [
      "StandAlone Outdated/UpToDate Secondary/Primary Outdated[FR] PausedReplay -S-R-- Secondary beta",
      {
        "todo-alpha/connect": "0",
        "replay-alpha": "log-000000001-beta,50,0",
        [`version-000000002-beta`]: `${"0".repeat(32)},log-000000002-beta,7:` +
          `${"0".repeat(32)},log-000000001-beta,100`,
      },
    ],
    [
      "WFConnection DUnknown/DUnknown Secondary/Primary Uptodate PrimaryUnreachable -SFR-- Secondary beta",
      {},
      61n,
    ],
  ];

for (const [expected, links, ageS] of DRBD_CASES) {
  Deno.test(`Other words: ${expected}`, () => {
    assertEquals(words({ ...BETA, ...links }, ageS), expected);
  });
}

Deno.test("status shows this host and its peers", () => {
  const world = worldOf({ ...BETA, "syncstatus-alpha": "524288" });
  assertEquals(evaluate("%status{}", world, { res: "r" }).split("\n"), [
    "r role:Secondary",
    "  disk:Inconsistent",
    "  beta role:Primary",
    "    peer-disk:UpToDate",
    "",
  ]);
});
