import { assertEquals } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay } from "../tree/values.ts";
import { isLost, lostLog } from "./holdings.ts";
import { type ResourceView, resourceView } from "./view.ts";

interface Member {
  /** Number of the log that it replays. */
  readonly at: number;
  /** What it says that it has; undefined: nothing is said. */
  readonly logs?: string;
  readonly lost?: string;
}

/** Alpha is primary and has written all logs, each of ten bytes. */
function viewOf(
  host: string,
  members: Readonly<Record<string, Member>>,
): ResourceView {
  const links: Record<string, string> = {
    [linkPath.size("r")]: "4096",
    [linkPath.primary("r")]: "alpha",
  };
  const step = (sequence: number): string =>
    `${"1".repeat(32)},log-${String(sequence).padStart(9, "0")}-alpha,10`;
  for (let sequence = 2; sequence <= 9; sequence++) {
    links[linkPath.version("r", sequence, "alpha")] = `${step(sequence)}:${
      step(sequence - 1)
    }`;
  }
  for (const [name, { at, logs, lost }] of Object.entries(members)) {
    const log = { sequence: at, host: "alpha" };
    links[linkPath.data("r", name)] = "/dev/null";
    links[linkPath.replay("r", name)] = formatReplay({
      log,
      startBytes: 0,
      dirtyBytes: 0,
    });
    if (logs !== undefined) links[linkPath.actual("r", name, "logs")] = logs;
    if (lost !== undefined) {
      links[linkPath.actual("r", name, "lost-log")] = lost;
    }
  }
  const snapshot = snapshotOf(links);
  return resourceView(snapshot, "r", host);
}

const ALPHA: Member = { at: 9, logs: "6-9" };

/** Whether others see that beta, with this, cannot go on beside these. */
const CASES: readonly [
  text: string,
  beta: Member,
  others: Readonly<Record<string, Member>>,
  isLost: boolean,
][] = [
  ["is where the logs begin", { at: 6, logs: "6-6" }, {}, false],
  ["has all up to there", { at: 3, logs: "3-5" }, {}, false],
  ["lacks one in between", { at: 3, logs: "3-4" }, {}, true],
  ["lacks one that another has", { at: 3, logs: "3-4" }, {
    gamma: { at: 5, logs: "4-6" },
  }, false],
  ["lacks one that another may have", { at: 3, logs: "3-4" }, {
    gamma: { at: 5 },
  }, false],
  ["lacks one that another says in garbage to have", { at: 3, logs: "3-4" }, {
    gamma: { at: 5, logs: "all" },
  }, false],
  ["lacks one as others do", { at: 3, logs: "3-3" }, {
    gamma: { at: 2, logs: "1-2" },
  }, true],
  ["has not even that at its position", { at: 3, logs: "0" }, {}, true],
  ["has said nothing", { at: 3 }, {}, false],
  ["says so itself", { at: 3, logs: "3-5", lost: "5" }, {}, true],
  [
    "said so at an earlier position",
    { at: 7, logs: "7-7", lost: "5" },
    {},
    false,
  ],
];

for (const [text, beta, others, expected] of CASES) {
  Deno.test(`isLost(): ${expected}, a member that ${text}`, () => {
    const view = viewOf("alpha", { alpha: ALPHA, beta, ...others });
    const member = view.members.find(({ host }) => host === "beta");
    assertEquals(member && isLost(view, member), expected);
  });
}

Deno.test("isLost() is nobody where nobody went on", () => {
  const view = viewOf("alpha", {
    beta: { at: 3, logs: "3-3" },
    gamma: { at: 3, logs: "0" },
  });
  assertEquals(view.members.map((member) => isLost(view, member)), [
    false,
    false,
  ]);
});

/** Files of beta: number to length, of ten bytes each. */
const OWN: readonly [
  text: string,
  at: number,
  files: Readonly<Record<number, number>>,
  lost: number | undefined,
  damaged?: number,
][] = [
  ["the log at the position is there", 6, {}, undefined],
  ["the log at the position is gone", 4, {}, 4],
  ["half of it is here", 4, { 4: 5 }, 4],
  ["all of it is here, the next one is gone", 4, { 4: 10 }, 5],
  ["all up to there is here", 4, { 4: 10, 5: 10 }, undefined],
  ["a later one is here, too", 3, { 3: 10, 5: 10 }, 4],
  ["nobody is further", 9, {}, undefined],
  ["it is damaged, and gone elsewhere", 4, { 4: 10, 5: 10 }, 4, 4],
  ["half of it is here, and damaged", 4, { 4: 5 }, 4, 4],
  ["it is damaged, and there elsewhere", 6, { 6: 10 }, undefined, 6],
];

for (const [text, at, files, lost, damaged] of OWN) {
  Deno.test(`lostLog() is ${lost} if ${text}`, () => {
    const view = viewOf("beta", { alpha: ALPHA, beta: { at } });
    const logs = Object.entries(files).map(([sequence, bytes]) => ({
      log: { sequence: Number(sequence), host: "alpha" },
      bytes,
    }));
    const name = damaged === undefined
      ? undefined
      : { sequence: damaged, host: "alpha" };
    assertEquals(lostLog(view, logs, name)?.sequence, lost);
  });
}

Deno.test("lostLog() is never said of a primary", () => {
  const view = viewOf("alpha", {
    alpha: { at: 4, logs: "0" },
    beta: { at: 9, logs: "9-9" },
  });
  assertEquals(lostLog(view, [], undefined), undefined);
});
