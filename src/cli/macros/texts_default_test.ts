/** The example lines of the original's `view`, literally. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { versionText } from "../../resource/history.ts";
import type { LocalLog } from "../../resource/plan_types.ts";
import { formatStamp } from "../../tree/values.ts";
import {
  evaluate,
  type Links,
  MacroWorld,
  NOW_NS,
} from "../../../tests/support/macro_world.ts";

const MIB = 2 ** 20;
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

/** What differs from a host that has fetched everything. */
type Facts = Partial<
  Pick<
    MacroWorld,
    | "host"
    | "logs"
    | "isDaemonRunning"
    | "isDiskThere"
    | "socket"
    | "mount"
    | "isPainted"
    | "lamportNs"
  >
>;

function worldOf(links: Links, facts: Facts = {}): MacroWorld {
  const world = new MacroWorld({ ...LINKS, ...links });
  world.logs = [file(2, "hostb", 5 * MIB)];
  return Object.assign(world, facts);
}

function lines(links: Links, facts: Facts = {}, verbose = 0): string[] {
  return shownBy(worldOf(links, facts), "default", { verbose: `${verbose}` });
}

function shownBy(
  world: MacroWorld,
  macro: string,
  variables: Record<string, string> = {},
): string[] {
  const text = evaluate(`%${macro}{}`, world, variables);
  return text.replace(/\n$/, "").split("\n");
}

const OWN_LOG = { logs: [file(2, "hosta", 5 * MIB)] };

Deno.test("default: of a primary name device and requests", () => {
  const links: Links = {
    ...AS_PRIMARY,
    "resource-res1/primary": "hosta",
    "resource-res1/actual-hosta/if-on": "1",
    "resource-res1/actual-hosta/open-count": "1",
    "resource-res1/actual-hosta/ops-if_rate": "120",
    "resource-res1/actual-hosta/if-flying": "5",
  };
  assertEquals(lines(links, OWN_LOG), [
    "  LocalDevice /dev/mars/res1 [Opened, 120 IOPS, 5 Flying]",
    "  res1 [2/2] UpToDate Replicating DCASFR Primary hosta",
  ]);
});
Deno.test("default: name the socket of a closed device", () => {
  const links: Links = {
    ...AS_PRIMARY,
    "resource-res1/actual-hosta/if-on": "1",
  };
  const socket = "/run/mars/nbd/res1.sock";
  assertEquals(lines(links, { ...OWN_LOG, socket }).slice(0, 2), [
    "  LocalDevice /dev/mars/res1 [Closed]",
    "  NbdSocket /run/mars/nbd/res1.sock",
  ]);
});

Deno.test("default: of a secondary are one line", () => {
  assertEquals(lines({}), [
    "  res1 [2/2] UpToDate Replaying dCASFR Secondary hostb",
  ]);
});

Deno.test("default: of a writing primary tell what is dirty", () => {
  assertEquals(
    lines({
      ...AS_PRIMARY,
      "resource-res1/actual-hosta/if-on": "1",
      "resource-res1/replay-hosta": `log-000000002-hosta,${4 * MIB},${MIB}`,
    }, OWN_LOG).slice(1),
    ["  res1 [2/2] WriteBack[1.000 MiB] Replicating DcASFr Primary hosta"],
  );
});

