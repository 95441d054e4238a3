/**
 * Help, from the one table of commands and the one table of options.
 *
 *   mars help                 what is needed every day, and names of the rest
 *   mars help --all           every command with its usage, and all options
 *   mars help COMMAND         one of them
 *   mars help ARTICLE         options, macros, hooks, environment, files,
 *                             exit-codes
 */
import hooks from "../../docs/hooks.md" with { type: "text" };
import {
  COMMANDS,
  type CommandText,
  PROGRAM_COMMANDS,
  unknownCommand,
} from "./commands.ts";
import { hanging } from "./help_layout.ts";
import { ENVIRONMENT, EXIT_CODES, FILES, type TextRow } from "./help_tables.ts";
import { type Group, GROUPS, type Topic, TOPICS } from "./help_topics.ts";
import { OPTION_ROWS, type OptionRow } from "./options.ts";
import { VIEW_FAMILIES } from "./view.ts";

const NAME_WIDTH = 19;
const OPTION_WIDTH = 28;

/** All rows, in the order of the tables; families stand as `view-MACRO`. */
export const HELP_ROWS: readonly CommandText[] = [
  ...COMMANDS,
  ...VIEW_FAMILIES.map(({ prefix, usage, summary }): CommandText => ({
    name: `${prefix}MACRO`,
    usage,
    summary,
  })),
  ...PROGRAM_COMMANDS,
];

/** Old names are a group of their own; a new row waits there for its topic. */
export function topicOf(row: CommandText): Topic {
  return TOPICS[row.name] ?? { group: "old" };
}

export function rowsOf(group: Group): CommandText[] {
  return HELP_ROWS.filter((row) => topicOf(row).group === group);
}

const ARTICLES: Readonly<Record<string, () => string | Promise<string>>> = {
  "options": () => optionLines(OPTION_ROWS).join("\n"),
  // Loaded only here: there are hundreds.
  "macros": async () => (await import("./help_macros.ts")).macroArticle(),
  "hooks": () => hooks.trimEnd(),
  "environment": () => tableLines(ENVIRONMENT).join("\n"),
  "files": () => tableLines(FILES).join("\n"),
  "exit-codes": () => tableLines(EXIT_CODES).join("\n"),
};

/**
 * What `mars help WORDS` prints; further words may follow.
 *
 * @throws UsageError for an unknown command
 */
export async function helpText(
  words: readonly string[],
  isAll: boolean,
): Promise<string> {
  const [first, second = ""] = words;
  if (first === undefined) return isAll ? everything() : overview();
  const article = ARTICLES[first];
  if (article !== undefined) return await article();
  const row = rowNamed(`${first} ${second}`) ?? rowNamed(first);
  if (row !== undefined) return commandText(row);
  const family = HELP_ROWS.filter(({ name }) => name.startsWith(`${first} `));
  if (family.length === 0) throw unknownCommand(first);
  return family.map(commandText).join("\n\n");
}

function rowNamed(name: string): CommandText | undefined {
  const family = VIEW_FAMILIES.find(({ prefix }) => name.startsWith(prefix));
  const wanted = family === undefined ? name : `${family.prefix}MACRO`;
  return HELP_ROWS.find((row) =>
    row.name === wanted || row.aliases?.includes(name)
  );
}

const HEAD = `mars replicates block devices over long distances.

Usage: mars [options] COMMAND [RESOURCE|LIST|all] [words]`;

function overview(): string {
  const groups = GROUPS.filter(([group]) => group !== "old")
    .flatMap(([group, title]) => {
      const rows = rowsOf(group);
      const common = rows.filter((row) => topicOf(row).isCommon === true);
      const others = rows.filter((row) => !common.includes(row))
        .map(({ name }) => name).join(", ");
      return rows.length === 0 ? [] : [
        `${title}:`,
        ...common.flatMap(({ name, summary }) =>
          hanging(`  ${name}`, NAME_WIDTH, summary)
        ),
        ...(others === "" ? [] : hanging(
          common.length === 0 ? "" : "  also",
          common.length === 0 ? 2 : NAME_WIDTH,
          others,
        )),
      ];
    });
  return `${HEAD}

${groups.join("\n")}

More: mars help COMMAND, mars help --all, man mars; and mars help with one of
${Object.keys(ARTICLES).join(", ")}`;
}

function everything(): string {
  const groups = GROUPS.map(([group, title]) =>
    [
      `${title}:`,
      ...rowsOf(group).flatMap((row) => [
        `  ${usageOf(row)}`,
        ...hanging("", 6, row.summary),
      ]),
    ].join("\n")
  );
  return `${HEAD}

${groups.join("\n\n")}

Options:
${optionLines(OPTION_ROWS).join("\n")}

Exit codes:
${tableLines(EXIT_CODES).join("\n")}`;
}

function commandText(row: CommandText): string {
  const { details, options = [], examples = [] } = topicOf(row);
  const optionRows = OPTION_ROWS.filter(({ name }) => options.includes(name));
  const paragraphs = [row.details, details].filter((text) =>
    text !== undefined
  );
  const sections = [
    [
      `Usage: mars ${usageOf(row)}`,
      "",
      ...hanging("", 0, `${row.summary}.`),
      ...paragraphs.flatMap((text) => ["", ...hanging("", 0, text)]),
    ],
    row.aliases === undefined
      ? []
      : hanging("Also called:", 13, row.aliases.join(", ")),
    optionRows.length === 0 ? [] : ["Options:", ...optionLines(optionRows)],
    examples.length === 0 ? [] : [
      "Examples:",
      ...examples.flatMap(([line, purpose]) => [
        `  ${line}`,
        ...hanging("", 6, purpose),
      ]),
    ],
    hanging("Exit codes:", 12, exitCodes()),
  ];
  return sections.filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n")).join("\n\n");
}

function exitCodes(): string {
  return EXIT_CODES.map(([code, text]) => `${code} ${text.split(/[:;]/)[0]}`)
    .join(", ");
}

export function usageOf({ name, usage }: CommandText): string {
  return `${name} ${usage}`.trim();
}

/** `--force, -f` or `--timeout=SECONDS`. */
export function optionName({ name, alias, value = "" }: OptionRow): string {
  const other = alias === undefined
    ? ""
    : `, -${alias.length > 1 ? "-" : ""}${alias}`;
  return `--${name}${value}${other}`;
}

function optionLines(rows: readonly OptionRow[]): string[] {
  return rows.filter(({ isIgnored }) => isIgnored !== true).flatMap((row) =>
    hanging(`  ${optionName(row)}`, OPTION_WIDTH, row.summary)
  );
}

function tableLines(rows: readonly TextRow[]): string[] {
  return rows.flatMap(([name, text]) =>
    hanging(`  ${name}`, OPTION_WIDTH, text)
  );
}
