// Pure
/** Completion for fish, as a script. */
import { macroNames } from "./help_macros.ts";
import { takesNextWord } from "./options.ts";
import {
  completionOptions,
  completionRows,
  familyPrefixes,
  optionWord,
  waitingOptions,
  type Word,
} from "./completion_table.ts";

/** The script. */
export function fishCompletion(): string {
  const rows = completionRows();
  const options = completionOptions();
  const prefixes = familyPrefixes().join("|");
  return `# Completion of mars for fish. Made by: mars completion fish

# Words that are no options, without the one that is being typed.
function __mars_words
    set -l expects
    set -l words (commandline -opc)
    for word in $words[2..]
        if set -q expects[1]
            set -e expects
        else if contains -- $word ${waitingOptions().join(" ")}
            set expects $word
        else if not string match -q -- '-*' $word
            string replace -r '^force-' '' -- $word
        end
    end
end

function __mars_directory
    set -l words (commandline -opc)
    set -l found /mars
    set -q MARS_DIR; and set found $MARS_DIR
    set -l previous
    for word in $words
        test "$previous" = --mars-dir; and set found $word
        string match -q -- '--mars-dir=*' $word
        and set found (string replace -- --mars-dir= '' $word)
        set previous $word
    end
    printf '%s\\n' $found
end

function __mars_resources
    set -l list (string match -r '.*,' -- (commandline -ct))
    for path in (__mars_directory)/resource-*/size
        printf '%s\\n' "$list"(string replace -r '.*/resource-([^/]*)/size$' '$1' -- $path)
    end
    test -z "$list"; and printf 'all\\n'
end

function __mars_hosts
    for path in (__mars_directory)/ips/ip-*
        string replace -r '.*/ip-' '' -- $path
    end
end

# Whether word $argv[1] is due, after one of the commands that follow.
function __mars_is
    set -l words (__mars_words)
    test (count $words) -eq $argv[1]; or return 1
    test $argv[1] -eq 0; and return 0
    for pattern in $argv[2..]
        string match -q -- $pattern $words[1]; and return 0
    end
    return 1
end

# There are hundreds of macros: only for who wants one.
function __mars_macros
    set -l prefix (string match -r '^(?:${prefixes})' -- (commandline -ct))
    or return
    printf "$prefix%s\\n" ${macroNames().join(" ")}
end

complete -c mars -f
complete -c marsadm -w mars
complete -c mars -n '__mars_is 0' -a '(__mars_macros)'
${
    rows.filter(({ isOffered }) => isOffered).map(({ names, summary }) =>
      `complete -c mars -n '__mars_is 0' -a ${names[0]} -d ${quoted(summary)}`
    ).join("\n")
  }

${wordLines(rows).join("\n")}

${
    options.map((row) => {
      const { name, alias, summary } = row;
      const argument = argumentOf(optionWord(row));
      // Files are offered by themselves, unless they are excluded.
      const exclusive = argument === FILES ? " -r" : " -x";
      const short = alias === undefined || alias.length > 1
        ? ""
        : ` -s ${alias}`;
      return `complete -c mars -l ${name}${short}${
        takesNextWord(row) ? exclusive : ""
      }${argument} -d ${quoted(summary)}`;
    }).join("\n")
  }
`;
}

/** One line per position and kind, for all commands that have it there. */
function wordLines(rows: ReturnType<typeof completionRows>): string[] {
  const lines = new Map<string, string[]>();
  for (const { names, words } of rows) {
    for (const [index, word] of words.entries()) {
      const argument = argumentOf(word);
      if (argument === "") continue;
      const key = `${index + 1}\n${argument}`;
      lines.set(key, [...lines.get(key) ?? [], ...names]);
    }
  }
  return [...lines].map(([key, names]) => {
    const [position, argument = ""] = key.split("\n");
    return `complete -c mars -n '__mars_is ${position} ${
      names.map((name) => name.endsWith("*") ? `"${name}"` : name).join(" ")
    }'${argument}`;
  });
}

const FILES = " -F";

function argumentOf(word: Word | undefined): string {
  if (word === undefined) return "";
  if (typeof word !== "string") return ` -a '${word.join(" ")}'`;
  switch (word) {
    case "resource":
      return " -a '(__mars_resources)'";
    case "host":
      return " -a '(__mars_hosts)'";
    case "file":
      return FILES;
    case "directory":
      return " -a '(__fish_complete_directories)'";
    case "command":
      return ` -a '${
        completionRows().filter(({ isOffered }) => isOffered)
          .map(({ names }) => names[0]).join(" ")
      }'`;
    default:
      return "";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
