// Pure
/**
 * Variables, and elements of lists that are kept in them.
 *
 *   %{var}                   its value
 *   %{++}{var}  %{var}{++}   counts up; the value after, or before
 *   %{var}{delim}{index}     one element, counted from 0; empty if there is none
 *   %let{var}{value}         sets it; `%append{}` adds at its end
 *   %set{var}{delim}{index}{value}   sets one element
 *
 * Source: variables of `marsadm view`.
 */
import type { Row } from "./rows.ts";
import { type Arg, MacroError, type Run } from "./run.ts";
import { numberOf, numberText, wholeOf } from "./values.ts";

/** Elements of a list in a variable. */
const ELEMENTS_MAX = 1_000_000;

const COUNT_UP = "++";
const COUNT_DOWN = "--";

/** `%{…}` in all its forms. */
export function variable(run: Run, args: readonly Arg[]): string {
  const name = run.text(args, 0);
  if (args.length <= 1) return run.variable(name);
  const second = run.text(args, 1);
  if (name === COUNT_UP) return counted(run, second, 1).after;
  if (name === COUNT_DOWN) return counted(run, second, -1).after;
  if (args.length === 2) {
    if (second === COUNT_UP) return counted(run, name, 1).before;
    if (second === COUNT_DOWN) return counted(run, name, -1).before;
    throw new MacroError("an element needs a delimiter and an index");
  }
  const index = indexOf(run.text(args, 2));
  return elementsOf(run.variable(name), second).at(index) ?? "";
}

export const VARIABLES: readonly Row[] = [
  ["let", {
    about: "sets {variable} to {value}",
    invoke: (run, args) => {
      const [name = "", value = ""] = run.texts(args);
      run.set(name, value);
      return "";
    },
  }],
  ["append", {
    about: "adds {value} at the end of {variable}",
    invoke: (run, args) => {
      const [name = "", value = ""] = run.texts(args);
      run.set(name, (run.variables.get(name) ?? "") + value);
      return "";
    },
  }],
  ["set", {
    about: "sets an element: {variable}{delimiter}{index}{value}",
    invoke: setElement,
  }],
  ["dump-vars", {
    about: "all variables, one per line",
    invoke: (run) =>
      [...run.variables].sort(([left], [right]) => left < right ? -1 : 1)
        .map(([name, value]) => `${name}=${value}\n`).join(""),
  }],
];

function counted(
  run: Run,
  name: string,
  by: number,
): { readonly before: string; readonly after: string } {
  const before = run.variables.get(name) ?? "0";
  const after = numberText(numberOf(before) + by);
  run.set(name, after);
  return { before, after };
}

function setElement(run: Run, args: readonly Arg[]): string {
  const [name = "", delimiter = "", at = "", value = ""] = run.texts(args);
  const elements = elementsOf(run.variables.get(name) ?? "", delimiter);
  const index = indexOf(at);
  const target = index < 0 ? elements.length + index : index;
  if (target < 0) throw new MacroError(`there is no element ${index}`);
  while (elements.length < target) elements.push("");
  elements[target] = value;
  run.set(name, elements.join(delimiter));
  return "";
}

function elementsOf(list: string, delimiter: string): string[] {
  if (delimiter === "") throw new MacroError("a list needs a delimiter");
  return list === "" ? [] : list.split(delimiter);
}

/** Negative ones count from the end. */
function indexOf(text: string): number {
  const index = wholeOf(text);
  if (Math.abs(index) < ELEMENTS_MAX) return index;
  throw new MacroError(`element ${index} is beyond ${ELEMENTS_MAX}`);
}
