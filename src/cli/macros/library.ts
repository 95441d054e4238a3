// Pure
/**
 * Library: what the name of a macro means, and its compiled text.
 *
 *   name              <dir>/<name>.tpl of the administrator, then the builtin
 *   primitive-<name>  always the builtin, be it a text or a primitive
 *
 * Everything is compiled at its first use and once; a call keeps what it has
 * found.
 *
 * Source: lookup of macros of `marsadm view`.
 */
import { nearestText } from "../../base/nearest.ts";
import { MarsError } from "../../base/errors.ts";
import {
  type Arg,
  type Code,
  MacroError,
  type MacroText,
  type Place,
  type Run,
} from "./run.ts";
import {
  type Argument,
  type Call,
  MacroSyntaxError,
  parseMacro,
  type Part,
  placeOf,
} from "./syntax.ts";

/** What a primitive does with its arguments. */
export type Invoke = (run: Run, args: readonly Arg[]) => string;

export interface Primitive {
  readonly invoke: Invoke;
  /** One line for `prettyprint-…` and the documentation. */
  readonly about: string;
}

export type Primitives = ReadonlyMap<string, Primitive>;

/** Text of the administrator's template; undefined if there is none. */
export type Templates = (name: string) => MacroText | undefined;

export type Definition =
  | { readonly kind: "primitive"; readonly primitive: Primitive }
  | { readonly kind: "text"; readonly text: MacroText };

const BUILTIN_PREFIX = "primitive-";

export class Library {
  readonly #primitives: Primitives;
  readonly #texts: ReadonlyMap<string, string>;
  readonly #templates: Templates;
  readonly #invocations = new Map<string, Invocation>();

  constructor(parts: {
    readonly primitives: Primitives;
    readonly texts: ReadonlyMap<string, string>;
    readonly templates: Templates;
  }) {
    this.#primitives = parts.primitives;
    this.#texts = parts.texts;
    this.#templates = parts.templates;
  }

  /** What `name` means; undefined if nothing. */
  definition(name: string): Definition | undefined {
    const template = this.#templates(name);
    if (template !== undefined) return { kind: "text", text: template };
    const bare = name.startsWith(BUILTIN_PREFIX)
      ? name.slice(BUILTIN_PREFIX.length)
      : name;
    const text = this.#texts.get(bare);
    if (text !== undefined) {
      return { kind: "text", text: { name: bare, text } };
    }
    const primitive = this.#primitives.get(bare);
    return primitive && { kind: "primitive", primitive };
  }

  /** Names of all builtins. */
  *names(): Iterable<string> {
    yield* this.#texts.keys();
    yield* this.#primitives.keys();
  }

  /** How a macro is called. @throws MacroError if there is none */
  invocation(name: string): Invocation {
    let found = this.#invocations.get(name);
    if (found !== undefined) return found;
    const definition = this.definition(name);
    if (definition === undefined) {
      throw new MacroError(
        `there is no macro "${name}"${nearestText(name, this.names())}`,
      );
    }
    if (definition.kind === "primitive") {
      const { invoke } = definition.primitive;
      found = (run, args) => invoke(run, args);
    } else {
      const code = this.compile(definition.text);
      found = (run, args, place) => run.call(name, code, args, place);
    }
    this.#invocations.set(name, found);
    return found;
  }

  /** @throws MarsError that says what is wrong with the syntax, and where */
  compile(text: MacroText): Code {
    try {
      return this.#joined(parseMacro(text.text), text);
    } catch (error) {
      if (!(error instanceof MacroSyntaxError)) throw error;
      throw new MarsError(
        `Cannot read macro "${text.name}" at ${
          placeOf(text.text, error.at)
        }: ${error.message}`,
        { cause: error },
      );
    }
  }

  #joined(parts: readonly Part[], text: MacroText): Code {
    const codes = parts.map((part) =>
      typeof part === "string" ? () => part : this.#call(part, text)
    );
    const [only] = codes;
    if (only === undefined) return () => "";
    return codes.length === 1 ? only : (run) => run.joined(codes);
  }

  #arg({ parts, text: written }: Argument, text: MacroText): Arg {
    return { code: this.#joined(parts, text), text: written };
  }

  #call(call: Call, text: MacroText): Code {
    const name = call.name === "" ? VARIABLE : call.name;
    const args = call.args.map((arg) => this.#arg(arg, text));
    const place: Place = { text, at: call.at };
    let invocation: Invocation | undefined;
    return (run) =>
      run.at(place, call.name, () => {
        invocation ??= this.invocation(name);
        return invocation(run, args, place);
      });
  }
}

/** The primitive behind `%{…}`; no name that can be written. */
export const VARIABLE = "{}";

type Invocation = (run: Run, args: readonly Arg[], place: Place) => string;
