/** The example lines of the original's `view`, literally. */
import { assertEquals } from "@std/assert";
import { versionText } from "../resource/history.ts";
import type { LocalLog } from "../resource/plan_types.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { formatStamp } from "../tree/values.ts";
import { type Report, type ReportFacts, reportOf } from "./report.ts";
import {
  headerLine,
  obstacleLines,
  resourceLines,
  splitLines,
  type TextOptions,
} from "./view_text.ts";

const MIB = 2 ** 20;
const S = 1_000_000_000n;
const NOW_NS = 1_800_000_000n * S;
const OPTIONS: TextOptions = {
  verbose: false,
  windowMs: 60_000,
  paint: (word) => word,
  formatTime: () => "2026-11-22 12:49:30",
};

/** A value, or a value and its age in seconds. */
type Links = Record<string, string | readonly [value: string, ageS: bigint]>;

const log = (sequence: number, host: string) => ({ sequence, host });
const file = (sequence: number, host: string, bytes: number): LocalLog => ({
  log: log(sequence, host),
  bytes,
});
const version = (sequence: number, host: string, bytes: number): string =>
  versionText({ log: log(sequence, host), bytes }, undefined);

/** hosta looks; hostb is primary with 5 MiB in log 2; all is replayed. */
const LINKS: Links = {
  "ips/ip-hosta": "10.0.0.1",
  "ips/ip-hostb": "10.0.0.2",
  "actual-hosta/time": "1.000000000",
  "actual-hostb/time": "1.000000000",
  "resource-res1/size": String(16 * MIB),
  "resource-res1/primary": "hostb",
  ...Object.fromEntries(
    ["hosta", "hostb"].flatMap((host) =>
      [
        [`data-${host}`, "/dev/disk"],
        [`device-${host}`, "res1"],
        [`syncstatus-${host}`, String(16 * MIB)],
        [`replay-${host}`, `log-000000002-hostb,${5 * MIB},0`],
        [`version-000000002-${host}`, version(2, "hostb", 5 * MIB)],
        [`actual-${host}/is-attached`, "1"],
        ...["attach", "connect", "sync", "allow-replay"].map((name) => [
          `todo-${host}/${name}`,
          "1",
        ]),
      ].map(([name, value]) => [`resource-res1/${name}`, value])
    ),
  ),
  "resource-res1/actual-hostb/is-primary": "1",
};

/** The same with hosta as primary, writing to its log 2. */
const AS_PRIMARY: Links = {
  "resource-res1/primary": "hosta",
  "resource-res1/actual-hostb/is-primary": "0",
  "resource-res1/actual-hosta/is-primary": "1",
  "resource-res1/replay-hosta": `log-000000002-hosta,${5 * MIB},0`,
  "resource-res1/replay-hostb": `log-000000002-hosta,${5 * MIB},0`,
  "resource-res1/version-000000002-hosta": version(2, "hosta", 5 * MIB),
  "resource-res1/version-000000002-hostb": version(2, "hosta", 5 * MIB),
};

function report(links: Links, facts: Partial<ReportFacts> = {}): Report {
  const snapshot = new Snapshot(
    Object.entries({ ...LINKS, ...links }).map(([path, link]) => {
      const [value, ageS] = typeof link === "string" ? [link, 0n] : link;
      return { path, value, stampNs: NOW_NS - ageS * S };
    }),
  );
  return reportOf(snapshot, "res1", {
    host: "hosta",
    nowNs: NOW_NS,
    windowMs: 60_000,
    isDaemonRunning: true,
    logs: [file(2, "hostb", 5 * MIB)],
    isDiskPresent: true,
    nbdSocket: undefined,
    ...facts,
  });
}

function lines(links: Links, facts: Partial<ReportFacts> = {}): string[] {
  return resourceLines(report(links, facts), OPTIONS);
}

const OWN_LOG = { logs: [file(2, "hosta", 5 * MIB)] };

