// Pure
/**
 * What may follow on a command line, for shells: read off the usage of rows.
 *
 *   RES, RES|LIST|all    a resource, or several with commas
 *   PEER, HOST           a host
 *   DISK, FILE, PATH     a file
 *   COMMAND              a command
 *   flush|durable        one of these
 *
 * A name that ends in MACRO stands for a family, and is a pattern here.
 *
 * Anything else is something that only the administrator can know.
 */
import type { CommandText } from "./commands.ts";
import { HELP_ROWS, topicOf } from "./help.ts";
import { OPTION_ROWS, type OptionRow, takesNextWord } from "./options.ts";
import { VIEW_FAMILIES } from "./view.ts";

/** A kind of word, or the words themselves. */
export type Word =
  | "resource"
  | "host"
  | "file"
  | "directory"
  | "command"
  | "unknown"
  | readonly string[];

/** A command as shells see it: one word. */
export interface CompletionRow {
  /** The name, then its aliases. */
  readonly names: readonly string[];
  readonly summary: string;
  /** Whether it is offered; else only known. */
  readonly isOffered: boolean;
  /** Words after it; the last stands for all further ones if it repeats. */
  readonly words: readonly Word[];
}

/** Commands, each with what may follow. */
export function completionRows(): CompletionRow[] {
  const singles = HELP_ROWS.filter(({ name }) => !name.includes(" "))
    .map((row) => ({ ...row, name: row.name.replace(/MACRO$/, "*") }));
  const families = HELP_ROWS.filter(({ name }) => name.includes(" "));
  const heads = new Set(families.map(({ name }) => name.split(" ")[0] ?? ""));
  return [
    ...singles.map((row): CompletionRow => ({
      names: [row.name, ...row.aliases ?? []],
      summary: row.summary,
      isOffered: topicOf(row).group !== "old" && !row.name.endsWith("*"),
      words: wordsOf(row),
    })),
    ...[...heads].map((head) => familyRow(head, families)),
  ];
}

/** `log dump` and `log verify` as `log` and a choice. */
function familyRow(
  head: string,
  families: readonly CommandText[],
): CompletionRow {
  const rows = families.filter(({ name }) => name.startsWith(`${head} `));
  const verbs = rows.map(({ name }) => name.slice(head.length + 1));
  return {
    names: [head],
    summary: rows.map(({ summary }) => summary).join("; "),
    isOffered: true,
    words: [verbs, ...rows[0] === undefined ? [] : wordsOf(rows[0])],
  };
}

function wordsOf(row: CommandText): Word[] {
  const choices = topicOf(row).choices ?? {};
  const words = row.usage
    // What surrounds a condition belongs to it.
    .replace(/\S*CONDITION\S*/g, "CONDITION")
    .replace(/--\S+/g, "")
    .replace(/[[\]…]/g, " ")
    .split(/\s+/).filter((word) => word !== "")
    .map((word) => choices[word] ?? wordOf(word));
  // What nobody can complete at the end need not be said.
  while (words.at(-1) === "unknown") words.pop();
  return words;
}

function wordOf(word: string): Word {
  if (/^RES\b/.test(word)) return "resource";
  if (/^(?:PEER|HOST)\b/.test(word)) return "host";
  if (/^(?:DISK|FILE|PATH)\b/.test(word)) return "file";
  if (word === "COMMAND") return "command";
  return /^[a-z0-9]+(?:\|[a-z0-9]+)+$/.test(word) ? word.split("|") : "unknown";
}

/** Words that may be the value of an option; undefined if it takes none. */
export function optionWord({ name, value }: OptionRow): Word | undefined {
  if (value === undefined) return undefined;
  if (name === "host") return "host";
  const text = value.replace(/^\[?=|\]$/g, "");
  if (text === "DIR") return "directory";
  if (text === "PATH") return "file";
  return /^\w+(?:\|\w+)+$/.test(text) ? text.split("|") : "unknown";
}

/** Beginnings of the names of families: `view-`. */
export function familyPrefixes(): string[] {
  return VIEW_FAMILIES.map(({ prefix }) => prefix);
}

/** Options whose value may be the next word, as they are typed. */
export function waitingOptions(): string[] {
  return completionOptions().filter(takesNextWord)
    .map(({ name }) => `--${name}`);
}

/** Options that are offered. */
export function completionOptions(): OptionRow[] {
  return OPTION_ROWS.filter(({ isIgnored, name }) =>
    isIgnored !== true && name !== "ip-PEER"
  );
}
