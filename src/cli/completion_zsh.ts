// Pure
/** Completion for zsh, as a function file `_mars`. */
import { cases, directoryLines, kindOf } from "./completion_bash.ts";
import {
  completionOptions,
  completionRows,
  familyPrefixes,
  optionWord,
  type Word,
} from "./completion_table.ts";
import { macroNames } from "./help_macros.ts";
import type { OptionRow } from "./options.ts";

/** The function file. */
export function zshCompletion(): string {
  const rows = completionRows();
  const commands = rows.filter(({ isOffered }) => isOffered)
    .map(({ names, summary }) => `${names[0]}:${summary}`).sort();
  const kinds = rows.flatMap(({ names, words }) =>
    words.flatMap((word, index): [string, string][] =>
      names.map((name) => [`${name}/${index + 1}`, kindOf(word)])
    )
  );
  const prefixes = familyPrefixes().join("|");
  return `#compdef mars marsadm
# Completion of mars for zsh. Made by: mars completion zsh

_mars_directory() {
${directoryLines()}
}

_mars_resources() {
    local -a names
    names=("$(_mars_directory "\${words[@]}")"/resource-*/size(N@))
    names=(\${\${names%/size}##*/resource-})
    compset -P '*,' || names+=(all)
    compadd -S '' -- "\${names[@]}"
}

_mars_hosts() {
    local -a names
    names=("$(_mars_directory "\${words[@]}")"/ips/ip-*(N@))
    compadd -- "\${names[@]##*/ip-}"
}

_mars_commands() {
    local -a commands=(
${commands.map((text) => `        ${quoted(text)}`).join("\n")}
    )
    # There are hundreds: only for who wants one.
    if compset -P '(${prefixes})'; then
        compadd -- ${macroNames().join(" ")}
    else
        _describe -t commands command commands
    fi
}

# What word $2 after command $1 is.
_mars_kind() {
    case $1/$2 in
${cases(kinds)}
    esac
}

_mars_word() {
    local kind=$(_mars_kind "\${line[1]#force-}" $((\${#line} - 1)))
    case $kind in
    resource) _mars_resources ;;
    host) _mars_hosts ;;
    file) _files ;;
    command) _mars_commands ;;
    '='*) compadd -- \${=kind#=} ;;
    esac
}

_mars() {
    local context state state_descr
    local -a line
    typeset -A opt_args
    _arguments -S \\
${
    completionOptions().flatMap(specsOf)
      .map((text) => `        ${quoted(text)} \\`).join("\n")
  }
        '1:command:_mars_commands' \\
        '*:word:_mars_word'
}

_mars "$@"
`;
}

/** `--name=[summary]:VALUE:action` */
function specsOf(row: OptionRow): string[] {
  const { name, alias, value, summary } = row;
  const word = optionWord(row);
  const isOptional = value?.startsWith("[") === true;
  const text = summary.replace(/[[\]:]/g, "\\$&");
  const title = (value ?? "").replace(/[[\]=:]/g, "");
  const argument = word === undefined
    ? ""
    : `${isOptional ? "::" : ":"}${title}:${actionOf(word)}`;
  const suffix = word === undefined ? "" : isOptional ? "=-" : "=";
  const long = `*--${name}${suffix}[${text}]${argument}`;
  const short = alias === undefined || alias.length > 1
    ? []
    : [`*-${alias}[${text}]`];
  return [long, ...short];
}

function actionOf(word: Word): string {
  if (typeof word !== "string") return `(${word.join(" ")})`;
  switch (word) {
    case "resource":
      return "_mars_resources";
    case "host":
      return "_mars_hosts";
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    default:
      return " ";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
