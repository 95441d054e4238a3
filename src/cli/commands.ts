/**
 * The command table: every row, and how a name finds its row.
 *
 * Rows stand with what they do, in the files below. Help, manual and completion
 * are made from this table, see `help.ts`.
 */
import { nearestText } from "../base/nearest.ts";
import { UsageError } from "../base/errors.ts";
import { CLUSTER_COMMANDS } from "./cluster.ts";
import { COMPAT_COMMANDS } from "./compat.ts";
import type { Command } from "./command.ts";
import { EXPERT_COMMANDS } from "./expert.ts";
import { HOUSEKEEPING_COMMANDS } from "./housekeeping.ts";
import { INVALIDATE_COMMANDS } from "./invalidate.ts";
import { LEAVE_COMMANDS } from "./leave.ts";
import { LINE_SETTING_COMMANDS } from "./line_settings.ts";
import { REPLAY_COMMANDS } from "./replay.ts";
import { RESOURCE_COMMANDS } from "./resource.ts";
import { ROLE_COMMANDS } from "./role.ts";
import { SETTING_COMMANDS } from "./settings.ts";
import { SWITCH_COMMANDS } from "./switches.ts";
import { SPLIT_COMMANDS } from "./split.ts";
import { SYSTEMD_COMMANDS } from "./systemd.ts";
import { VERIFY_COMMANDS } from "./verify.ts";
import { VIEW_COMMANDS, viewCommand } from "./view.ts";
import { WAIT_COMMANDS } from "./wait.ts";

export const COMMANDS: readonly Command[] = [
  ...CLUSTER_COMMANDS,
  ...RESOURCE_COMMANDS,
  ...LEAVE_COMMANDS,
  ...INVALIDATE_COMMANDS,
  ...REPLAY_COMMANDS,
  ...VERIFY_COMMANDS,
  ...SWITCH_COMMANDS,
  ...ROLE_COMMANDS,
  ...SPLIT_COMMANDS,
  ...VIEW_COMMANDS,
  ...WAIT_COMMANDS,
  ...HOUSEKEEPING_COMMANDS,
  ...SETTING_COMMANDS,
  ...LINE_SETTING_COMMANDS,
  ...SYSTEMD_COMMANDS,
  ...EXPERT_COMMANDS,
  ...COMPAT_COMMANDS,
];

/** What help says of a command. */
export type CommandText = Pick<
  Command,
  "name" | "aliases" | "usage" | "summary" | "details" | "isOldName"
>;

/** Command lines of the program itself; `main.ts` knows what they do. */
export const PROGRAM_COMMANDS: readonly CommandText[] = [
  {
    name: "daemon",
    usage: "[--listen=ADDRESS] [--reserve=SIZE]",
    summary: "Run the daemon of this host in the foreground",
  },
  { name: "demo", usage: "[--keep]", summary: "Show what mars does, here" },
  { name: "key show", usage: "", summary: "Print the public key of this host" },
  { name: "key list", usage: "", summary: "Print whom this host trusts" },
  {
    name: "key trust",
    usage: "LINE…",
    summary: "Trust a host, by the line that key show printed there",
  },
  {
    name: "key forget",
    usage: "HOST",
    summary: "Trust a host no longer",
  },
  {
    name: "token create",
    usage: "[--ip=ADDRESS[:PORT]]",
    summary: "Make a one-time token that lets another host join",
  },
  {
    name: "log dump",
    usage: "FILE [--json]",
    summary: "Print the records of a log file",
  },
  {
    name: "log verify",
    usage: "FILE [--json]",
    summary: "Check a log file; say where and how it is damaged",
  },
  {
    name: "device list",
    usage: "[--json]",
    summary: "Print the block devices of the kernel, and who serves them",
  },
  {
    name: "device abandon",
    usage: "NAME [--force]",
    summary: "End a device whose daemon does not come back",
  },
  {
    name: "install",
    usage: "--systemd [--prefix=DIR]",
    summary: "Make mars a service of systemd",
  },
  {
    name: "uninstall",
    usage: "[--prefix=DIR]",
    summary: "Remove the files of the service",
  },
  {
    name: "help",
    usage: "[COMMAND] [--all]",
    summary: "Explain commands, options, hooks",
  },
  { name: "manual", usage: "", summary: "Print the manual page mars(8)" },
  {
    name: "completion",
    usage: "bash|zsh|fish",
    summary: "Print what lets a shell complete command lines",
  },
  { name: "version", usage: "", summary: "Print the version" },
];

/** The row that has this name. @throws UsageError naming those nearby */
export function commandOf(name: string, next?: string): Command {
  const command = rowOf(name);
  if (command !== undefined) return command;
  const isSwapped = next !== undefined && rowOf(next) !== undefined;
  if (isSwapped) {
    throw new UsageError(
      `Unknown command "${name}"; the command stands first: mars ${next} ${name}`,
    );
  }
  throw unknownCommand(name);
}

/** Words of a command line; a name of two words becomes one. */
export function namedWords(words: readonly string[]): readonly string[] {
  const [first, second, ...rest] = words;
  const name = `${first} ${second}`;
  const isName = COMMANDS.some((row) => row.name === name);
  return isName ? [name, ...rest] : words;
}

function rowOf(name: string): Command | undefined {
  return COMMANDS.find((row) =>
    row.name === name || row.aliases?.includes(name)
  ) ?? viewCommand(name);
}

/** Names the commands that are spelled most alike. */
export function unknownCommand(name: string): UsageError {
  const names = [...COMMANDS, ...PROGRAM_COMMANDS].map((row) => row.name);
  return new UsageError(
    `Unknown command "${name}"${nearestText(name, names)}; type mars help`,
  );
}
