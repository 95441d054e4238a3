// Pure
/**
 * Completion for bash, as a script.
 *
 * Names of resources and hosts are read from the tree by the shell itself:
 * quickly, and without a daemon.
 */
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

/** The script; it is read by bash 4 or newer. */
export function bashCompletion(): string {
  const rows = completionRows();
  const offered = rows.filter(({ isOffered }) => isOffered)
    .map(({ names }) => names[0] ?? "").sort();
  const options = completionOptions();
  const flags = options.map((row) =>
    takesNextWord(row) ? `--${row.name}=` : `--${row.name}`
  );
  return `# Completion of mars for bash. Made by: mars completion bash

_mars_directory() {
${directoryLines()}
}

_mars_resources() {
    local path
    for path in "$1"/resource-*/; do
        path=\${path%/}
        [[ -L $path/size ]] && printf '%s\\n' "\${path##*/resource-}"
    done
}

_mars_hosts() {
    local path
    for path in "$1"/ips/ip-*; do
        [[ -L $path ]] && printf '%s\\n' "\${path##*/ip-}"
    done
}

_mars_commands() {
    printf '%s\\n' \\
${listLines(offered)}
}

_mars_macros() {
    printf '%s\\n' \\
${listLines(macroNames())}
}

_mars_options() {
    printf '%s\\n' \\
${listLines(flags)}
}

# What the value of option $1 is.
_mars_value() {
    case $1 in
${
    cases(
      options.flatMap((row) => {
        const word = optionWord(row);
        return word === undefined ? [] : [[`--${row.name}`, kindOf(word)]];
      }),
    )
  }
    esac
}

# What word $2 after command $1 is.
_mars_kind() {
    case $1/$2 in
${
    cases(
      rows.flatMap(({ names, words }) =>
        words.flatMap((word, index): [string, string][] =>
          names.map((name) => [`${name}/${index + 1}`, kindOf(word)])
        )
      ),
    )
  }
    esac
}

# Prints what may stand for $2, which is of kind $1, in the tree $3.
_mars_complete() {
    local list=
    case $1 in
    resource)
        [[ $2 == *,* ]] && list=\${2%,*},
        compgen -P "$list" -W "$(_mars_resources "$3")" -- "\${2##*,}"
        [[ -z $list ]] && compgen -W all -- "$2"
        ;;
    host) compgen -W "$(_mars_hosts "$3")" -- "$2" ;;
    command)
        compgen -W "$(_mars_commands)" -- "$2"
        # There are hundreds: only for who wants one.
        case $2 in
        ${
    familyPrefixes().map((prefix) => `${prefix}*`).join(" | ")
  }) compgen -P "\${2%%-*}-" -W "$(_mars_macros)" -- "\${2#*-}" ;;
        esac
        ;;
    file) compgen -f -- "$2" ;;
    directory) compgen -d -- "$2" ;;
    =*) compgen -W "\${1#=}" -- "$2" ;;
    esac
}

_mars() {
    local -a words=() positional=()
    local word joined= expects= directory current
    # The shell takes "--name=value" apart.
    for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if [[ $word == = && \${words[-1]-} == --* ]]; then
            words[-1]+== joined=1
        elif [[ $joined ]]; then
            words[-1]+=$word joined=
        else
            words+=("$word")
        fi
    done
    current=\${words[-1]-}
    unset 'words[-1]'
    for word in "\${words[@]}"; do
        if [[ $expects ]]; then
            expects=
        elif [[ $word == --*=* ]]; then
            :
        elif [[ $word == -* ]]; then
            case $word in
            ${waitingOptions().join("|")}) expects=$word ;;
            esac
        else
            positional+=("\${word#force-}")
        fi
    done
    directory=$(_mars_directory "\${words[@]}")
    if [[ $expects ]]; then
        mapfile -t COMPREPLY < <(
            _mars_complete "$(_mars_value "$expects")" "$current" "$directory"
        )
    elif [[ $current == --*=* ]]; then
        mapfile -t COMPREPLY < <(
            _mars_complete "$(_mars_value "\${current%%=*}")" \\
                "\${current#*=}" "$directory"
        )
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(
            compgen -W "$(_mars_options)" -- "$current"
        )
        [[ \${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2> /dev/null
    elif [[ \${#positional[@]} -eq 0 ]]; then
        mapfile -t COMPREPLY < <(
            _mars_complete command "$current" "$directory"
        )
    else
        mapfile -t COMPREPLY < <(
            _mars_complete \\
                "$(_mars_kind "\${positional[0]}" "\${#positional[@]}")" \\
                "$current" "$directory"
        )
    fi
    return 0
}

complete -F _mars mars marsadm
`;
}

/** The tree that the words name; in bash and zsh alike. */
export function directoryLines(): string {
  return `    local word previous= found=\${MARS_DIR:-/mars}
    for word in "$@"; do
        [[ $previous == --mars-dir ]] && found=$word
        [[ $word == --mars-dir=* ]] && found=\${word#--mars-dir=}
        previous=$word
    done
    printf '%s\\n' "$found"`;
}

/** The kind as scripts say it: a word, or "=" and a list. */
export function kindOf(word: Word): string {
  return typeof word === "string" ? word : `=${word.join(" ")}`;
}

/** Branches that print; those with the same result are one. */
export function cases(pairs: readonly (readonly string[])[]): string {
  const patterns = new Map<string, string[]>();
  for (const [pattern = "", result = ""] of pairs) {
    if (result === "unknown") continue;
    patterns.set(result, [...patterns.get(result) ?? [], pattern]);
  }
  return [...patterns].map(([result, list]) =>
    `${
      list.map((pattern) => `    ${pattern}`).join(" | \\\n")
    }) printf '%s\\n' '${result}' ;;`
  ).join("\n");
}

function listLines(words: readonly string[]): string {
  return words.map((word) => `        ${word}`).join(" \\\n");
}
