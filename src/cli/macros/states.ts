// Pure
/**
 * Macros on what is and what shall be: buttons, states, roles.
 *
 *   is-X     what a host does          1 or 0
 *   todo-X   what it shall do          1 or 0
 *   nr-X     members that do it
 *
 * X is one word of the table below. Macros without a link behind them
 * (`is-orphan`, `is-consistent`, …) are judged from the links of the host; of
 * this host also from its log files.
 *
 * Source: primitive macros of `marsadm view`.
 */
import { TimeoutError } from "../../base/errors.ts";
import { MS_PER_S } from "../../base/time.ts";
import { isClean, isCutOff, isOrphan } from "../../resource/status.ts";
import { isConsistent } from "../../resource/view.ts";
import { linkPath } from "../../tree/path.ts";
import { NOBODY, parseSwitch } from "../../tree/values.ts";
import type { Report } from "../report.ts";
import { errnoMark } from "./errno.ts";
import { hostRow, reportOf, type Row, row, wholeText } from "./rows.ts";
import { MacroError, type Run } from "./run.ts";
import {
  isTrue,
  numberOf,
  plainText,
  switchText,
  truthText,
  wholeOf,
} from "./values.ts";

/** Words for states, the link of each, and its button. */
const STATES: readonly {
  readonly words: readonly string[];
  readonly actual: string;
  readonly todo?: string;
}[] = [
  { words: ["attach", "attached"], actual: "is-attached", todo: "attach" },
  { words: ["sync", "syncing"], actual: "is-syncing", todo: "sync" },
  {
    words: ["fetch", "copying", "copy", "connect"],
    actual: "is-copying",
    todo: "connect",
  },
  {
    words: ["replay", "replaying", "apply", "allow-replay"],
    actual: "is-replaying",
    todo: "allow-replay",
  },
  { words: ["primary"], actual: "is-primary" },
  { words: ["emergency"], actual: "has-emergency" },
  { words: ["device"], actual: "if-on" },
];

const ABOUT_HOST = "on {host}: 1 or 0";

