// Pure
/**
 * The manual page mars(8), in the language of man(7), from the same tables as
 * help.
 */
import { VERSION } from "../base/version.ts";
import type { CommandText } from "./commands.ts";
import { optionName, rowsOf, topicOf, usageOf } from "./help.ts";
import { ENVIRONMENT, EXIT_CODES, FILES, type TextRow } from "./help_tables.ts";
import { GROUPS } from "./help_topics.ts";
import { OPTION_ROWS } from "./options.ts";

/** Of this version; pages have one. */
const DATE = "2026-11-22";

/** The whole page. */
export function manualPage(): string {
  return [
    `.TH MARS 8 "${DATE}" "mars ${VERSION}" "System Administration"`,
    ".SH NAME",
    "mars, marsadm \\- asynchronous replication of block devices",
    ".SH SYNOPSIS",
    ".B mars",
    "[\\fIoptions\\fR] \\fIcommand\\fR [\\fIresource\\fR|\\fIlist\\fR|all] [\\fIwords\\fR]",
    ".SH DESCRIPTION",
    ...paragraphs(DESCRIPTION),
    ".SH COMMANDS",
    ...GROUPS.flatMap(([group, title]) => {
      const rows = rowsOf(group);
      return rows.length === 0
        ? []
        : [`.SS ${plain(title)}`, ...rows.flatMap(commandLines)];
    }),
    ".SH OPTIONS",
    ...OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true).flatMap((
      row,
    ) => [".TP", `.B ${plain(optionName(row))}`, plain(row.summary)]),
    ".SH HOOKS",
    ...paragraphs(HOOKS),
    ".SH ENVIRONMENT",
    ...tableLines(ENVIRONMENT),
    ".SH FILES",
    ...tableLines(FILES),
    ".SH EXIT STATUS",
    ...tableLines(EXIT_CODES),
    ".SH SEE ALSO",
    ".BR nbd\\-client (8),",
    ".BR logger (1),",
    ".BR ssh\\-keygen (1)",
    "",
  ].join("\n");
}

const DESCRIPTION = [
  "The primary host of a resource writes every change to a transaction log before it acknowledges it, and to its disk later. Secondaries fetch the logs and replay them: a replica may be old, but at every moment it is a state that the primary once had. One daemon per host does the work; commands read and write symbolic links in the tree below /mars, which hosts exchange, and most of them work without a daemon.",
  "Options may stand anywhere. A command or argument that begins with force- is the same without it and with --force. Where a command takes a resource it takes a comma list, too, and all, which means every resource that this host takes part in. The program does the same under the name marsadm.",
  "Sizes are numbers with a suffix: k, m, g, t, p are powers of 1000, K, M, G, T, P of 1024. Devices have whole pages of 4096 bytes.",
  "Output of commands that change something goes to the system log, too; see --logger. A failure is told on standard error in a line that begins with DYING, and FAILURE with command and resource follows on standard output. WARNING means that the command goes on, SKIPPING that a resource is left out.",
];

const HOOKS = [
  "Before and after every phase of a command programs of the administrator run: hook-all-pre, hook-pre, hook-post and hook-all-post, each also with -COMMAND behind it, and each as a directory with .d behind it, in the directories of MARS_PATH. They get the command, the resource and the further words. Another exit code than 0 forbids what comes next, unless --force is given. They must belong to root or the caller, like all directories above them, and others must not be able to write to them. The current directory is not searched unless MARS_PATH names it. See mars help hooks.",
];

function commandLines(row: CommandText): string[] {
  const { details, options = [], examples = [] } = topicOf(row);
  const names = OPTION_ROWS.filter(({ name }) => options.includes(name))
    .map((option) => optionName(option));
  return [
    ".TP",
    `.B ${plain(usageOf(row))}`,
    plain(`${row.summary}.`),
    ...[row.details, details].flatMap((text) =>
      text === undefined ? [] : [".IP", plain(text)]
    ),
    ...labelled("Also called", row.aliases ?? []),
    ...labelled("Options", names),
    ...examples.flatMap(([line, purpose]) => [
      ".IP",
      `\\fB${plain(line)}\\fR \\- ${plain(purpose)}`,
    ]),
  ];
}

function labelled(label: string, words: readonly string[]): string[] {
  return words.length === 0
    ? []
    : [".IP", plain(`${label}: ${words.join(", ")}.`)];
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) =>
    index === 0 ? [plain(text)] : [".PP", plain(text)]
  );
}

function tableLines(rows: readonly TextRow[]): string[] {
  return rows.flatMap((
    [name, text],
  ) => [".TP", `.B ${plain(name)}`, plain(text)]);
}

/** Text that the formatter takes literally, as one line. */
export function plain(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replaceAll("…", "...");
  // At the beginning of a line these begin a request.
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
