// Pure
/**
 * sprintf: values into a format, as C and Perl write them.
 *
 *   %[flags][width][.precision]conversion
 *
 *   flags         - left, + sign, blank, 0 zeros, # prefix 0x 0 0b
 *   width         a number, or * for the next value
 *   precision     digits, or characters of a text; also *
 *   conversions   d i u s c f F e E g G x X o b %
 *
 * A value that is missing is empty: 0 as a number.
 */
import { formatDecimals } from "../../base/figures.ts";
import { MacroError } from "./run.ts";
import { numberOf, shortened } from "./values.ts";

const CONVERSION =
  /%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d*))?(?:hh?|ll?|q|L)?([a-zA-Z%])/g;
/** Wider fields would only eat memory. */
const WIDTH_MAX = 10_000;
const PRECISION_MAX = 100;
const DECIMALS_DEFAULT = 6;

interface Field {
  readonly flags: string;
  readonly precision: number | undefined;
  readonly letter: string;
}

/** @throws MacroError for an unknown conversion */
export function sprintf(format: string, values: readonly string[]): string {
  const rest = [...values];
  const size = (text: string | undefined, max: number): number | undefined => {
    if (text === undefined) return undefined;
    const value = text === "*" ? numberOf(rest.shift() ?? "") : Number(text);
    if (Math.abs(value) <= max) return Math.trunc(value);
    throw new MacroError(`cannot write a field of ${value} characters`);
  };
  return format.replace(
    CONVERSION,
    (_all, flags: string, wide?: string, exact?: string, letter = "") => {
      if (letter === "%") return "%";
      const width = size(wide, WIDTH_MAX) ?? 0;
      const precision = size(exact, PRECISION_MAX);
      const field: Field = { flags, precision, letter };
      const text = converted(field, rest.shift() ?? "");
      const isLeft = flags.includes("-") || width < 0;
      return padded(text, field, { width: Math.abs(width), isLeft });
    },
  );
}

function padded(
  text: string,
  { flags, precision, letter }: Field,
  { width, isLeft }: { width: number; isLeft: boolean },
): string {
  if (isLeft) return text.padEnd(width);
  const isWhole = "diuxXob".includes(letter);
  const isZeroed = flags.includes("0") && letter !== "s" && letter !== "c" &&
    !(isWhole && precision !== undefined);
  if (!isZeroed) return text.padStart(width);
  const prefix = /^[-+ ]?(?:0[xXb])?/.exec(text)?.[0] ?? "";
  return prefix + text.slice(prefix.length).padStart(
    width - prefix.length,
    "0",
  );
}

function converted({ flags, precision, letter }: Field, value: string): string {
  switch (letter) {
    case "s":
      return value.slice(0, precision);
    case "c":
      return String.fromCodePoint(codePointOf(value));
    case "d":
    case "i":
    case "u":
      return signed(
        numberOf(value),
        flags,
        (size) => whole(size, 10).padStart(precision ?? 1, "0"),
      );
    case "x":
    case "X":
    case "o":
    case "b":
      return inBase(value, { flags, precision, letter });
    case "f":
    case "F":
      return signed(
        numberOf(value),
        flags,
        (size) => formatDecimals(size, precision ?? DECIMALS_DEFAULT),
      );
    case "e":
    case "E":
      return cased(
        letter,
        signed(
          numberOf(value),
          flags,
          (size) => exponent(size.toExponential(precision ?? DECIMALS_DEFAULT)),
        ),
      );
    case "g":
    case "G":
      return cased(
        letter,
        signed(
          numberOf(value),
          flags,
          (size) => shortest(size, precision ?? DECIMALS_DEFAULT),
        ),
      );
    default:
      throw new MacroError(
        `unknown conversion "%${letter}"; expected d i u s c f e g x X o b %`,
      );
  }
}

const BASES: Readonly<Record<string, readonly [base: number, mark: string]>> = {
  x: [16, "0x"],
  X: [16, "0X"],
  o: [8, "0"],
  b: [2, "0b"],
};

function inBase(value: string, { flags, precision, letter }: Field): string {
  const [base, mark] = BASES[letter] ?? [10, ""];
  const digits = whole(numberOf(value), base).padStart(precision ?? 1, "0");
  const isMarked = flags.includes("#") && Number(digits) !== 0;
  return (isMarked ? mark : "") +
    (letter === "X" ? digits.toUpperCase() : digits);
}

/** Negative numbers in another base are those of 64 bits. */
function whole(value: number, base: number): string {
  const integer = BigInt(Math.trunc(value));
  return (base === 10 ? integer : BigInt.asUintN(64, integer)).toString(base);
}

function signed(
  value: number,
  flags: string,
  write: (size: number) => string,
): string {
  const text = write(Math.abs(value));
  if (value < 0) return `-${text}`;
  if (flags.includes("+")) return `+${text}`;
  return flags.includes(" ") ? ` ${text}` : text;
}

/** At least two digits, as C writes them. */
function exponent(text: string): string {
  return text.replace(/e([-+])(\d)$/, "e$10$2");
}

function shortest(value: number, precision: number): string {
  const digits = Math.max(1, precision);
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(value));
  const text = power < -4 || power >= digits
    ? exponent(value.toExponential(digits - 1))
    : value.toFixed(Math.max(0, digits - 1 - power));
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");
}

function cased(letter: string, text: string): string {
  return letter === letter.toUpperCase() ? text.toUpperCase() : text;
}

const CODE_POINT_MAX = 0x10_ffff;

function codePointOf(value: string): number {
  const code = numberOf(value);
  if (Number.isInteger(code) && code >= 0 && code <= CODE_POINT_MAX) {
    return code;
  }
  throw new MacroError(`"${shortened(value)}" is no character code`);
}
