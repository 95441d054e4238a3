// Pure
/**
 * One evaluation of a macro: variables, the stack of calls, bounds.
 *
 * Variables are shared by all macros of an evaluation: a called one sees and
 * changes those of its caller. Only 0, 1, 2 … are its own: its name and its
 * arguments, each evaluated where the caller stands, when it is first used, and
 * once. An argument that was not given is empty. Any other variable that
 * nobody has set is an error.
 *
 * Every way in which a macro could go on for ever ends at a bound, with an
 * error that tells who called whom.
 */
import { MarsError, TimeoutError } from "../../base/errors.ts";
import { isIdentifier } from "../../base/names.ts";
import type { Library } from "./library.ts";
import { placeOf } from "./syntax.ts";
import { NotANumber, shortened } from "./values.ts";
import type { World } from "./world.ts";

// Ours. Deeper calls would reach the end of the stack of this program.
const CALLS_DEPTH_MAX = 400;
/** Rounds of all loops of one evaluation. */
const ROUNDS_MAX = 1_000_000;
/** Characters of one variable or result. */
const CHARACTERS_MAX = 16 * 1024 * 1024;
/** Calls that an error names. */
const SHOWN_CALLS_MAX = 8;

/** A text and what it is called. */
export interface MacroText {
  readonly name: string;
  readonly text: string;
}

/** Compiled text. */
export type Code = (run: Run) => string;

/** An argument as a primitive gets it: not evaluated. */
export interface Arg {
  readonly code: Code;
  /** As it was written. */
  readonly text: string;
}

/** Where an evaluation stands: which call, in which text. */
export interface Place {
  readonly text: MacroText;
  readonly at: number;
}

interface Frame {
  readonly name: string;
  readonly place: Place | undefined;
  readonly args: readonly Arg[];
  readonly values: (string | undefined)[];
  /** In which arguments are evaluated. */
  readonly outer: Frame | undefined;
  readonly depth: number;
}

/** A macro could not be evaluated. */
export class MacroError extends MarsError {
  override readonly name: string = "MacroError";
  /** Whether the message already tells where. */
  readonly isLocated: boolean;

  constructor(message: string, cause?: Error) {
    super(message, cause && { cause });
    this.isLocated = cause !== undefined;
  }
}

/** A macro makes sense only for a resource. */
export class NeedsResourceError extends MacroError {
  override readonly name = "NeedsResourceError";
}

/** How far `%return`, `%next` and the like go. */
export type UnwindTarget = "loop" | "macro" | "eval" | "all";

/** Control flow that leaves texts behind; never seen outside. */
export class Unwind {
  readonly target: UnwindTarget;
  /** Whether the loop goes on. */
  readonly isNext: boolean;
  /** What was written so far. */
  text: string;

  constructor(target: UnwindTarget, text: string, isNext = false) {
    this.target = target;
    this.text = text;
    this.isNext = isNext;
  }
}

export class Run {
  readonly library: Library;
  readonly world: World;
  readonly variables: Map<string, string>;
  #frame: Frame | undefined;
  #depth = 0;
  #rounds = 0;

  constructor(
    library: Library,
    world: World,
    variables: ReadonlyMap<string, string>,
  ) {
    this.library = library;
    this.world = world;
    this.variables = new Map(variables);
  }

  /** @throws MacroError if nobody has set it */
  variable(name: string): string {
    const value = this.variables.get(name);
    if (value !== undefined) return value;
    if (/^\d+$/.test(name)) return this.#argument(Number(name));
    switch (name) {
      case "callstack":
        return this.callStack().join("\n");
      case "resdir":
        return `${this.world.marsDir}/resource-${this.resource()}`;
      case "ip":
        return this.world.addressOf(this.host()) ?? "";
    }
    throw new MacroError(`variable "${name}" is not set`);
  }

  set(name: string, value: string): void {
    if (name === "") throw new MacroError("a variable needs a name");
    if (/^\d+$/.test(name)) {
      throw new MacroError(
        `variable "${name}" is an argument: it is only read`,
      );
    }
    this.checkLength(value);
    this.variables.set(name, value);
  }

  /** @throws NeedsResourceError */
  resource(): string {
    const resource = this.variables.get("res") ?? "";
    if (isIdentifier(resource)) return resource;
    if (resource !== "") {
      throw new MacroError(`"${shortened(resource)}" is no resource`);
    }
    throw new NeedsResourceError("this macro needs a resource");
  }