export const STATE_MACROS: readonly Row[] = [
  ...STATES.filter(({ words: [word] }) => word !== "device").flatMap(
    ({ words: [word = ""], actual, todo }) => [
      row(
        `is-${word}`,
        `whether it does that ${ABOUT_HOST}`,
        (run, args) =>
          switchText(isOn(reportOf(run, run.hostOr(args)), actual)),
      ),
      row(
        `nr-${word}`,
        "members of which that is true",
        (run) => String(countOf(run, actual)),
      ),
      ...(todo === undefined ? [] : [
        row(
          `todo-${word}`,
          `whether it shall do that ${ABOUT_HOST}`,
          (run, args) => switchText(isWanted(run, todo, run.hostOr(args))),
        ),
      ]),
    ],
  ),
  hostRow(
    "is-secondary",
    "whether it is not primary:",
    (report) => switchText(!isOn(report, "is-primary")),
  ),
  row(
    "nr-secondary",
    "members that are not primary",
    (run) =>
      String(
        run.world.report(run.resource(), run.host()).view.members.length -
          countOf(run, "is-primary"),
      ),
  ),
  row("does", `{state} ${ABOUT_HOST}`, (run, args) => {
    const { actual } = stateOf(run.text(args, 0));
    return switchText(isOn(reportOf(run, run.hostOr(args, 1)), actual));
  }),
  row("todo", `{button} ${ABOUT_HOST}`, (run, args) => {
    const word = run.text(args, 0);
    const todo = STATES.find(({ words }) => words.includes(word))?.todo;
    return switchText(isWanted(run, todo ?? word, run.hostOr(args, 1)));
  }),
  hostRow(
    "todo-primary",
    "1 if it is the designated primary:",
    (report) => truthText(isDesignated(report)),
  ),
  hostRow(
    "todo-secondary",
    "1 if it is not the designated primary:",
    (report) => truthText(!isDesignated(report)),
  ),
  row("get-primary", "the designated primary, or empty", primaryOf),
  row(
    "actual-primary",
    "the first host that says it is primary",
    (run) =>
      reportOf(run, run.host()).view.members
        .find(({ isPrimary }) => isPrimary)?.host ?? "",
  ),
  row(
    "is-member",
    "whether {resource} has a disk on {host}",
    (run, args) =>
      switchText(
        isMember(run, resourceOr(run, run.text(args, 0)), run.hostOr(args, 1)),
      ),
  ),
  row(
    "is-guest",
    "whether {resource} has only a device on {host}",
    (run, args) => {
      const resource = resourceOr(run, run.text(args, 0));
      const host = run.hostOr(args, 1);
      const device = run.world.snapshot.value(linkPath.device(resource, host));
      return switchText(device !== undefined && !isMember(run, resource, host));
    },
  ),
  row("is-module-loaded", "whether a daemon runs on {host}", (run, args) => {
    const host = run.hostOr(args);
    return switchText(
      host === run.world.host ? run.world.isDaemonRunning : isAlive(run, host),
    );
  }),
  row(
    "is-alive",
    "whether {host}, else the primary, was heard of",
    (run, args) => {
      const given = run.text(args, 0);
      const host = given === "" ? primaryOf(run) : given;
      return switchText(host !== "" && isAlive(run, host));
    },
  ),
  hostRow("is-orphan", "whether replay cannot begin on", isOrphanText),
  hostRow(
    "is-consistent",
    "whether the disk is one state of the past on",
    (report) =>
      switchText(report.own !== undefined && isClean(report.view, report.own)),
  ),
  hostRow(
    "is-almost-consistent",
    "the same but for what is written back on",
    (report) =>
      switchText(
        report.own !== undefined && isConsistent(report.view, report.own),
      ),
  ),
  hostRow(
    "is-cut-off",
    "whether a hole in the logs lies before",
    (report) =>
      switchText(report.own !== undefined && isCutOff(report.view, report.own)),
  ),
  row("is-split-brain", "whether histories have parted: 1 or 0", (run) => {
    const { facts } = reportOf(run, run.host());
    return switchText(
      facts.splits.length > 0 || facts.doubledSequences.length > 0,
    );
  }),
  hostRow(
    "replay-code",
    "0 replaying, 1 done, negative: damage on",
    (report) => codeText(report.own?.replayCodeText),
  ),
  hostRow(
    "disk-error",
    "0, or the negative errno of the disk on",
    (report) => codeText(report.actual("disk-error")),
  ),
  row(
    "errno-text",
    "[NAME:text] of a {code}",
    (run, args) => errnoMark(wholeOf(run.text(args, 0).split(",")[0] ?? "")),
  ),
  ...waits(),
];

/** Of the files of other hosts nothing is known: they are believed. */
function isOrphanText({ own, isLocal, logs }: Report): string {
  return switchText(own !== undefined && isLocal && isOrphan(own, logs));
}

/** What begins with a number; anything else is garbage, and no code. */
function codeText(value: string | undefined): string {
  return value !== undefined && /^-?\d+(?:,|$)/.test(value) ? value : "";
}

/** @throws MacroError for a word that names no state */
function stateOf(word: string): (typeof STATES)[number] {
  const state = STATES.find(({ words, actual }) =>
    words.includes(word) || actual === word || actual === `is-${word}`
  );
  if (state !== undefined) return state;
  const known = STATES.map(({ words: [first] }) => first).join(", ");
  throw new MacroError(`there is no state "${word}"; there are: ${known}`);
}

function isOn(report: Report, name: string): boolean {
  const value = report.actual(name);
  if (value === undefined && report.own !== undefined) {
    report.facts.missing.add(
      linkPath.actual(report.resource, report.host, name),
    );
  }
  return parseSwitch(value ?? "") === true;
}

function isWanted(run: Run, button: string, host: string): boolean {
  const path = linkPath.todo(run.resource(), host, button);
  return isTrue(run.world.snapshot.value(path) ?? "");
}

function countOf(run: Run, actual: string): number {
  const resource = run.resource();
  const { snapshot } = run.world;
  return snapshot.members(resource).filter((host) =>
    snapshot.value(linkPath.actual(resource, host, actual)) === "1"
  ).length;
}

/** The designated primary of the resource; empty if nobody is. */
export function primaryOf(run: Run): string {
  const path = linkPath.primary(run.resource());
  const primary = run.world.snapshot.value(path) ?? "";
  return primary === NOBODY ? "" : plainText(primary);
}