Deno.test("resourceLines() of a primary name device and requests", () => {
  const links: Links = {
    ...AS_PRIMARY,
    "resource-res1/primary": "hosta",
    "resource-res1/actual-hosta/if-on": "1",
    "resource-res1/actual-hosta/open-count": "1",
    "resource-res1/actual-hosta/ops-if_rate": "120",
    "resource-res1/actual-hosta/if-flying": "5",
  };
  assertEquals(headerLine(report(links, OWN_LOG)), HEADER);
  assertEquals(lines(links, OWN_LOG), [
    "  LocalDevice /dev/mars/res1 [Opened, 120 IOPS, 5 Flying]",
    "  res1 [2/2] UpToDate Replicating DCASFR Primary hosta",
  ]);
});
const HEADER = "--------- resource res1 16.000 MiB [2/2]";

Deno.test("resourceLines() name the socket of a closed device", () => {
  const links: Links = {
    ...AS_PRIMARY,
    "resource-res1/actual-hosta/if-on": "1",
  };
  const nbdSocket = "/run/mars/nbd/res1.sock";
  assertEquals(lines(links, { ...OWN_LOG, nbdSocket }).slice(0, 2), [
    "  LocalDevice /dev/mars/res1 [Closed]",
    "  NbdSocket /run/mars/nbd/res1.sock",
  ]);
});

Deno.test("resourceLines() of a secondary are one line", () => {
  assertEquals(lines({}), [
    "  res1 [2/2] UpToDate Replaying dCASFR Secondary hostb",
  ]);
});

Deno.test("resourceLines() of a writing primary tell what is dirty", () => {
  assertEquals(
    lines({
      ...AS_PRIMARY,
      "resource-res1/actual-hosta/if-on": "1",
      "resource-res1/replay-hosta": `log-000000002-hosta,${4 * MIB},${MIB}`,
    }, OWN_LOG).slice(1),
    ["  res1 [2/2] WriteBack[1.000 MiB] Replicating DcASFr Primary hosta"],
  );
});

Deno.test("resourceLines() of a lagging secondary tell what is left", () => {
  assertEquals(
    lines({
      "resource-res1/replay-hosta": `log-000000002-hostb,${MIB},${2 * MIB}`,
      "resource-res1/actual-hosta/amount-file_rate": "1024",
      "resource-res1/actual-hosta/amount-replay_rate": "512",
    }, { logs: [file(2, "hostb", 3 * MIB)] }),
    [
      "  res1 [2/2] OutDated[FR] Replaying dCASfr Secondary hostb",
      "     replaying: [===>:::::::........]  20.10%  (1/5)MiB  logs: [2]",
      "       > fetch: 2.000 MiB rate: 1.000 MiB/s remaining: 00:00:02",
      "       > replay: 2.000 MiB rate: 512.000 KiB/s remaining: 00:00:04",
    ],
  );
});

Deno.test("resourceLines() tell age, lag and the logs that are known", () => {
  const [, bar, fetch, replay] = lines({
    "resource-res1/replay-hosta": [`log-000000002-hostb,${5 * MIB},0`, 90n],
    "resource-res1/version-000000004-hostb": version(4, "hostb", MIB),
  }, { logs: [file(2, "hostb", 5 * MIB), file(3, "hostb", MIB)] });
  assertEquals(bar?.split("  ").at(-1), "logs: [2::3..4]");
  assertEquals(fetch?.split("remaining: ")[1], "--:--:--");
  assertEquals(
    replay?.split("remaining: ")[1],
    "--:--:-- age: 00:01:30 lag: 00:01:30",
  );
});

const SYNCING: Links = {
  "resource-res1/syncstatus-hosta": String(8 * MIB),
  "resource-res1/actual-hosta/amount-sync_rate": "4096",
};

