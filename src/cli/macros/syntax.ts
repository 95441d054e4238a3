// Pure
/**
 * Syntax of the macro language: text into parts.
 *
 *   %name{arg}{arg}   call; at least one argument, though it may be empty
 *   %{var}            variable; a call whose name is empty
 *   \n \t \r \f \b \a \e   control characters
 *   \x                any other character x, literally
 *   \ at the end of a line   joins it with the next one, without its blanks
 *   # …  // …  /* … *\/      comments
 *
 * A name is a word of letters, digits, `-` and `_`, or an operator. A `%` that
 * begins no call stands for itself. Braces inside an argument must be balanced.
 *
 * A comment begins where nothing but a blank, a brace or a line's begin stands
 * before it, so that `http://` and `/mars/*` need no escapes. One that goes to
 * the end of its line joins it with the next one, as a backslash there does;
 * blanks before it belong to it. Lines may be joined before an argument.
 *
 * Source: macro language of `marsadm view`.
 */
import { MarsError } from "../../base/errors.ts";

/** Literal text, or a call. */
export type Part = string | Call;

export interface Call {
  /** Empty for a variable. */
  readonly name: string;
  readonly args: readonly Argument[];
  /** Index of the `%` in the text. */
  readonly at: number;
}

export interface Argument {
  readonly parts: readonly Part[];
  /** As it was written. */
  readonly text: string;
}

/** Ours. Nobody writes deeper than ten. */
const NESTING_MAX = 100;

/** A text that breaks the syntax. */
export class MacroSyntaxError extends MarsError {
  override readonly name = "MacroSyntaxError";
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const CALL =
  /%(?:([A-Za-z0-9_][-A-Za-z0-9_]*|<<|>>|<=|>=|==|!=|=~|&&|\|\||[-+*/%&|^<>!~])(?:\\\n[ \t]*)?)?(?=\{)/y;
const JOINED_LINE = /\\\n[ \t]*/y;
const COMMENT = /[ \t]*(?:(?:#|\/\/)[^\n]*(?:\n[ \t]*|$)|\/\*[^]*?\*\/)/y;
const NEXT_ARGUMENT =
  /(?:\\\n[ \t]*|[ \t]*(?:#|\/\/)[^\n]*\n[ \t]*|[ \t]*\/\*[^]*?\*\/)*\{/y;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  f: "\f",
  b: "\b",
  a: "\x07",
  e: "\x1b",
};

/** @throws MacroSyntaxError */
export function parseMacro(text: string): readonly Part[] {
  const parser = new Parser(text);
  return parser.parts(0);
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Parts up to the end of the text, or to the brace that closes an argument. */
  parts(nesting: number): Part[] {
    const parts: Part[] = [];
    let literal = "";
    let openBraces = 0;
    while (this.#at < this.#text.length) {
      if (this.#skip(JOINED_LINE) || this.#skipComment()) continue;
      const call = this.#call(nesting);
      if (call !== undefined) {
        if (literal !== "") parts.push(literal);
        literal = "";
        parts.push(call);
        continue;
      }
      const letter = this.#text[this.#at] ?? "";
      if (nesting > 0 && letter === "{") openBraces++;
      if (nesting > 0 && letter === "}" && openBraces-- === 0) break;
      literal += this.#letter(letter);
    }
    if (literal !== "") parts.push(literal);
    return parts;
  }

  #letter(letter: string): string {
    this.#at++;
    const next = this.#text[this.#at];
    if (letter !== "\\" || next === undefined) return letter;
    this.#at++;
    return ESCAPES[next] ?? next;
  }

  #call(nesting: number): Call | undefined {
    const at = this.#at;
    CALL.lastIndex = at;
    const match = CALL.exec(this.#text);
    if (match === null) return undefined;
    if (nesting >= NESTING_MAX) {
      throw new MacroSyntaxError(
        `more than ${NESTING_MAX} arguments inside each other`,
        at,
      );
    }
    this.#at = CALL.lastIndex;
    const args: Argument[] = [];
    while (this.#skip(NEXT_ARGUMENT)) {
      const start = this.#at;
      const parts = this.parts(nesting + 1);
      if (this.#text[this.#at] !== "}") {
        throw new MacroSyntaxError(
          `the argument that begins here is not closed by "}"`,
          start - 1,
        );
      }
      args.push({ parts, text: this.#text.slice(start, this.#at) });
      this.#at++;
    }
    return { name: match[1] ?? "", args, at };
  }

  #skipComment(): boolean {
    const before = this.#text[this.#at - 1];
    const here = this.#text[this.#at];
    const isBorder = before === undefined || " \t\n{}".includes(before) ||
      here === " " || here === "\t";
    return isBorder && this.#skip(COMMENT);
  }

  #skip(what: RegExp): boolean {
    what.lastIndex = this.#at;
    if (!what.test(this.#text)) return false;
    this.#at = what.lastIndex;
    return true;
  }
}

/** `3:14`: line and column of an index, both from 1. */
export function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}