function isDesignated(report: Report): boolean {
  return report.snapshot.value(linkPath.primary(report.resource)) ===
    report.host;
}

function isMember(run: Run, resource: string, host: string): boolean {
  return run.world.snapshot.value(linkPath.data(resource, host)) !== undefined;
}

function resourceOr(run: Run, resource: string): string {
  return resource === "" ? run.resource() : resource;
}

/** Whether `host` was heard of within the window. */
function isAlive(run: Run, host: string): boolean {
  const stampNs = run.world.snapshot.stampNs(linkPath.global(host, "time"));
  if (stampNs === undefined) return false;
  const windowNs =
    BigInt(wholeText(numberOf(run.variable("window")) * MS_PER_S)) *
    1_000_000n;
  return run.world.lamportNs - stampNs <= windowNs;
}

// ---- waiting --------------------------------------------------------------

/** Ours. Links arrive within milliseconds; looking is cheap. */
const POLL_MS = 100;

function waits(): Row[] {
  const rows: Row[] = [
    row(
      "wait",
      "waits until {condition} holds; without one, a second",
      (run, args) => {
        const [condition] = args;
        if (condition === undefined || condition.text === "") {
          run.world.sleep(MS_PER_S);
          run.world.refresh();
          return "";
        }
        return waitUntil(
          run,
          condition.text,
          () => isTrue(condition.code(run)),
        );
      },
    ),
    row(
      "wait-cluster",
      "waits until peers were heard of, or are dead",
      waitCluster,
    ),
  ];
  for (const { words: [word = ""], actual, todo } of STATES) {
    for (const [suffix, wanted] of [["on", true], ["off", false]] as const) {
      rows.push(
        hostWait(
          `wait-is-${word}-${suffix}`,
          (report) => isOn(report, actual) === wanted,
        ),
      );
      if (todo === undefined) continue;
      rows.push(
        hostWait(
          `wait-todo-${word}-${suffix}`,
          (report, run) => isWanted(run, todo, report.host) === wanted,
        ),
      );
    }
  }
  for (const [suffix, wanted] of [["on", true], ["off", false]] as const) {
    rows.push(
      hostWait(
        `wait-is-secondary-${suffix}`,
        (report) => isOn(report, "is-primary") !== wanted,
      ),
      hostWait(
        `wait-todo-primary-${suffix}`,
        (report) => isDesignated(report) === wanted,
      ),
      hostWait(
        `wait-todo-secondary-${suffix}`,
        (report) => isDesignated(report) !== wanted,
      ),
    );
  }
  return rows;
}

function hostWait(
  name: string,
  holds: (report: Report, run: Run) => boolean,
): Row {
  return row(name, "waits for that on {host}", (run, args) => {
    const host = run.hostOr(args);
    return waitUntil(
      run,
      name.slice("wait-".length),
      () => holds(reportOf(run, host), run),
    );
  });
}

/** Looks again and again. @throws TimeoutError */
function waitUntil(run: Run, goal: string, holds: () => boolean): string {
  const timeoutS = numberOf(run.variable("timeout"));
  const startNs = run.world.realNs;
  while (!holds()) {
    const waitedS = Number(run.world.realNs - startNs) / 1e9;
    if (timeoutS >= 0 && waitedS >= timeoutS) {
      throw new TimeoutError(
        `Gave up after ${wholeText(waitedS)} s waiting: ${goal} does not hold`,
      );
    }
    run.world.sleep(POLL_MS);
    run.world.refresh();
  }
  return "";
}

/** Dead is who was silent for half a window, or never heard of in that time. */
function waitCluster(run: Run): string {
  const { world } = run;
  const startNs = world.lamportNs;
  const resource = run.variables.get("res") ?? "";
  const hosts = resource === ""
    ? world.snapshot.hosts()
    : world.snapshot.members(resource);
  const peers = hosts.filter((host) => host !== world.host);
  const patienceNs = BigInt(
    wholeText(numberOf(run.variable("window")) * 500_000_000),
  );
  world.askPeers();
  return waitUntil(run, "peers were heard of", () =>
    peers.every((host) => {
      const seenNs = world.snapshot.stampNs(linkPath.global(host, "time"));
      const lastNs = seenNs ?? startNs;
      return lastNs > startNs || lastNs + patienceNs < world.lamportNs;
    }));
}
