// Pure
/**
 * Macros that decide what is evaluated, and how often.
 *
 * `%return{}` leaves the macro that was called last, `%stop-eval{}` the text of
 * the innermost `%eval{}`, `%include{}` or `%tmp{}`, `%abort{}` everything;
 * `%next{}` and `%last{}` belong to the innermost loop. What was written before
 * stays; their argument is added to it.
 *
 * Source: flow of `marsadm view`.
 */
import type { Invoke } from "./library.ts";
import { type Row, row } from "./rows.ts";
import {
  type Arg,
  type Code,
  MacroError,
  type MacroText,
  type Run,
  Unwind,
  type UnwindTarget,
} from "./run.ts";
import { isTrue, linesOf, truthText, wholeOf } from "./values.ts";

/** Evaluations of one `%eval-down{}`. */
const EVALUATIONS_MAX = 100;

export const FLOW: readonly Row[] = [
  row("if", "{condition}{then}{else}", choose(true)),
  row("unless", "{condition}{then}{else}: the other way round", choose(false)),
  row("elsif", "{condition}{then}… {else}: the first that holds", chain(true)),
  row("elseif", "the same as elsif", chain(true)),
  row("elsunless", "the first that does not hold", chain(false)),
  row("while", "{condition}{text}: as long as it holds", repeat(true)),
  row("until", "{condition}{text}: until it holds", repeat(false)),
  row("for", "{start}{condition}{step}{text}", count),
  row("foreach", "{variable}{lines}{text}{delimiter}", (run, args) => {
    const [name, list] = [run.text(args, 0), run.text(args, 1)];
    const delimiter = args[3] && run.text(args, 3);
    const items = delimiter ? list.split(delimiter) : linesOf(list);
    return each(run, { name, items }, args[2]);
  }),
  row(
    "get-glob",
    "paths that match {pattern}, one per line",
    (run, args) => run.world.glob(run.text(args, 0)).join("\n"),
  ),
  row("foreach-glob", "{variable}{pattern}{text}", (run, args) => {
    const items = run.world.glob(run.text(args, 1));
    return each(run, { name: run.text(args, 0), items }, args[2]);
  }),
  row(
    "protect",
    "{text} as it is written, not evaluated",
    (_run, args) => args.map((arg) => arg.text).join(""),
  ),
  row(
    "eval",
    "{text} evaluated twice; {count}{text}: count times more",
    evaluate,
  ),
  row("eval-down", "{text} evaluated until it changes no more", (run, args) => {
    let text = run.text(args, 0);
    for (let round = 1; round <= EVALUATIONS_MAX; round++) {
      const next = evaluateText(run, "eval-down", text);
      if (next === text) return text;
      text = next;
    }
    throw new MacroError(`still changes after ${EVALUATIONS_MAX} evaluations`);
  }),
  row("tmp", "{text}; variables are as before afterwards", (run, args) => {
    const before = new Map(run.variables);
    try {
      return until("eval", () => run.text(args, 0));
    } finally {
      run.variables.clear();
      for (const [name, value] of before) run.variables.set(name, value);
    }
  }),
  row(
    "include",
    "the macro or file {name}, in the place of this",
    (run, args) => {
      const code = run.library.compile(included(run, run.text(args, 0)));
      return until("eval", () => code(run));
    },
  ),
  row("call", "the macro {name} with {arguments}", (run, args) => {
    const name = run.text(args, 0);
    const place = { text: { name: "call", text: "" }, at: 0 };
    return run.library.invocation(name)(run, args.slice(1), place);
  }),
  row(
    "callstack",
    "names of macros that are evaluated, innermost first",
    (run) => run.callStack().join("\n"),
  ),
  row("abort", "ends everything", leave("all")),
  row("return", "ends the macro that was called last", leave("macro")),
  row("stop-eval", "ends the innermost eval, include or tmp", leave("eval")),
  row("next", "goes on with the next round of a loop", leave("loop", true)),
  row("last", "ends a loop", leave("loop")),
  row("and", "1 if all hold", all),
  row("&&", "1 if all hold", all),
  row("or", "1 if any holds", any),
  row("||", "1 if any holds", any),
  row("not", "1 if it does not hold", negate),
  row("!", "1 if it does not hold", negate),
];

