// Pure
/** What `mars help macros` prints: every macro that `view` knows. */
import { hanging } from "./help_layout.ts";
import { PRIMITIVES } from "./macros/primitives.ts";
import { HELPER_TEXTS, TEXTS } from "./macros/texts.ts";

const INDENT = 28;

/** Names of macros that somebody may want to see, sorted. */
export function macroNames(): string[] {
  const texts = [...TEXTS.keys()].filter((name) => !HELPER_TEXTS.has(name));
  const primitives = [...PRIMITIVES.keys()].filter((name) =>
    /^[a-z][\w-]*$/.test(name)
  );
  return [...new Set([...texts, ...primitives])].sort();
}

/** All macros with what they stand for. */
export function macroArticle(): string {
  const texts = [...TEXTS.keys()].filter((name) => !HELPER_TEXTS.has(name));
  return [
    ...hanging(
      "",
      0,
      "mars view-MACRO [RES|LIST|all] evaluates a macro, mars prettyprint-MACRO prints its definition, --macro=TEXT evaluates a text. A file MACRO.tpl in a directory of MARS_PATH takes the place of a macro; mars dump-macros writes the builtin ones as such files.",
    ),
    "",
    "Macros that are texts, made of others:",
    ...hanging("", 2, texts.join(", ")),
    "",
    "Primitive macros, written %name{argument}; in braces what they take:",
    ...[...PRIMITIVES].flatMap(([name, { about }]) =>
      hanging(`  ${name}`, INDENT, about)
    ),
  ].join("\n");
}
