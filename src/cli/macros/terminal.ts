// Pure
/**
 * Macros with an effect, and those that see more than decoded links: words for
 * people, links, splits.
 *
 * Source: `warn`, `die`, `sleep`, `timeout`, `readlink`, `setlink` of
 * `marsadm view`; `hint`, `paint` and `split-brain-lines` are ours.
 */
import { formatBytes, formatDuration } from "../../base/figures.ts";
import { logFileName } from "../../base/names.ts";
import { MS_PER_S, NS_PER_S } from "../../base/time.ts";
import { splitBrainOf } from "../../resource/sides.ts";
import { timeText } from "../readable.ts";
import { treePathOf } from "../tree_words.ts";
import {
  bytesBehind,
  type ReportedSplit,
  type ResourceFacts,
} from "../report.ts";
import { reportOf, type Row, row } from "./rows.ts";
import { MacroError, type Run } from "./run.ts";
import { numberOf, plainText, shortened } from "./values.ts";
import type { Mood } from "./world.ts";

/** A macro is no place to wait for long. */
const SLEEP_S_MAX = 3600;

export const TERMINAL_MACROS: readonly Row[] = [
  row("warn", "{text} as a warning on stderr", (run, args) => {
    run.world.warn(`WARNING: ${run.text(args, 0).trimEnd()}`);
    return "";
  }),
  row("hint", "{text} as advice on stderr", (run, args) => {
    run.world.warn(`   HINT: ${run.text(args, 0).trimEnd()}`);
    return "";
  }),
  row("die", "ends with the error {text}", (run, args) => {
    throw new MacroError(run.text(args, 0).trimEnd());
  }),
  row("sleep", "waits {seconds}, then looks again", (run, args) => {
    const seconds = numberOf(run.text(args, 0));
    if (seconds < 0 || seconds > SLEEP_S_MAX) {
      throw new MacroError(`cannot sleep ${seconds} s: at most ${SLEEP_S_MAX}`);
    }
    run.world.sleep(seconds * MS_PER_S);
    run.world.refresh();
    return "";
  }),
  row(
    "timeout",
    "seconds that waits may take",
    (run) => run.variable("timeout"),
  ),
  row(
    "paint",
    "{text} in the colour of its {mood}, on a terminal",
    (run, args) => {
      const text = run.text(args, 0);
      const mood = run.text(args, 1);
      return run.world.paint(text, isMood(mood) ? mood : moodOf(text));
    },
  ),
  row(
    "readlink",
    "value of the link {path}, empty if there is none",
    (run, args) =>
      plainText(
        run.world.snapshot.value(treePath(run, run.text(args, 0))) ?? "",
      ),
  ),
  row("setlink", "writes {value} to the link {path}", (run, args) => {
    const [value = "", path = ""] = run.texts(args);
    run.world.setLink(treePath(run, path), value);
    return "";
  }),
  row("split-brain-lines", "what is to be said about a split brain", (run) => {
    const { facts } = reportOf(run, run.world.host);
    return splitLines(facts).join("\n");
  }),
  row(
    "doubled-lognr",
    "log numbers of which there are several logs here",
    (run) => reportOf(run, run.world.host).facts.doubledSequences.join("\n"),
  ),
];

/** Relative to the tree. @throws MacroError for a path outside */
function treePath(run: Run, word: string): string {
  const root = run.world.marsDir;
  const path = treePathOf(word, root);
  if (path !== undefined) return path;
  throw new MacroError(
    `"${
      shortened(word)
    }" is no link of the tree: expected ${root}/DIRECTORY/NAME`,
  );
}

// ---- colours --------------------------------------------------------------

const MOODS: readonly Mood[] = ["good", "changing", "bad"];
const GOOD = /^(?:UpToDate|Uptodate|Replicating|Replaying|WriteBack\b.*)$/;
const BAD =
  /^(?:DISK_ERROR|NotPresent|IncompleteLog|UnInit|DefectiveLog|Orphan|EmergencyMode|ModuleNotLoaded|UnResponsive|PrimaryUnreachable)/;

function isMood(word: string): word is Mood {
  return MOODS.some((mood) => mood === word);
}

function moodOf(word: string): Mood {
  if (GOOD.test(word)) return "good";
  return BAD.test(word) ? "bad" : "changing";
}

// ---- split brain ----------------------------------------------------------

function splitLines(facts: ResourceFacts): string[] {
  const lines = facts.splits.flatMap((split) => [
    `SPLIT BRAIN of resource '${facts.resource}' after logfile '${
      ancestorOf(split)
    }' age ~${formatDuration(split.ageS)}`,
    ...split.hosts.map((host, index) => {
      const bytes = bytesBehind(split, index);
      return `   host${index + 1} = '${host}' ${
        claimOf(facts, host)
      } logfile_amount='${bytes}' (${formatBytes(bytes)})`;
    }),
  ]);
  return lines.length === 0 ? [] : [...lines, ...sideLines(facts)];
}

/** Since when, who wrote last, and where to read on. */
function sideLines({ view, snapshot, resource }: ResourceFacts): string[] {
  const split = splitBrainOf(view, (path) => snapshot.stampNs(path));
  if (split === undefined) return [];
  const since = split.sinceNs === undefined
    ? ""
    : ` since ${stampText(split.sinceNs)}`;
  const last = split.sides.map(({ host, lastWriteNs }) =>
    lastWriteNs === undefined
      ? `'${host}' wrote nothing`
      : `'${host}' wrote last at ${stampText(lastWriteNs)}`
  );
  return [
    `   parted${since}; ${last.join(", ")}`,
    `   mars split show ${resource} tells the ways out`,
  ];
}

function stampText(stampNs: bigint): string {
  return timeText(Number(stampNs / NS_PER_S));
}

function ancestorOf({ ancestor }: ReportedSplit): string {
  return ancestor === undefined
    ? "(unknown)"
    : `${logFileName(ancestor.log)},${ancestor.bytes}`;
}

/** What a host says it is; of others we only have heard. */
function claimOf({ view, local }: ResourceFacts, host: string): string {
  const member = view.members.find((each) => each.host === host);
  const claim = member?.isPrimary === true ? "primary" : "secondary";
  return host === local.host ? claim : `reported-${claim}`;
}