Deno.test("default: of a lagging secondary tell what is left", () => {
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

Deno.test("default: tell age, lag and the logs that are known", () => {
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

Deno.test("default: of a copy tell how far it is", () => {
  assertEquals(lines(SYNCING), [
    "  res1 [2/2] InConsistent Syncing dcAsFR Secondary hostb",
    "     syncing: [=========>..........]  50.25%  (8/16)MiB  rate: 4.00 MiB/sec  remaining: 00:00:02 hrs",
    "       > sync: 8.000/16.000 MiB rate: 4.000 MiB/sec  remaining: 00:00:02 hrs",
  ]);
});

Deno.test("default: of a paused copy keep the lines on it", () => {
  const paused = lines({ ...SYNCING, "resource-res1/todo-hosta/sync": "0" });
  assertEquals(
    paused[0],
    "  res1 [2/2] InConsistent PausedSync dcA-FR Secondary hostb",
  );
  assertEquals(paused.length, 3);
});

const SILENT = ["1.000000000", 4000n] as const;

Deno.test("default: tell for how long the primary was silent", () => {
  assertEquals(lines({ "actual-hostb/time": SILENT }), [
    "  res1 [2/2] UpToDate PrimaryUnreachable dCASFR Secondary hostb 01:06:40",
  ]);
});

Deno.test("default: tell of a daemon that hangs", () => {
  const links = { "actual-hosta/time": SILENT, "actual-hostb/time": SILENT };
  assertEquals(lines(links), [
    "  res1 [2/2] UpToDate UnResponsive dCASFR Secondary hostb 01:06:40",
  ]);
});

Deno.test("default: tell that no daemon runs", () => {
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

Deno.test("default: leave the place of no primary empty", () => {
  assertEquals(lines({ "resource-res1/primary": "(none)" }), [
    "  res1 [2/2] UpToDate NoPrimaryDesignated dCASFR Secondary ",
  ]);
});

Deno.test("default: of a detached host", () => {
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

Deno.test("default: warn of a split: point, both sides, their amounts", () => {
  const world = worldOf(SPLIT);
  shownBy(world, "default");
  assertEquals(world.warned.slice(0, 3), [
    "WARNING: SPLIT BRAIN of resource 'res1' after logfile 'log-000000002-hostb,5242880' age ~00:00:33",
    "WARNING:    host1 = 'hosta' primary logfile_amount='2000000' (1.907 MiB)",
    "WARNING:    host2 = 'hostb' reported-primary logfile_amount='1000000' (976.562 KiB)",
  ]);
  const [parted = "", hint] = world.warned.slice(3);
  assertMatch(
    parted,
    /parted.*; 'hosta' wrote last at \d{4}-.*, 'hostb' wrote last at \d{4}-/,
  );
  assertEquals(hint, "WARNING:    mars split show res1 tells the ways out");
  const whole = worldOf({});
  shownBy(whole, "default");
  assertEquals(whole.warned, []);
});

Deno.test("default: warn of a split that only files show", () => {
  const world = worldOf({}, {
    logs: [file(2, "hosta", 10), file(2, "hostb", 5 * MIB)],
  });
  shownBy(world, "default");
  assertEquals(world.warned.map((line) => line.split(":")[0]), [
    "WARNING",
    "   HINT",
    "   HINT",
    "   HINT",
  ]);
  assertStringIncludes(world.warned[0] ?? "", "with number 2");
});

Deno.test("default: of both sides of a split brain", () => {
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

Deno.test("default: of a primary in emergency tell why", () => {
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

Deno.test("default: with --verbose add level and notices", () => {
  const stamp = formatStamp(NOW_NS);
  const shown = lines(
    {
      "resource-res1/acknowledge": "durable",
      "resource-res1/actual-hosta/msg-inf-fetch": `${stamp} ${stamp} waiting`,
    },
    {},
    1,
  );
  assertEquals(shown.slice(1), [
    "     acknowledge: durable",
    "INFOS    LNK  (1):",
    "inf-fetch: 2026-11-22 12:49:30 2026-11-22 12:49:30 waiting",
  ]);
});

Deno.test("default: of a host that is no member", () => {
  assertEquals(
    lines({
      "resource-res1/data-hosta": ".deleted",
      "resource-res1/replay-hosta": ".deleted",
    }),
    ["  res1 [1/2] NotJoined NotJoined ------ None hostb"],
  );
});

Deno.test("default: paint states by how good they are", () => {
  const painted = lines(
    { "resource-res1/todo-hosta/connect": "0" },
    { isPainted: true },
  );
  assertEquals(painted, [
    "  res1 [2/2] <good>UpToDate <changing>PausedFetch dCASFR Secondary hostb",
  ]);
});

Deno.test("default: put errors before warnings, however young", () => {
  const stamp = formatStamp(NOW_NS);
  const shown = lines({
    "resource-res1/actual-hosta/msg-wrn-a": `${stamp} ${stamp} t`,
    "resource-res1/actual-hosta/msg-err-b": `${stamp} ${stamp} t`,
  });
  assertEquals(shown.filter((line) => line.endsWith(":")), [
    "ERRORS   LNK  (1):",
    "WARNINGS LNK  (1):",
  ]);
});

Deno.test("default: count lines of status files, show them when verbose", () => {
  const world = worldOf({});
  world.files.set("res1/fatal", "one\ntwo\n");
  world.files.set("res1/warning", "three\n");
  assertEquals(shownBy(world, "default").slice(1), ["FATALS   FILE (2)"]);
  assertEquals(shownBy(world, "default", { verbose: "1" }).slice(2), [
    "FATALS   FILE (2):",
    "one",
    "two",
    "WARNINGS FILE (1):",
    "three",
  ]);
});

const OPEN: Links = {
  ...AS_PRIMARY,
  "resource-res1/actual-hosta/if-on": "1",
  "resource-res1/actual-hosta/open-count": "2",
  "resource-res1/actual-hosta/if-flying": "3",
};

Deno.test("default: name mount point, error and requests that hang", () => {
  const completed = formatStamp(NOW_NS - 3_700_000_000_000n);
  const [device] = lines({
    ...OPEN,
    "resource-res1/actual-hosta/if-state": "-5",
    "resource-res1/actual-hosta/if-completion-stamp": completed,
  }, {
    ...OWN_LOG,
    mount: { directory: "/mnt", type: "ext4", options: "rw" },
  });
  assertEquals(
    device,
    "  LocalDevice /dev/mars/res1 [Opened, /mnt, ERROR=-5[EIO:Input/output_error], 0 IOPS, 3 Flying, HANGING age: 01:01:40]",
  );
});

Deno.test("default: requests in flight do not hang while others complete", () => {
  const [device] = lines({
    ...OPEN,
    "resource-res1/actual-hosta/if-completion-stamp": formatStamp(NOW_NS),
  }, OWN_LOG);
  assertEquals(
    device,
    "  LocalDevice /dev/mars/res1 [Opened, 0 IOPS, 3 Flying]",
  );
});

Deno.test("default: hint at disks that are larger than the resource", () => {
  const sizes = {
    "resource-res1/actsize-hosta": String(64 * MIB),
    "resource-res1/actsize-hostb": String(32 * MIB),
  };
  assertEquals(lines(sizes).slice(1), [
    "     HINT: disk /dev/disk is 48.000 MiB larger than the resource",
    "     HINT: resize from 16.000 MiB to 32.000 MiB is possible",
  ]);
  const near = { "resource-res1/actsize-hosta": String(17 * MIB) };
  assertEquals(lines(near).length, 1);
});

Deno.test("default: warn when replay is stuck, not when it is paused", () => {
  const lagging: Links = {
    "resource-res1/replay-hosta": [`log-000000002-hostb,${MIB},0`, 4000n],
  };
  const world = worldOf(lagging);
  shownBy(world, "default");
  assertEquals(world.warned, [
    "WARNING: resource 'res1': replay is stuck since 01:06:40",
  ]);
  const paused = worldOf({
    ...lagging,
    "resource-res1/todo-hosta/allow-replay": "0",
  });
  shownBy(paused, "default");
  assertEquals(paused.warned, []);
});

Deno.test("default-header names what is used", () => {
  const links: Links = {
    "actual-hosta/usable": "4,5,0x071f0000",
    "actual-hosta/used-log-digest": String(0x4_0000),
    "actual-hosta/used-net-digest": String(0x2_0000),
    "actual-hosta/used-log-compression": String(0x200_0000),
    "defaults-hosta/sync-limit": "2",
  };
  const world = worldOf(links);
  assertEquals(shownBy(world, "default-header"), [
    'used-log-compression="COMPRESS_LZ4"',
    "used-log-digest=CHKSUM_CRC32C",
    "used-net-digest=CHKSUM_MD5",
  ]);
  assertStringIncludes(world.warned.join(), "at most 2 resources");
  assertEquals(shownBy(worldOf({}), "default-header"), [""]);
});

Deno.test("default-global shows messages of the host, and peers that are not connected", () => {
  const stamp = formatStamp(NOW_NS);
  const shown = shownBy(
    worldOf({
      "actual-hosta/msg-wrn-space": `${stamp} ${stamp} low`,
      "actual-hosta/msg-wrn-with-b": `${stamp} ${stamp} CONNECTED to b`,
      "actual-hosta/msg-needed-connection-with-c":
        `${stamp} ${stamp} CONNECTED`,
      "actual-hosta/msg-needed-connection-with-d":
        `${stamp} ${stamp} NOT connected: refused`,
    }),
    "default-global",
  );
  assertEquals(shown, [
    "WARNINGS LNK  (1):",
    "wrn-space: 2026-11-22 12:49:30 2026-11-22 12:49:30 low",
    "PEERS    LNK  (1):",
    "needed-connection-with-d: 2026-11-22 12:49:30 2026-11-22 12:49:30 NOT connected: refused",
  ]);
});

Deno.test("default-global warns of a clock that is ahead", () => {
  const world = worldOf({}, { lamportNs: NOW_NS + 7_200_000_000_000n });
  shownBy(world, "default-global");
  assertStringIncludes(world.warned.join(), "02:00:00 ahead");
});

Deno.test("1and1 is shorter, and shows texts of files", () => {
  const world = worldOf({
    "resource-res1/replay-hosta": `log-000000002-hostb,${MIB},${2 * MIB}`,
    "resource-res1/version-000000003-hostb": version(3, "hostb", MIB),
  }, { logs: [file(2, "hostb", 3 * MIB)] });
  world.files.set("res1/error", "one");
  assertEquals(shownBy(world, "1and1"), [
    "  res1 Outdated[FR] Replaying -SFR-- Secondary hostb",
    "     replaying: [==>::::::..........]  16.75%  (1/6)MiB  logs: [2..3]",
    "       > fetch: 3.000 MiB rate: 0 B/s remaining: --:--:--",
    "       > replay: 2.000 MiB rate: 0 B/s remaining: --:--:--",
    "ERRORS   FILE (1):",
    "one",
  ]);
});