  host(): string {
    return this.variable("host");
  }

  /** Host named by an argument; the host of the view if it is empty. */
  hostOr(args: readonly Arg[], index = 0): string {
    const host = this.text(args, index);
    return host === "" ? this.host() : host;
  }

  /** An evaluated argument; empty if it was not given. */
  text(args: readonly Arg[], index: number): string {
    return args[index]?.code(this) ?? "";
  }

  /** All arguments from `start`, evaluated. */
  texts(args: readonly Arg[], start = 0): string[] {
    return args.slice(start).map((arg) => arg.code(this));
  }

  /** Names of the macros that are being evaluated, innermost first. */
  callStack(): string[] {
    const names: string[] = [];
    for (let frame = this.#frame; frame; frame = frame.outer) {
      names.push(frame.name);
    }
    return names;
  }

  /** Counts one round of a loop. */
  round(): void {
    this.#rounds++;
    if (this.#rounds > ROUNDS_MAX) {
      throw new MacroError(`loops took more than ${ROUNDS_MAX} rounds`);
    }
  }

  checkLength(text: string): void {
    if (text.length <= CHARACTERS_MAX) return;
    throw new MacroError(`a text became longer than ${CHARACTERS_MAX}`);
  }

  /** Evaluates `code` as the text of macro `name`. */
  call(name: string, code: Code, args: readonly Arg[], place?: Place): string {
    const outer = this.#frame;
    const depth = (outer?.depth ?? 0) + 1;
    this.#frame = { name, place, args, values: [], outer, depth };
    try {
      return code(this);
    } catch (error) {
      if (error instanceof Unwind && error.target === "macro") {
        return error.text;
      }
      throw error;
    } finally {
      this.#frame = outer;
    }
  }

  /** The texts of all codes; what was written before an unwinding stays. */
  joined(codes: readonly Code[]): string {
    let text = "";
    try {
      for (const code of codes) text += code(this);
    } catch (error) {
      if (error instanceof Unwind) error.text = text + error.text;
      throw error;
    }
    return text;
  }

  /** Runs what a call does; errors get its place, depth is bounded. */
  at(place: Place, name: string, action: () => string): string {
    this.#depth++;
    try {
      if (this.#depth > CALLS_DEPTH_MAX) {
        throw new MacroError(
          `more than ${CALLS_DEPTH_MAX} calls inside each other`,
        );
      }
      return action();
    } catch (error) {
      throw this.#located(error, place, name);
    } finally {
      this.#depth--;
    }
  }

  #argument(index: number): string {
    const frame = this.#frame;
    if (frame === undefined) return "";
    if (index === 0) return frame.name;
    const arg = frame.args[index - 1];
    if (arg === undefined) return "";
    const known = frame.values[index];
    if (known !== undefined) return known;
    // An argument belongs to the caller: its variables 1, 2 … are meant.
    this.#frame = frame.outer;
    try {
      return frame.values[index] = arg.code(this);
    } finally {
      this.#frame = frame;
    }
  }

  #located(error: unknown, place: Place, name: string): unknown {
    if (!(error instanceof Error) || !isForeseen(error)) return error;
    if (error instanceof MacroError && error.isLocated) return error;
    if (error instanceof TimeoutError) return error;
    const callers = this.#callers();
    const what = error instanceof RangeError
      ? "calls inside each other take too much memory"
      : error.message;
    const shown = `Cannot evaluate %${name}{} at ${whereOf(place)}: ${what}${
      callers === "" ? "" : `; called by ${callers}`
    }`;
    return error instanceof NeedsResourceError
      ? new NeedsResourceError(shown, error)
      : new MacroError(shown, error);
  }

  #callers(): string {
    const shown: string[] = [];
    let count = 0;
    for (let frame = this.#frame; frame?.place; frame = frame.outer) {
      count++;
      if (shown.length < SHOWN_CALLS_MAX) {
        shown.push(`%${frame.name}{} at ${whereOf(frame.place)}`);
      }
    }
    const hidden = count - shown.length;
    return `${shown.join(", ")}${hidden > 0 ? `, and ${hidden} more` : ""}`;
  }
}

/** Anything else is a contradiction in this program, no fault of a macro. */
function isForeseen(error: Error): boolean {
  return error instanceof MarsError || error instanceof NotANumber ||
    error instanceof SyntaxError || error instanceof RangeError;
}

function whereOf({ text, at }: Place): string {
  return `${text.name}:${placeOf(text.text, at)}`;
}
