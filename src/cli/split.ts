/**
 * split show and split keep: what a split brain is made of, and one way out.
 *
 * Nothing ends a split brain by itself, because that would discard what one of
 * the sides has written. `show` says which ways out there are; `split_keep.ts`
 * makes a lost side a resource of its own.
 */
import { formatBytes, formatCount, formatDuration } from "../base/figures.ts";
import { logFileName } from "../base/names.ts";
import { NS_PER_S } from "../base/time.ts";
import {
  type SplitBrain,
  splitBrainOf,
  type SplitSide,
} from "../resource/sides.ts";
import { type Position, resourceView } from "../resource/view.ts";
import type { Command, Desk } from "./command.ts";
import { timeText } from "./readable.ts";
import { secondsSince } from "./report.ts";
import { splitJson } from "./split_json.ts";
import { splitKeep } from "./split_keep.ts";

/** Of `split show --json`; see docs/view-json.md. */
const SCHEMA = 1;

export const SPLIT_COMMANDS: readonly Command[] = [
  {
    name: "split show",
    usage: "[RES|LIST|all] [--json]",
    summary: "Say who wrote what in a split brain, and the ways out",
    subject: "resources-or-all",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: show,
  },
  {
    name: "split keep",
    usage: "RES NEW",
    summary: "Make the lost side of a split brain a resource of its own",
    subject: "name",
    wordsMin: 1,
    wordsMax: 1,
    phases: splitKeep,
  },
];

function show(desk: Desk, resource: string): void {
  const snapshot = desk.look();
  const view = resourceView(snapshot, resource, desk.host);
  const split = splitBrainOf(view, (path) => snapshot.stampNs(path));
  if (desk.options.json) {
    desk.print(JSON.stringify({
      schema: SCHEMA,
      resource,
      isSplit: split !== undefined,
      ...(split === undefined ? {} : splitJson(split)),
    }));
    return;
  }
  const lines = split === undefined
    ? [`"${resource}": no split brain`]
    : splitText(resource, split, desk.nowNs());
  for (const line of lines) desk.print(line);
}

/** Lines for people. */
function splitText(
  resource: string,
  split: SplitBrain,
  nowNs: bigint,
): string[] {
  const { ancestor, sinceNs, sides, undecided } = split;
  const since = sinceNs === undefined
    ? "nobody knows since when"
    : `since ${stampText(sinceNs)}, ${
      formatDuration(secondsSince(sinceNs, nowNs))
    } ago`;
  const place = ancestor === undefined
    ? "where is not known"
    : `behind ${placeText(ancestor)}`;
  return [
    `"${resource}": SPLIT BRAIN ${since}, ${place}`,
    ...sides.map((side) => `  ${sideText(side)}`),
    ...(undecided.length === 0
      ? []
      : [`  not that far yet: ${namesText(undecided)}`]),
    ...waysOut(resource, split).map((line) => `  ${line}`),
  ];
}

function sideText(side: SplitSide): string {
  const others = side.hosts.filter((host) => host !== side.host);
  const written = side.writtenBytes === 0
    ? "wrote nothing since"
    : `wrote ${formatBytes(side.writtenBytes)} since in ${
      formatCount(side.logCount, "log")
    }`;
  return [
    `side of "${side.host}": ${written}`,
    ...(side.lastWriteNs === undefined
      ? []
      : [`last at ${stampText(side.lastWriteNs)}`]),
    ...(side.isDesignated ? ["designated primary"] : []),
    ...(side.isPrimary && !side.isDesignated ? ["its device is still on"] : []),
    ...(others.length === 0 ? [] : [`with ${namesText(others)}`]),
  ].join(", ");
}

function waysOut(resource: string, { sides }: SplitBrain): string[] {
  const winner = sides.find(({ isDesignated }) => isDesignated);
  const first = winner === undefined
    ? [
      "nobody is designated: on the host whose data shall stay type",
      `  mars pause-fetch ${resource}; mars primary ${resource} --force`,
    ]
    : [
      `the data of "${winner.host}" stay; for those of another side type there`,
      `  mars pause-fetch ${resource}; mars primary ${resource} --force`,
    ];
  return [
    ...first,
    "then one of these, on each host that shall lose:",
    `  mars invalidate ${resource}      discards what it wrote, and copies`,
    `  mars split keep ${resource} NEW  keeps its disk as a resource NEW`,
    `  mars down ${resource}; mars leave-resource ${resource}  keeps its disk as it is`,
    `and mars log-purge-all ${resource} deletes logs that lead to nobody`,
  ];
}

function namesText(hosts: readonly string[]): string {
  return hosts.map((host) => `"${host}"`).join(", ");
}

function placeText({ log, bytes }: Position): string {
  return `${logFileName(log)} at ${bytes}`;
}

function stampText(stampNs: bigint): string {
  return timeText(Number(stampNs / NS_PER_S));
}
