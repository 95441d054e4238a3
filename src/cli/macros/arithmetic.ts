// Pure
/**
 * Macros that calculate and compare.
 *
 *   %+{a}{b}{c}…   left to right over all arguments; one alone is the result
 *   %<{a}{b}{c}…   1 if it holds between all neighbours, else empty
 *
 * `%/{}` divides with a fraction, `%%{}` is the remainder of whole numbers with
 * the sign of the divisor. Bits are those of whole numbers of any size.
 *
 * Source: arithmetic of `marsadm view`, whose `min` and `max` are interchanged;
 * here `%min{}` is the smallest.
 */
import type { Invoke } from "./library.ts";
import { type Row, row } from "./rows.ts";
import { MacroError } from "./run.ts";
import { numberOf, numberText, truthText, wholeOf } from "./values.ts";

type Fold = (left: number, right: number) => number;
type BitFold = (left: bigint, right: bigint) => bigint;
type Test = (left: number, right: number) => boolean;

/** Shifts further than this would only eat memory. */
const SHIFT_MAX = 1_000;

const FOLDS: Readonly<Record<string, readonly [Fold, string]>> = {
  "+": [(left, right) => left + right, "sum"],
  "-": [(left, right) => left - right, "difference; of one: its negative"],
  "*": [(left, right) => left * right, "product"],
  "/": [divided, "quotient"],
  "%": [remainder, "remainder"],
  min: [(left, right) => Math.min(left, right), "smallest"],
  max: [(left, right) => Math.max(left, right), "largest"],
};

const BIT_FOLDS: Readonly<Record<string, readonly [BitFold, string]>> = {
  "&": [(left, right) => left & right, "bits set in all"],
  "|": [(left, right) => left | right, "bits set in any"],
  "^": [(left, right) => left ^ right, "bits set in an odd count"],
  "<<": [(left, right) => left << checkShift(right), "bits moved up"],
  ">>": [(left, right) => left >> checkShift(right), "bits moved down"],
};

const TESTS: Readonly<Record<string, readonly [Test, string]>> = {
  "<": [(left, right) => left < right, "ascending"],
  ">": [(left, right) => left > right, "descending"],
  "<=": [(left, right) => left <= right, "not descending"],
  ">=": [(left, right) => left >= right, "not ascending"],
  "==": [(left, right) => left === right, "equal"],
  "!=": [(left, right) => left !== right, "different"],
};

export const ARITHMETIC: readonly Row[] = [
  ...Object.entries(FOLDS).map(([name, [fold, about]]) =>
    row(name, `${about} of numbers`, folded(name, fold))
  ),
  ...Object.entries(BIT_FOLDS).map(([name, [fold, about]]) =>
    row(name, about, bitFolded(fold))
  ),
  ...Object.entries(TESTS).map(([name, [test, about]]) =>
    row(name, `1 if numbers are ${about}, each to the next`, compared(test))
  ),
  row(
    "~",
    "bits that are not set, in 64 bits",
    (run, args) => String(BigInt.asUintN(64, ~bitsOf(run.text(args, 0)))),
  ),
];

function folded(name: string, fold: Fold): Invoke {
  return (run, args) => {
    const numbers = run.texts(args).map(numberOf);
    const [first = 0, ...rest] = numbers;
    if (rest.length === 0 && name === "-") return numberText(-first);
    return numberText(rest.reduce(fold, first));
  };
}

function bitFolded(fold: BitFold): Invoke {
  return (run, args) => {
    const [first = 0n, ...rest] = run.texts(args).map(bitsOf);
    return String(rest.reduce(fold, first));
  };
}

function compared(test: Test): Invoke {
  return (run, args) => {
    const numbers = run.texts(args).map(numberOf);
    return truthText(
      numbers.every((number, index) => {
        const before = numbers[index - 1];
        return before === undefined || test(before, number);
      }),
    );
  };
}

function divided(left: number, right: number): number {
  if (right === 0) throw new MacroError("division by zero");
  return left / right;
}

function remainder(left: number, right: number): number {
  const divisor = Math.trunc(right);
  if (divisor === 0) throw new MacroError("division by zero");
  const rest = Math.trunc(left) % divisor;
  return rest !== 0 && (rest < 0) !== (divisor < 0) ? rest + divisor : rest;
}

function bitsOf(text: string): bigint {
  return /^\s*\d+\s*$/.test(text) ? BigInt(text) : BigInt(wholeOf(text));
}

function checkShift(count: bigint): bigint {
  if (count >= 0n && count <= BigInt(SHIFT_MAX)) return count;
  throw new MacroError(`cannot shift by ${count}: expected 0 to ${SHIFT_MAX}`);
}
