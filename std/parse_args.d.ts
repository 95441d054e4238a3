/** The part of `@std/cli/parse-args` that our command line uses. */
export interface ParseOptions {
  readonly boolean?: readonly string[];
  readonly string?: readonly string[];
  readonly collect?: readonly string[];
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  readonly default?: Readonly<Record<string, unknown>>;
  readonly stopEarly?: boolean;
  readonly "--"?: boolean;
  readonly unknown?: (
    argument: string,
    key?: string,
    value?: unknown,
  ) => unknown;
}
export interface ParsedArgs {
  readonly _: readonly (string | number)[];
  readonly [option: string]: unknown;
}
export function parseArgs(
  args: readonly string[],
  options?: ParseOptions,
): ParsedArgs;
