/**
 * Evaluator: macros of one command on this machine, with the templates of its
 * administrator. Everything is compiled and read once for all resources.
 */
import { UsageError } from "../base/errors.ts";
import { nearestText } from "../base/nearest.ts";
import type { Desk } from "./command.ts";
import { outcome } from "./macros/flow.ts";
import { type Definition, Library } from "./macros/library.ts";
import { PRIMITIVES } from "./macros/primitives.ts";
import { type Code, Run } from "./macros/run.ts";
import { TEXTS } from "./macros/texts.ts";
import { marsPath } from "./mars_path.ts";
import { templatesIn, variablesOf, ViewWorld } from "./view_world.ts";

export class Evaluator {
  readonly desk: Desk;
  readonly world: ViewWorld;
  readonly library: Library;
  readonly #command: string;
  readonly #variables: ReadonlyMap<string, string>;
  readonly #given: Code | undefined;

  /**
   * @param command that is named in errors and as variable `cmd`
   * @throws MarsError if the text of --macro cannot be read
   */
  constructor(desk: Desk, command: string) {
    this.desk = desk;
    this.world = new ViewWorld(desk);
    this.library = new Library({
      primitives: PRIMITIVES,
      texts: TEXTS,
      templates: templatesIn(
        marsPath(desk.effects.environment),
        desk.effects.files,
      ),
    });
    this.#command = command;
    this.#variables = variablesOf(desk, command);
    const { macro } = desk.options;
    this.#given = macro === undefined
      ? undefined
      : this.library.compile({ name: "--macro", text: macro });
  }

  /** Whether --macro stands for the macro of the command. */
  get isGiven(): boolean {
    return this.#given !== undefined;
  }

  has(macro: string): boolean {
    return this.library.definition(macro) !== undefined;
  }

  /**
   * The text of `macro` for `resource`; for none if that is empty.
   *
   * @throws MacroError, TimeoutError
   */
  evaluate(macro: string, resource: string): string {
    const place = { text: { name: this.#command, text: "" }, at: 0 };
    return this.#outcome(
      [["res", resource]],
      (run) =>
        run.at(
          place,
          macro,
          () => this.library.invocation(macro)(run, [], place),
        ),
    );
  }

  /** The same, or the text of --macro. */
  evaluateGiven(macro: string, resource: string): string {
    const code = this.#given;
    return code === undefined
      ? this.evaluate(macro, resource)
      : this.#outcome([["res", resource]], (run) => run.call(macro, code, []));
  }

  /** The result of `text`, with further variables. @throws MarsError */
  evaluateText(text: string, variables: ReadonlyMap<string, string>): string {
    const code = this.library.compile({ name: "@eval", text });
    return this.#outcome(variables, (run) => run.call("@eval", code, []));
  }

  /** @throws UsageError unless there is such a macro */
  require(macro: string): Definition {
    const definition = this.library.definition(macro);
    if (definition !== undefined) return definition;
    throw new UsageError(
      `There is no macro "${macro}"${
        nearestText(macro, this.library.names())
      }; type mars help macros`,
    );
  }

  #outcome(
    variables: Iterable<readonly [string, string]>,
    action: (run: Run) => string,
  ): string {
    const all = new Map([...this.#variables, ...variables]);
    const run = new Run(this.library, this.world, all);
    return outcome(() => action(run));
  }
}
