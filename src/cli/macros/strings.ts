// Pure
/**
 * Macros on texts: comparing, matching, replacing, formatting.
 *
 * Regular expressions are those of JavaScript; options are its flags (`i`, `g`,
 * `s`, `m`, `u`) and `x` of Perl, which leaves blanks out. In a macro a
 * backslash is written twice: `%match{%{text}}{^\\d+$}`.
 *
 * Source: strings of `marsadm view`; here the format of `%sprintf{}` is
 * evaluated like every other argument.
 */
import type { Invoke, Primitive } from "./library.ts";
import type { Row } from "./rows.ts";
import { MacroError } from "./run.ts";
import { sprintf } from "./sprintf.ts";
import { shortened, truthText } from "./values.ts";

type Test = (left: string, right: string) => boolean;

const TESTS: Readonly<Record<string, Test>> = {
  lt: (left, right) => left < right,
  gt: (left, right) => left > right,
  le: (left, right) => left <= right,
  ge: (left, right) => left >= right,
  eq: (left, right) => left === right,
  ne: (left, right) => left !== right,
};

const match: Primitive = {
  about: "1 if {text} matches {expression}, with {options}",
  invoke: (run, args) => {
    const [text = "", expression = "", options = ""] = run.texts(args);
    return truthText(expressionOf(expression, options).test(text));
  },
};

export const STRINGS: readonly Row[] = [
  ...Object.entries(TESTS).map(([name, test]) =>
    [name, {
      about: `1 if texts are "${name}", each to the next`,
      invoke: compared(test),
    }] as const
  ),
  ["match", match],
  ["=~", match],
  ["subst", {
    about: "{text} with {expression} replaced by {replacement}, {options}",
    invoke: (run, args) => {
      const [text = "", expression = "", by = "", options = ""] = run.texts(
        args,
      );
      return text.replace(expressionOf(expression, options), by);
    },
  }],
  ["toupper", {
    about: "{text} in capitals",
    invoke: (run, args) => run.text(args, 0).toUpperCase(),
  }],
  ["tolower", {
    about: "{text} in small letters",
    invoke: (run, args) => run.text(args, 0).toLowerCase(),
  }],
  ["length", {
    about: "characters of {text}",
    invoke: (run, args) => String([...run.text(args, 0)].length),
  }],
  ["sprintf", {
    about: "{format} with values, as in C",
    invoke: (run, args) => {
      const [format = "", ...values] = run.texts(args);
      return sprintf(format, values);
    },
  }],
];

function compared(test: Test): Invoke {
  return (run, args) => {
    const texts = run.texts(args);
    return truthText(
      texts.every((text, index) => {
        const before = texts[index - 1];
        return before === undefined || test(before, text);
      }),
    );
  };
}

const FLAGS = "gimsu";

function expressionOf(expression: string, options: string): RegExp {
  let flags = "";
  let source = expression;
  for (const letter of new Set(options)) {
    if (letter === "x") source = source.replace(/\s+/g, "");
    else if (FLAGS.includes(letter)) flags += letter;
    else {
      throw new MacroError(
        `unknown option "${letter}" of a regular expression; expected g i m s u x`,
      );
    }
  }
  try {
    return new RegExp(source, flags);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MacroError(
      `"${shortened(source)}" is no regular expression: ${error.message}`,
    );
  }
}
