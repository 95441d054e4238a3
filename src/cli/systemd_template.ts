// Pure
/**
 * Templates of systemd units: what stands in their names and bodies.
 *
 *   @{var}            value of a variable
 *   @eval{macro}      result of a macro
 *   @esc{text}        the text, escaped as a part of a unit's name
 *   @escvar{var}      value of a variable, escaped
 *   @verbatim{text}   the text as it stands
 *   ^{var}            in names only: matches anything, and gives it a name
 *
 * Braces nest; what is inside is expanded first, except after `@verbatim`. A
 * template applies to a unit if its name, expanded, matches the unit's name;
 * what `^{var}` matched is a variable of the body. So one template makes the
 * units of all resources:
 *
 *   vol-^{res}.mount   for vol-mydata.mount    with res = mydata
 *
 * Markers stand in comment lines: `# ALWAYS_START`, `# DEFAULT_STOP`.
 *
 * Source: systemd templates of MARS. That what a pattern matched is unescaped
 * (`\x2d` to `-`) is ours: names of resources may contain what systemd escapes.
 */
import { MarsError } from "../base/errors.ts";

/** A template as it stands in a file. */
export interface Template {
  /** Name of the file, pattern and suffix included. */
  readonly name: string;
  /** Where it stands, for people. */
  readonly path: string;
  readonly text: string;
}

/** What a template may ask for. */
export interface Scope {
  readonly variables: ReadonlyMap<string, string>;
  /** @throws MarsError */
  readonly evaluate: (
    macro: string,
    variables: ReadonlyMap<string, string>,
  ) => string;
}

/** Kinds of files; `.script` is ours to the eyes of systemd. */
export const UNIT_SUFFIXES: readonly string[] = [
  "automount",
  "device",
  "mount",
  "path",
  "scope",
  "service",
  "slice",
  "socket",
  "swap",
  "target",
  "timer",
];
export const SCRIPT_SUFFIX = "script";

export function isTemplateName(name: string): boolean {
  const suffix = name.slice(name.lastIndexOf(".") + 1);
  return !name.startsWith(".") &&
    (suffix === SCRIPT_SUFFIX || UNIT_SUFFIXES.includes(suffix));
}

// ---- markers --------------------------------------------------------------

/** Whether a comment line of `text` consists of `marker`. */
export function hasMarker(text: string, marker: string): boolean {
  return text.split("\n").some((line) =>
    COMMENT.exec(line)?.[1]?.split(/\s+/).includes(marker) === true
  );
}

const COMMENT = /^\s*[#;]+\s*(.*)$/;

// ---- expansion ------------------------------------------------------------

/** @throws MarsError naming the template and what is wrong */
export function expand(
  text: string,
  scope: Scope,
  template: Template,
): string {
  let result = "";
  let at = 0;
  for (;;) {
    const call = CALL.exec(text.slice(at));
    if (call === null) return result + text.slice(at);
    const [opening, kind = ""] = call;
    const start = at + call.index;
    const inside = start + opening.length;
    const end = closingBrace(text, inside);
    if (end === undefined) {
      throw failure(template, `"${opening}" is not closed`);
    }
    result += text.slice(at, start) +
      valueOf(kind, text.slice(inside, end), scope, template);
    at = end + 1;
  }
}

const CALL = /@(eval|verbatim|escvar|esc|)\{/;

function valueOf(
  kind: string,
  inside: string,
  scope: Scope,
  template: Template,
): string {
  if (kind === "verbatim") return inside;
  const text = expand(inside, scope, template);
  switch (kind) {
    case "eval":
      return scope.evaluate(text, scope.variables);
    case "esc":
      return escapeUnit(text);
    case "escvar":
      return escapeUnit(variable(text, scope, template));
    default:
      return variable(text, scope, template);
  }
}

function variable(name: string, scope: Scope, template: Template): string {
  const value = scope.variables.get(name);
  if (value !== undefined) return value;
  throw failure(template, `there is no variable "${name}"`);
}

function failure(template: Template, what: string): MarsError {
  return new MarsError(`Cannot use template "${template.path}": ${what}`);
}

/** Index of the brace that closes what was opened before `from`. */
function closingBrace(text: string, from: number): number | undefined {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth += 1;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  return undefined;
}

// ---- names ----------------------------------------------------------------

/**
 * What `^{var}` of the template's name stand for in `unit`; undefined if the
 * template makes another unit.
 *
 * @throws MarsError as `expand`
 */
export function matchName(
  template: Template,
  unit: string,
  scope: Scope,
): Map<string, string> | undefined {
  const names: string[] = [];
  let pattern = "";
  for (const [index, part] of nameParts(template.name).entries()) {
    if (index % 2 === 1) {
      names.push(part);
      pattern += "(.+?)";
    } else pattern += escapeRegExp(expand(part, scope, template));
  }
  const match = new RegExp(`^${pattern}$`).exec(unit);
  if (match === null) return undefined;
  const bound = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    const value = unescapeUnit(match[index + 1] ?? "");
    const known = bound.get(name);
    if (known !== undefined && known !== value) return undefined;
    bound.set(name, value);
  }
  return bound;
}

/**
 * The unit that a template makes for the variables of `scope`.
 *
 * @throws MarsError for a variable that there is not
 */
export function unitName(template: Template, scope: Scope): string {
  return nameParts(template.name).map((part, index) =>
    index % 2 === 1
      ? escapeUnit(variable(part, scope, template))
      : expand(part, scope, template)
  ).join("");
}

/** Variables that only a name gives a value to. */
export function patternVariables(template: Template): string[] {
  return nameParts(template.name).filter((_, index) => index % 2 === 1);
}

/** How much of a name is fixed: of two that match, the greater counts. */
export function fixedLength(template: Template): number {
  return nameParts(template.name).filter((_, index) => index % 2 === 0)
    .join("").length;
}

/** Text, variable, text, variable, … text. */
function nameParts(name: string): string[] {
  return name.split(/\^\{([^{}]*)\}/);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/**
 * As `systemd-escape`, with `--path` if the text begins with a slash: `/` to
 * `-`, everything that a name cannot hold to `\xHH`.
 */
export function escapeUnit(text: string): string {
  const isPath = text.startsWith("/");
  const bare = isPath
    ? text.replace(/\/+/g, "/").replace(/^\/|\/$/g, "")
    : text;
  if (isPath && bare === "") return "-";
  let escaped = "";
  for (const byte of new TextEncoder().encode(bare)) {
    const letter = String.fromCharCode(byte);
    const isPlain = byte < 0x80 && /[A-Za-z0-9:_.]/.test(letter) &&
      !(letter === "." && escaped === "");
    if (letter === "/") escaped += "-";
    else if (isPlain) escaped += letter;
    else escaped += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return escaped;
}

/** Takes back `\xHH`; a `-` stays, as resources may have one. */
export function unescapeUnit(text: string): string {
  if (!text.includes("\\x")) return text;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const part of text.split(/(\\x[0-9a-fA-F]{2})/)) {
    if (/^\\x[0-9a-fA-F]{2}$/.test(part)) {
      bytes.push(Number.parseInt(part.slice(2), 16));
    } else bytes.push(...encoder.encode(part));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