Deno.test("resourceLines() of a copy tell how far it is", () => {
  assertEquals(lines(SYNCING), [
    "  res1 [2/2] InConsistent Syncing dcAsFR Secondary hostb",
    "     syncing: [=========>..........]  50.25%  (8/16)MiB  rate: 4.00 MiB/sec  remaining: 00:00:02 hrs",
    "       > sync: 8.000/16.000 MiB rate: 4.000 MiB/sec  remaining: 00:00:02 hrs",
  ]);
});

Deno.test("resourceLines() of a paused copy keep the lines on it", () => {
  const paused = lines({ ...SYNCING, "resource-res1/todo-hosta/sync": "0" });
  assertEquals(
    paused[0],
    "  res1 [2/2] InConsistent PausedSync dcA-FR Secondary hostb",
  );
  assertEquals(paused.length, 3);
});

const SILENT = ["1.000000000", 4000n] as const;

Deno.test("resourceLines() tell for how long the primary was silent", () => {
  assertEquals(lines({ "actual-hostb/time": SILENT }), [
    "  res1 [2/2] UpToDate PrimaryUnreachable dCASFR Secondary hostb 01:06:40",
  ]);
});

Deno.test("resourceLines() tell of a daemon that hangs", () => {
  const links = { "actual-hosta/time": SILENT, "actual-hostb/time": SILENT };
  assertEquals(lines(links), [
    "  res1 [2/2] UpToDate UnResponsive dCASFR Secondary hostb 01:06:40",
  ]);
});

Deno.test("resourceLines() tell that no daemon runs", () => {
  const gone = Object.fromEntries(
    Object.keys(LINKS).filter((path) => path.includes("hostb"))
      .map((path) => [path, ".deleted"]),
  );
  assertEquals(
    lines({
      ...gone,
      ...AS_PRIMARY,
      "resource-res1/actual-hosta/is-primary": "0",
      "resource-res1/actual-hosta/is-attached": "0",
      "resource-res1/replay-hostb": ".deleted",
    }, { ...OWN_LOG, isDaemonRunning: false }),
    [
      "  res1 [1/1] NoAttach ModuleNotLoaded dCaSFR NotYetPrimary hosta",
    ],
  );
});

Deno.test("resourceLines() leave the place of no primary empty", () => {
  assertEquals(lines({ "resource-res1/primary": "(none)" }), [
    "  res1 [2/2] UpToDate NoPrimaryDesignated dCASFR Secondary ",
  ]);
});

Deno.test("resourceLines() of a detached host", () => {
  assertEquals(
    lines({
      "resource-res1/primary": "(none)",
      "resource-res1/data-hostb": ".deleted",
      "resource-res1/todo-hosta/attach": "0",
      "resource-res1/actual-hosta/is-attached": "0",
    }),
    ["  res1 [1/2] Detached NotStarted dC-SFR Secondary "],
  );
});

/** Both went on from log 2 of hostb at 5 MiB. */
const SPLIT: Links = {
  "resource-res1/primary": "hosta",
  "resource-res1/actual-hosta/is-primary": "1",
  "resource-res1/replay-hosta": ["log-000000003-hosta,2000000,0", 10n],
  "resource-res1/replay-hostb": ["log-000000003-hostb,1000000,0", 33n],
  "resource-res1/version-000000003-hosta": versionText(
    { log: log(3, "hosta"), bytes: 2_000_000 },
    version(2, "hostb", 5 * MIB),
  ),
  "resource-res1/version-000000003-hostb": versionText(
    { log: log(3, "hostb"), bytes: 1_000_000 },
    version(2, "hostb", 5 * MIB),
  ),
};

Deno.test("splitLines() name the point, both sides and their amounts", () => {
  // The amounts count the whole of the log in which the two parted.
  const common = 5 * MIB;
  assertEquals(splitLines(report(SPLIT)), [
    "WARNING: SPLIT BRAIN of resource 'res1' after logfile 'log-000000002-hostb,5242880' age ~00:00:33",
    `WARNING:    host1 = 'hosta' primary logfile_amount='${
      common + 2_000_000
    }' (6.907 MiB)`,
    `WARNING:    host2 = 'hostb' reported-primary logfile_amount='${
      common + 1_000_000
    }' (5.954 MiB)`,
  ]);
  assertEquals(splitLines(report({})), []);
});

