/**
 * Names that scripts of other tools may call: DRBD's, and old ones.
 *
 *   ignored    nothing needs to be done here; exit code 0
 *   senseless  there is nothing of that kind here; exit code 0
 *   forbidden  it would do harm; refused, with what to type instead
 *
 * Those that show something are in `view.ts`.
 *
 * Source: compatibility names of `marsadm`.
 */
import { RefusedError } from "../base/errors.ts";
import type { Command } from "./command.ts";

/** Ours: whatever somebody says to a command that does nothing. */
const WORDS_MAX = 100;

const IGNORED: Readonly<Record<string, string>> = {
  "syncer": "initial copies need no command; see set-global-sync-limit-value",
  "check-resize": "members notice by themselves; see resize",
  "get-gi": "there are no generation identifiers; see view",
  "show-gi": "there are no generation identifiers; see view",
  "outdate": "members know by themselves what they miss; see view",
  "adjust": "there is no configuration to adjust to: links are obeyed at once",
};

const SENSELESS: Readonly<Record<string, string>> = {
  "create-md": "disks carry no metadata",
  "dump-md": "disks carry no metadata",
  "dump": "disks carry no metadata",
  "new-current-uuid": "resources have no such identifier",
};

const FORBIDDEN: Readonly<Record<string, string>> = {
  "invalidate-remote":
    "nobody gives up the copy of another host; type invalidate there",
};

export const COMPAT_COMMANDS: readonly Command[] = [
  {
    ...shape("hidden-commands"),
    summary: "Print the names of commands that help leaves out",
    run: async (desk) => {
      // Not before it is asked for: the table contains this row.
      const { COMMANDS } = await import("./commands.ts");
      COMMANDS.filter(({ isOldName }) => isOldName === true)
        .map(({ name, summary }) => `${name}  ${summary}`)
        .sort().forEach((line) => desk.print(line));
    },
  },
  ...Object.entries(IGNORED).map(([name, why]) =>
    quiet(name, `Ignored: ${why}`)
  ),
  ...Object.entries(SENSELESS).map(([name, why]) =>
    quiet(name, `Makes no sense: ${why}`)
  ),
  ...Object.entries(FORBIDDEN).map(([name, why]): Command => ({
    ...shape(name),
    summary: `Forbidden: ${why}`,
    run: () => {
      throw new RefusedError(`Cannot ${name}`, [why]);
    },
  })),
];

function shape(
  name: string,
): Omit<Command, "summary" | "run"> {
  return {
    name,
    usage: "[RES]",
    subject: "none",
    isReading: true,
    isOldName: true,
    wordsMin: 0,
    wordsMax: WORDS_MAX,
  };
}

function quiet(name: string, summary: string): Command {
  return {
    ...shape(name),
    summary,
    run: (desk) => desk.print(`${name}: ${summary}`),
  };
}
