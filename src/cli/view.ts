/**
 * view: what resources do on this host, and what keeps them; and every macro.
 *
 *   view [RES|LIST|all]           the macro "default"
 *   view-MACRO [RES|LIST|all]     any other one
 *   prettyprint-MACRO             its definition
 *   dump-macros, dump-all-macros [DIR]   definitions as files NAME.tpl
 *
 * It only looks: no daemon and no network are needed. Everything behind it is
 * loaded when it is needed, so that other commands do not pay for macros.
 */
import type { Command, Desk } from "./command.ts";

/** Names of DRBD and of old versions, and the macros they stand for. */
const OLD_NAMES: readonly {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly macro: string;
  readonly summary: string;
}[] = [
  {
    name: "status",
    macro: "status",
    summary: "Roles and disks of all members, in the words of DRBD",
  },
  {
    name: "cstate",
    macro: "cstate",
    summary: "State of the connection, in the words of DRBD",
  },
  {
    name: "dstate",
    macro: "dstate",
    summary: "States of both disks, in the words of DRBD",
  },
  {
    name: "role",
    aliases: ["state"],
    macro: "state",
    summary: "Roles of this host and its peer, in the words of DRBD",
  },
  {
    name: "mars-state",
    aliases: ["show-state"],
    macro: "replstate",
    summary: "State of the replication; see view-replstate",
  },
  { name: "show", macro: "default", summary: "The same as view" },
  {
    name: "show-errors",
    macro: "resource-errors",
    summary: "Messages only; see view-resource-errors",
  },
  {
    name: "show-info",
    macro: "show-info",
    summary: "The same as view --verbose=2",
  },
];

export const VIEW_COMMANDS: readonly Command[] = [
  {
    name: "view",
    usage: "[RES|LIST|all] [--json] [--verbose]",
    summary: "Show what resources do here, and what keeps them",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [word]) => view(desk, "default", word),
  },
  {
    name: "dump-macros",
    usage: "[DIR] [--force]",
    summary: "Write the macros of MARS as files NAME.tpl, here or into DIR",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [directory]) => dump(desk, "documented", directory),
  },
  {
    name: "dump-all-macros",
    usage: "[DIR] [--force]",
    summary: "The same with those that only other macros use",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [directory]) => dump(desk, "all", directory),
  },
  ...OLD_NAMES.map(({ macro, ...row }): Command => ({
    ...row,
    usage: "[RES|LIST|all]",
    subject: "none",
    isReading: true,
    isOldName: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [word = "all"]) => view(desk, macro, word),
  })),
];

/** Commands whose name ends in that of a macro. */
export const VIEW_FAMILIES: readonly {
  readonly prefix: string;
  readonly usage: string;
  readonly summary: string;
  readonly wordsMax: number;
  readonly run: (
    desk: Desk,
    macro: string,
    word: string | undefined,
  ) => Promise<void>;
}[] = [
  {
    prefix: "view-",
    usage: "[RES|LIST|all] [--json]",
    summary: "Evaluate a macro; see docs/macros.md",
    wordsMax: 1,
    run: view,
  },
  {
    prefix: "prettyprint-",
    usage: "",
    summary: "Print the definition of a macro",
    wordsMax: 0,
    run: prettyprint,
  },
];

/** The row of a command that is made for one macro. */
export function viewCommand(name: string): Command | undefined {
  const family = VIEW_FAMILIES.find(({ prefix }) =>
    name.startsWith(prefix) && name.length > prefix.length
  );
  if (family === undefined) return undefined;
  const { prefix, usage, summary, wordsMax, run } = family;
  const macro = name.slice(prefix.length);
  return {
    name,
    usage,
    summary,
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax,
    run: (desk, _resource, [word]) => run(desk, macro, word),
  };
}

/** Prints macro `macro` of the resources that `word` names. @throws MarsError */
async function view(
  desk: Desk,
  macro: string,
  word: string | undefined,
): Promise<void> {
  const { runView } = await import("./view_macro.ts");
  runView(desk, macro, word);
}

async function prettyprint(desk: Desk, macro: string): Promise<void> {
  const { prettyprintMacro } = await import("./view_macro.ts");
  prettyprintMacro(desk, macro);
}

async function dump(
  desk: Desk,
  which: "documented" | "all",
  directory = ".",
): Promise<void> {
  const { dumpMacros } = await import("./view_macro.ts");
  dumpMacros(desk, which, directory);
}
