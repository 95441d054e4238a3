// Pure
/**
 * Builtin macros that are written in the macro language.
 *
 * `mars prettyprint-NAME` prints them, and a file NAME.tpl in a directory of
 * MARS_PATH takes the place of one. Their variables begin with `_`.
 */
import { SHORT_TEXTS } from "./texts_1and1.ts";
import { DEFAULT_TEXTS } from "./texts_default.ts";
import { STATE_TEXTS } from "./texts_states.ts";

/** Name to text. The line ends around a text are not part of it. */
export const TEXTS: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...DEFAULT_TEXTS, ...SHORT_TEXTS, ...STATE_TEXTS })
    .map(([name, text]) => [name, text.replace(/^\n|\n$/g, "")]),
);

/** Those that only other macros use. */
export const HELPER_TEXTS: ReadonlySet<string> = new Set([
  "damagestate",
  "show-info",
  "writestate",
  "diskstate-drbd",
  "peer-1and1",
  "splitinfo",
  "sizeinfo",
  "stuckinfo",
  "errorinfo",
  "linksection",
  "filesection",
  "count-lines",
]);
