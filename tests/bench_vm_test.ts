import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFioReport } from "./bench/fio_report.ts";
import { plotOf } from "./bench/vm_plot.ts";
import { profileOf } from "./bench/vm_profile.ts";
import { casesOf, goalsOf, groupsOf, type Run } from "./bench/vm_results.ts";
import { FormatError } from "../src/base/errors.ts";
import { isMet } from "./bench/figures.ts";

const REPORT = {
  perSecond: 0,
  bytesPerSecond: 0,
  count: 1,
  p50Us: 1,
  p99Us: 2,
  p999Us: 3,
  tookMs: 4,
};

function run(
  target: string,
  round: number,
  perSecond: number,
  line: Run["line"] = "plain",
): Run {
  const work = "randwrite-4k-16";
  const report = { ...REPORT, perSecond };
  return { part: "write", line, work, target, round, report, leftSeconds: 0 };
}

Deno.test("casesOf() compares with the baseline of the same round", () => {
  // In the second round the machine was half as fast, for all.
  const [only, ...others] = casesOf([
    run("drbd-A", 1, 1000),
    run("flush", 1, 900),
    run("drbd-A", 2, 500),
    run("flush", 2, 550),
  ]);
  assertEquals(others, []);
  const row = only?.rows.find(({ target }) => target === "flush");
  assertEquals(row?.ratio, { min: 0.9, median: 1, max: 1.1 });
  assertEquals(row?.rate.median, 725);
});

Deno.test("goalsOf() compares a bad line with the good one", () => {
  const runs = [
    run("flush+1", 1, 1000),
    run("flush+1", 1, 900, "delay"),
    run("drbd-A", 1, 1200),
  ];
  const goals = goalsOf(casesOf(runs), runs);
  assertEquals(
    goals.map((goal) => [goal.against, isMet(goal)]),
    [["DRBD A", false], ["a good line", false]],
  );
});

Deno.test("plotOf() has a bar for each target", () => {
  const runs = [run("drbd-A", 1, 1000), run("flush", 1, 900)];
  const svg = plotOf("a < b", groupsOf(casesOf(runs)));
  assert(svg.includes("a &lt; b"));
  assertEquals(svg.match(/<path /g)?.length, 2);
});

Deno.test("profileOf() refuses a line with a stage missing", () => {
  const reports = { clock: REPORT, plain: REPORT, empty: REPORT };
  const { stages } = profileOf("1 2 3 4 5 6\n3 2 3 4 5 7\n", reports);
  assertEquals(stages.map(({ meanUs }) => meanUs), [2, 2, 3, 4, 5, 6.5]);
  assertThrows(() => profileOf("1 2 3 4 5\n", reports), FormatError);
});

Deno.test("readFioReport() skips what stands in front of the report", () => {
  const write = {
    iops: 5,
    "bw_bytes": 6,
    "total_ios": 7,
    runtime: 8,
    "lat_ns": {
      percentile: { "50.000000": 1000, "99.000000": 2000, "99.900000": 3000 },
    },
  };
  const text = JSON.stringify({ jobs: [{ write }] }, undefined, 1);
  assertEquals(readFioReport(`fio: note\n${text}`, "write").p999Us, 3);
  assertThrows(() => readFioReport(text, "read"), FormatError);
});
