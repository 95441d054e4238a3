/**
 * TypeScript sources as the tidy test sees them.
 *
 * This is no parser: it separates code from comments and text, and finds what
 * a file imports. That is enough for rules about words and imports.
 */

/** An import of a file: by `import … from`, `import(…)` or `new URL(…)`. */
export type Import = {
  /** As written, for example `../base/time.ts` or `node:fs`. */
  readonly specifier: string;
  readonly kind: "value" | "type" | "lazy";
};

/** One source file. */
export type Source = {
  /** Relative to the checkout, for example `src/base/time.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the contents of strings blanked out. */
  readonly code: string;
  readonly imports: readonly Import[];
};

/** Makes a `Source` out of a text. */
export function sourceOf(path: string, text: string): Source {
  return { path, text, code: codeOf(text), imports: importsOf(text) };
}

/** Reads a file of the checkout, `root` ends with a slash. */
export async function readSource(root: string, path: string): Promise<Source> {
  return sourceOf(path, await Deno.readTextFile(root + path));
}

/** The room of a file below `src/`, or of the shim; else undefined. */
export function roomOf(path: string): string | undefined {
  if (path.startsWith("ffi/")) return "ffi";
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The file that a relative import of `path` means; undefined for packages. */
export function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const base = `file:///${path}`;
  return new URL(specifier, base).pathname.slice(1);
}

/**
 * The text with every character of comments, strings, templates and regular
 * expressions replaced by a blank; line ends and code inside `${…}` stay.
 */
export function codeOf(text: string): string {
  let code = "";
  let at = 0;
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = [];
  let depth = 0;
  const blank = (endIndex: number): void => {
    code += text.slice(at, endIndex).replace(/[^\n]/g, " ");
    at = endIndex;
  };
  while (at < text.length) {
    const rest = text.slice(at);
    const skipped =
      /^(?:\/\/[^\n]*|\/\*[^]*?\*\/|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')/
        .exec(rest) ?? (mayBeRegExp(code) ? REGEXP.exec(rest) : null);
    const char = text.charAt(at);
    if (skipped !== null) {
      blank(at + skipped[0].length);
    } else if (char === "`" || (char === "}" && templates.at(-1) === depth)) {
      if (char === "}") {
        templates.pop();
        depth--;
      }
      const [span] = /^[^](?:[^`\\$]|\\[^]|\$(?!\{))*/.exec(rest) ?? [char];
      blank(at + span.length);
      if (text.charAt(at) === "`") {
        blank(at + 1);
      } else {
        blank(at + 2);
        depth++;
        templates.push(depth);
      }
    } else {
      if (char === "{") depth++;
      if (char === "}") depth--;
      code += char;
      at++;
    }
  }
  return code;
}

const REGEXP = /^\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/;

/** After a value a slash divides; anywhere else it starts an expression. */
function mayBeRegExp(code: string): boolean {
  const before = code.trimEnd();
  return /(?:^|[-+*%=(,:[!&|?{};<>~^]|\b(?:return|typeof|case|in|of))$/
    .test(before);
}

/** What a text imports, in its order. */
export function importsOf(text: string): Import[] {
  const found: { index: number; import: Import }[] = [];
  const code = codeOf(text);
  const add = (pattern: RegExp, kind: (text: string) => Import["kind"]) => {
    for (const match of text.matchAll(pattern)) {
      const specifier = match[1];
      if (specifier === undefined) continue;
      // A statement inside a comment or string is blank in the code.
      if (code.charAt(match.index) === " ") continue;
      found.push({
        index: match.index,
        import: { specifier, kind: kind(match[0]) },
      });
    }
  };
  add(
    /\b(?:import|export)\s(?:[^;"'()]*?\sfrom\s)?\s*["']([^"'\n]+)["']/g,
    (statement) => isTypeOnly(statement) ? "type" : "value",
  );
  add(/\bimport\(\s*["']([^"'\n]+)["']/g, () => "lazy");
  add(/\bnew URL\(\s*["'](\.[^"'\n]+\.ts)["']/g, () => "lazy");
  return found.sort((a, b) => a.index - b.index).map((entry) => entry.import);
}

function isTypeOnly(statement: string): boolean {
  if (/^(?:import|export)\s+type\b/.test(statement)) return true;
  const names = /^(?:import|export)\s*\{([^}]*)\}/.exec(statement)?.[1];
  if (names === undefined) return false;
  return names.split(",").map((name) => name.trim()).filter((name) => name)
    .every((name) => name.startsWith("type "));
}
