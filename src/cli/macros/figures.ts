// Pure
/**
 * Macros that write figures for people.
 *
 *   human-numbers{unit}{num delim}{unit delim}{n}…   8.000/16.000 MiB
 *   human-rounded{decimals}{num delim}{unit delim}{n}…   ours: 8/16 MiB
 *   human-seconds{n}                                 01:06:40, or --:--:--
 *   progress{characters}{min}{mid}{max}              [===>::::......]
 *
 * Without a unit the largest number decides. A capital letter (K M G T B) asks
 * for powers of 1024, a small one for powers of 1000.
 *
 * Source: `human-numbers`, `human-seconds`, `progress` of `marsadm view`.
 */
import {
  formatBar,
  formatDecimals,
  formatDuration,
  type Unit,
  unitFor,
} from "../../base/figures.ts";
import { type Row, row } from "./rows.ts";
import { type Arg, MacroError, type Run } from "./run.ts";
import { numberOf, wholeOf } from "./values.ts";

const DECIMALS = 3;
const DECIMALS_MAX = 20;
const BAR_CHARACTERS = 20;
const BAR_CHARACTERS_MAX = 1000;

const LETTERS = "BKMGTP";

export const FIGURE_MACROS: readonly Row[] = [
  row(
    "human-numbers",
    "{unit}{delimiter}{before unit}{numbers}…",
    (run, args) => {
      const [unit = "", ...rest] = run.texts(args);
      return numbersText(rest, unit, DECIMALS);
    },
  ),
  row(
    "human-rounded",
    "{decimals}{delimiter}{before unit}{numbers}…",
    (run, args) => {
      const [decimals = "", ...rest] = run.texts(args);
      return numbersText(rest, "", boundedOf(decimals, 0, DECIMALS_MAX));
    },
  ),
  row("human-seconds", "{seconds} as HH:MM:SS", (run, args) => {
    const text = run.text(args, 0);
    return formatDuration(text === "" ? undefined : numberOf(text));
  }),
  row("progress", "{characters}{done}{here}{all} as a bar", progress),
];

function numbersText(
  [delimiter = "/", beforeUnit = " ", ...texts]: readonly string[],
  unitName: string,
  decimals: number,
): string {
  const numbers = texts.map(numberOf);
  const largest = Math.max(0, ...numbers.map(Math.abs));
  const unit = unitName === "" ? unitFor(largest) : unitOf(unitName);
  const written = numbers.map((number) => inUnit(number, unit, decimals));
  return `${written.join(delimiter || "/")}${beforeUnit || " "}${unit.name}`;
}

/** Whole bytes; without decimals everything is rounded down. */
function inUnit(number: number, unit: Unit, decimals: number): string {
  const inUnits = number / unit.bytes;
  return unit.bytes === 1 || decimals === 0
    ? String(Math.floor(inUnits))
    : (number < 0 ? "-" : "") + formatDecimals(Math.abs(inUnits), decimals);
}

/** @throws MacroError */
function unitOf(name: string): Unit {
  const letter = name.slice(0, 1);
  const power = LETTERS.indexOf(letter.toUpperCase());
  if (power < 0) {
    throw new MacroError(
      `there is no unit "${name}"; expected K M G T P B, or small letters for powers of 1000`,
    );
  }
  const capital = letter.toUpperCase();
  if (power === 0) return { name: "B", bytes: 1 };
  return letter === capital
    ? { name: `${capital}iB`, bytes: 1024 ** power }
    : { name: `${capital === "K" ? "k" : capital}B`, bytes: 1000 ** power };
}

function boundedOf(text: string, least: number, most: number): number {
  const number = wholeOf(text);
  if (number >= least && number <= most) return number;
  throw new MacroError(`${number} is not between ${least} and ${most}`);
}

function progress(run: Run, args: readonly Arg[]): string {
  const [length = "", ...amounts] = run.texts(args);
  const [doneBytes = 0, presentBytes = 0, sizeBytes = 0] = amounts.map(
    numberOf,
  );
  const characters = length === ""
    ? BAR_CHARACTERS
    : boundedOf(length, 1, BAR_CHARACTERS_MAX);
  return `[${formatBar({ doneBytes, presentBytes, sizeBytes }, characters)}]`;
}