/** The result of an evaluation from outside, however it ended. */
export function outcome(action: () => string): string {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Unwind)) throw error;
    if (error.target === "loop") {
      throw new MacroError("%next{} and %last{} need a loop around them");
    }
    return error.text;
  }
}

/** Names of macros have no slash, paths of files have one. */
function included(run: Run, name: string): MacroText {
  if (name.includes("/")) {
    const text = run.world.readFile(name);
    if (text !== undefined) return { name, text };
  } else {
    const definition = run.library.definition(name);
    if (definition?.kind === "text") return definition.text;
  }
  throw new MacroError(`there is no "${name}"`);
}

function choose(wanted: boolean): Invoke {
  return (run, args) =>
    run.text(args, isTrue(run.text(args, 0)) === wanted ? 1 : 2);
}

function chain(wanted: boolean): Invoke {
  return (run, args) => {
    let index = 0;
    for (; index + 1 < args.length; index += 2) {
      if (isTrue(run.text(args, index)) === wanted) {
        return run.text(args, index + 1);
      }
    }
    return run.text(args, index);
  };
}

function repeat(wanted: boolean): Invoke {
  return (run, args) =>
    loop(run, args[1]?.code, () => isTrue(run.text(args, 0)) === wanted);
}

function count(run: Run, args: readonly Arg[]): string {
  run.text(args, 0);
  let isFirst = true;
  return loop(run, args[3]?.code, () => {
    if (!isFirst) run.text(args, 2);
    isFirst = false;
    return isTrue(run.text(args, 1));
  });
}

function each(
  run: Run,
  { name, items }: { readonly name: string; readonly items: readonly string[] },
  body: Arg | undefined,
): string {
  let index = 0;
  return loop(run, body?.code, () => {
    const item = items[index++];
    if (item !== undefined) run.set(name, item);
    return item !== undefined;
  });
}

function loop(
  run: Run,
  body: Code | undefined,
  goesOn: () => boolean,
): string {
  let text = "";
  while (goesOn()) {
    run.round();
    try {
      text += body?.(run) ?? "";
    } catch (error) {
      if (!(error instanceof Unwind)) throw error;
      if (error.target === "loop") {
        text += error.text;
        if (!error.isNext) break;
      } else {
        error.text = text + error.text;
        throw error;
      }
    }
    run.checkLength(text);
  }
  return text;
}

function evaluate(run: Run, args: readonly Arg[]): string {
  const hasCount = args.length > 1;
  const rounds = hasCount ? wholeOf(run.text(args, 0)) : 1;
  let text = run.text(args, hasCount ? 1 : 0);
  for (let round = 0; round < rounds; round++) {
    run.round();
    text = evaluateText(run, "eval", text);
  }
  return text;
}

function evaluateText(run: Run, name: string, text: string): string {
  const code = run.library.compile({ name, text });
  return until("eval", () => code(run));
}

function until(target: UnwindTarget, action: () => string): string {
  try {
    return action();
  } catch (error) {
    if (error instanceof Unwind && error.target === target) return error.text;
    throw error;
  }
}

function leave(target: UnwindTarget, isNext = false): Invoke {
  return (run, args) => {
    throw new Unwind(target, run.text(args, 0), isNext);
  };
}

function all(run: Run, args: readonly Arg[]): string {
  return truthText(args.every((arg) => isTrue(arg.code(run))));
}

function any(run: Run, args: readonly Arg[]): string {
  return truthText(args.some((arg) => isTrue(arg.code(run))));
}

function negate(run: Run, args: readonly Arg[]): string {
  return truthText(!isTrue(run.text(args, 0)));
}
