/**
 * Texts of links and status files for people.
 *
 *   1795351445.000000123   2026-11-22 12:44:05, local time
 *   -5                     -5[EIO:Input/output_error]
 *
 * Control characters, which would reach a terminal, become question marks.
 */
import { ERRNO, errnoText } from "../base/errors.ts";
import { MS_PER_S } from "../base/time.ts";

const STAMP = /(?<![\w.])(\d{9,11})\.(\d{9})(?![\w.])/g;
const CODE = /(?<![\w.-])-(\d{1,3})(?![\w.-])/g;
// deno-lint-ignore no-control-regex -- They would reach a terminal.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** @param text any */
export function readable(text: string): string {
  return text.replace(CONTROL, "?")
    .replace(STAMP, (_stamp, seconds: string) => timeText(Number(seconds)))
    .replace(
      CODE,
      (code, errno: string) => `${code}${codeText(Number(errno))}`,
    );
}

/** `[NAME:text]`, blanks as `_`; empty for codes without a name. */
function codeText(errno: number): string {
  if (!KNOWN.has(errno)) return "";
  const match = /^(\w+) \((.*)\)$/.exec(errnoText(errno));
  return match === null
    ? ""
    : `[${match[1]}:${match[2]?.replaceAll(" ", "_")}]`;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(ERRNO));

/** `2026-11-22 12:44:05`, local time. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * MS_PER_S);
  const two = (count: number): string => String(count).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${
    two(date.getDate())
  } ${two(date.getHours())}:${two(date.getMinutes())}:${
    two(date.getSeconds())
  }`;
}