Deno.test("resourceLines() of both sides of a split brain", () => {
  const written = { logs: [file(3, "hosta", 2_000_000)] };
  assertEquals(lines(SPLIT, written), [
    "  res1 [2/2] UpToDate Replicating dCASFR ForcedPrimary hosta",
  ]);
  const [, other] = lines({
    ...SPLIT,
    "resource-res1/actual-hostb/if-on": "1",
  }, { host: "hostb", logs: [file(3, "hostb", 1_000_000)] });
  assertEquals(
    other,
    "  res1 [2/2] OutDated[F] Replaying DCASfR RemainsPrimary hosta",
  );
});

Deno.test("resourceLines() of a primary in emergency tell why", () => {
  const stamp = formatStamp(NOW_NS);
  const links: Links = {
    ...SPLIT,
    "resource-res1/replay-hostb": "log-000000003-hosta,2000000,0",
    "resource-res1/version-000000003-hostb": ".deleted",
    "resource-res1/actual-hosta/has-emergency": "1",
    "resource-res1/actual-hosta/msg-wrn-space-low":
      `${stamp} ${stamp} EMERGENCY: …`,
    "resource-res1/actual-hosta/msg-err-replay-stop": "OK",
    "resource-res1/actual-hosta/msg-inf-fetch": `${stamp} ${stamp} waiting`,
  };
  assertEquals(lines(links, { logs: [file(3, "hosta", 2_000_000)] }), [
    "  res1 [2/2] EmergencyMode EmergencyMode dCASFR ForcedPrimary hosta",
    "WARNINGS LNK  (1):",
    "wrn-space-low: 2026-11-22 12:49:30 2026-11-22 12:49:30 EMERGENCY: …",
  ]);
});

Deno.test("resourceLines() with --verbose add level and notices", () => {
  const stamp = formatStamp(NOW_NS);
  const shown = resourceLines(
    report({
      "resource-res1/acknowledge": "durable",
      "resource-res1/actual-hosta/msg-inf-fetch": `${stamp} ${stamp} waiting`,
    }),
    { ...OPTIONS, verbose: true },
  );
  assertEquals(shown.slice(1), [
    "     acknowledge: durable",
    "INFOS    LNK  (1):",
    "inf-fetch: 2026-11-22 12:49:30 2026-11-22 12:49:30 waiting",
  ]);
});

Deno.test("resourceLines() of a host that is no member", () => {
  assertEquals(
    lines({
      "resource-res1/data-hosta": ".deleted",
      "resource-res1/replay-hosta": ".deleted",
    }),
    ["  res1 [1/2] NotJoined NotJoined ------ None hostb"],
  );
});

Deno.test("resourceLines() paint states by how good they are", () => {
  const painted = resourceLines(
    report({ "resource-res1/todo-hosta/connect": "0" }),
    { ...OPTIONS, paint: (word, mood) => `<${mood}>${word}` },
  );
  assertEquals(painted, [
    "  res1 [2/2] <good>UpToDate <changing>PausedFetch dCASFR Secondary hostb",
  ]);
});

Deno.test("obstacleLines() put errors before warnings", () => {
  const obstacle = { host: "hosta", text: "t", realNs: 0n, stampNs: 0n };
  const shown = obstacleLines([
    { ...obstacle, key: "wrn-a", severity: "warning" },
    { ...obstacle, key: "err-b", severity: "error" },
  ], OPTIONS);
  assertEquals(shown.filter((line) => line.endsWith(":")), [
    "ERRORS   LNK  (1):",
    "WARNINGS LNK  (1):",
  ]);
});
