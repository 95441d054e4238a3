// Pure
/**
 * Values of the macro language: all are texts.
 *
 *   truth    empty and "0" are false, everything else is true
 *   numbers  decimal with fraction and exponent, or 0x…; empty is 0
 *   result   of a comparison: 1, or empty
 */

/** A number that a text cannot be taken for. */
export class NotANumber extends Error {
  override readonly name = "NotANumber";
}

export function isTrue(text: string): boolean {
  return text !== "" && text !== "0";
}

/** 1, or empty. */
export function truthText(is: boolean): string {
  return is ? "1" : "";
}

/** 1 or 0: how links state what is. */
export function switchText(is: boolean): string {
  return is ? "1" : "0";
}

/** @throws NotANumber */
export function numberOf(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "") return 0;
  if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(trimmed)) {
    return Number(trimmed);
  }
  const hex = /^([-+]?)(0[xX][0-9a-fA-F]{1,13})$/.exec(trimmed);
  if (hex !== null) return Number(hex[2]) * (hex[1] === "-" ? -1 : 1);
  throw new NotANumber(`expected a number, found "${shortened(trimmed)}"`);
}

/** @throws NotANumber */
export function wholeOf(text: string): number {
  return Math.trunc(numberOf(text));
}

/** Whole numbers without a point, others with at most 15 digits. */
export function numberText(value: number): string {
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  if (!Number.isFinite(value)) {
    throw new NotANumber("the result is no finite number");
  }
  return String(Number(value.toPrecision(15)));
}

/** Lines of a list; an empty text has none. */
export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

// deno-lint-ignore no-control-regex -- They would reach a terminal.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** A value of a link, which another host may have written, for a terminal. */
export function plainText(value: string): string {
  return value.replace(CONTROL, "?");
}

const SHOWN_CHARACTERS_MAX = 40;

/** What fits into a message. */
export function shortened(text: string): string {
  return text.length <= SHOWN_CHARACTERS_MAX
    ? text
    : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}
