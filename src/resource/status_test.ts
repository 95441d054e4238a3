/** Which condition names a state first; whole lines: `cli/view_text_test.ts`. */
import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { amountsOf } from "./amounts.ts";
import { diskText, type StatusFacts, statusOf } from "./status.ts";
import { resourceView } from "./view.ts";

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

function states(
  links: Record<string, string>,
  facts: Partial<StatusFacts> = {},
): string {
  const snapshot = new Snapshot(
    Object.entries({ ...LINKS, ...links }).map(([name, value]) => ({
      path: `resource-r/${name}`,
      value,
      stampNs: 1n,
    })),
  );
  const view = resourceView(snapshot, "r", "alpha");
  const logs = facts.logs ?? LOGS;
  const status = statusOf(view, {
    amounts: amountsOf(view, logs),
    logs,
    isDaemonRunning: true,
    isDiskPresent: true,
    isRecent: () => true,
    ...facts,
  });
  const { disk, replication, flags, role } = status;
  return `${diskText(disk)} ${replication} ${flags} ${role}`;
}

const CASES: readonly (readonly [
  expected: string,
  links: Record<string, string>,
  facts?: Partial<StatusFacts>,
])[] = [
  ["UpToDate Replaying dCASFR Secondary", {}],
  [
    "DISK_ERROR=-5[EIO:Input/output_error] UpToDate Replaying dCASFR Secondary",
    { "actual-alpha/disk-error": "-5" },
  ],
  ["NotPresent Replaying -CASFR Secondary", {}, { isDiskPresent: false }],
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
  ["UpToDate UnResponsive dCASFR Secondary", {}, { isRecent: () => false }],
  [
    "UpToDate NoPrimaryDesignated dCASFR RemainsPrimary",
    { primary: "(none)", "actual-alpha/is-primary": "1" },
  ],
];

for (const [expected, links, facts] of CASES) {
  Deno.test(`statusOf() says ${expected}`, () => {
    assertEquals(states(links, facts), expected);
  });
}
