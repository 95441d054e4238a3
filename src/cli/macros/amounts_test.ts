import { assertEquals } from "@std/assert";
import {
  evaluate,
  type Links,
  MacroWorld,
  NOW_NS,
} from "../../../tests/support/macro_world.ts";
import { formatStamp } from "../../tree/values.ts";

const digest = "0".repeat(32);
const version = (nr: number, bytes: number): string =>
  `${digest},log-00000000${nr}-hostb,${bytes}:`;

/** hosta has 40 of 100 bytes of log 3, hostb wrote 70 of log 4 besides. */
const LINKS: Links = {
  "actual-hosta/time": "1.000000000",
  "actual-hostb/time": ["1.000000000", 100n],
  "resource-res1/size": "2000",
  "resource-res1/primary": "hostb",
  "resource-res1/data-hosta": "/dev/a",
  "resource-res1/data-hostb": "/dev/b",
  "resource-res1/actsize-hosta": "3000",
  "resource-res1/actsize-hostb": "2500",
  "resource-res1/syncstatus-hosta": "1000",
  "resource-res1/syncstatus-hostb": "2000",
  "resource-res1/replay-hosta": ["log-000000003-hostb,40,10", 500n],
  "resource-res1/replay-hostb": ["log-000000004-hostb,70,0", 20n],
  "resource-res1/version-000000003-hosta": [version(3, 90), 300n],
  "resource-res1/version-000000003-hostb": version(3, 100),
  "resource-res1/version-000000004-hostb": [version(4, 70), 30n],
  "resource-res1/actual-hosta/amount-sync_rate": "1",
  "resource-res1/actual-hosta/amount-replay_rate": "2",
  "resource-res1/actual-hosta/ops-replay_rate": "7",
};

function world(): MacroWorld {
  const made = new MacroWorld(LINKS);
  made.logs = [
    { log: { sequence: 2, host: "hostb" }, bytes: 500 },
    { log: { sequence: 3, host: "hostb" }, bytes: 90 },
  ];
  return made;
}

const CASES: readonly (readonly [text: string, expected: string])[] = [
  [
    "%sync-pos{} %sync-size{} %sync-rest{} %sync-vector{}",
    "1000 2000 1000 1000:2000",
  ],
  ["%sync-percent{} %sync-permille{} %sync-reached{}", "50.25 500.25 0"],
  ["%sync-percent{hostb} %sync-reached{hostb}", "100.00 1"],
  ["%replay-pos{} %replay-size{} %replay-rest{}", "540 590 50"],
  ["%fetch-pos{} %fetch-size{} %fetch-rest{}", "590 670 80"],
  [
    "%work-pos{} %work-size{} %work-rest{} %writeback-rest{}",
    "540 670 130 130",
  ],
  ["%summary-vector{}", "540:590:670"],
  ["%replay-basenr{} %replay-lognr{} %fetch-lognr{} %work-lognr{}", "2 3 3 4"],
  ["%replay-logcount{} %fetch-logcount{} %work-logcount{}", "0 1 1"],
  ["%let{threshold}{130}%work-threshold-reached{}", "1"],
  ["%let{threshold}{129}%work-threshold-reached{}", "0"],
  ["%work-almost-reached{}%sync-almost-reached{hostb}", "01"],
  ["%sync-rate{} %sync-amount-rate{} %replay-ops-rate{}", "1024 1024 7"],
  ["%work-rate{} %work-ops-rate{}", "2048 7"],
  ["%sync-remain{} %replay-remain{} %fetch-remain{}", "0 0 -1"],
  ["%work-remain{}", "-1"],
  ["%replay-age{} %replay-lag{} %fetch-age{} %fetch-lag{}", "500 480 300 270"],
  ["%work-age{} %work-lag{} %replay-lag{hostb}", "500 480 0"],
  ["%replay-timestamp{}", formatStamp(NOW_NS - 500_000_000_000n)],
  [
    "%alive-age{} %alive-age{hosta} %alive-lag{} %alive-age{hostx}",
    "100 0 100 -1",
  ],
  [
    "%alive-timestamp{hosta} %alive-timestamp{hostx}",
    `${formatStamp(NOW_NS)} -1`,
  ],
  ["%occupied-size{} %deletable-size{}", "590 500"],
  ["%disk-size{} %resource-size{} %resource-possible-size{}", "3000 2000 2500"],
  // Of hostb only what it published is known: log 3 and 4.
  ["%replay-pos{hostb} %work-rest{hostb} %replay-lognr{hostb}", "170 0 4"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text, world()), expected);
  });
}
