/** Help: what is said about commands, from the one table. */
import { COMMANDS, PROGRAM_COMMANDS, unknownCommand } from "./commands.ts";
import { OPTION_ROWS } from "./options.ts";

/** All commands, or one. */
export function helpText(name: string | undefined): string {
  const rows = [...PROGRAM_COMMANDS, ...COMMANDS];
  const wanted = name === undefined
    ? rows.filter((row) => !("isOldName" in row))
    : rows.filter((row) => row.name === name);
  if (wanted.length === 0) throw unknownCommand(name ?? "");
  const lines = wanted.map((row) =>
    `  ${`${row.name} ${row.usage}`.trim()}\n      ${row.summary}`
  );
  if (name !== undefined) return lines.join("\n");
  return `mars replicates block devices over long distances.

Usage: mars [options] command [RESOURCE|LIST|all] [words]

${lines.join("\n")}

Options:
${optionLines().join("\n")}

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 refused, 4 timed out.`;
}

function optionLines(): string[] {
  return OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true).map(
    ({ name, value = "", summary }) =>
      `  ${`--${name}${value}`.padEnd(28)} ${summary}`,
  );
}
