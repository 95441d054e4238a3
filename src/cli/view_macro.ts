/**
 * Macros on the command line: which resources they are evaluated for, what
 * stands around them, and where they are written.
 *
 *   no resource    "default" and "1and1": as `all`. Others: once, without a
 *                  resource; as `all` if the macro turns out to need one
 *   one resource   the macro
 *   list, all      MACRO-header, then a line and the macro for each resource,
 *                  then MACRO-global and MACRO-footer; those that exist
 *
 * --macro=TEXT stands for the macro itself, and then nothing stands around it.
 * A resource whose macro fails does not keep the others.
 *
 * Source: `marsadm view`.
 */
import { MarsError, SomeFailedError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { asMarsError } from "../tree/scan.ts";
import { ALL, resourcesOf } from "./arguments.ts";
import type { Desk } from "./command.ts";
import { Evaluator } from "./evaluator.ts";
import { headerLine } from "./header.ts";
import { NeedsResourceError } from "./macros/run.ts";
import { HELPER_TEXTS, TEXTS } from "./macros/texts.ts";
import { plainText } from "./macros/values.ts";
import { checkLook } from "./start_checks.ts";
import {
  documentOf,
  type Looking,
  valuesDocument,
  type WordsOf,
} from "./view_json.ts";
import { TEMPLATE_SUFFIX } from "./view_world.ts";

/** Views that are of no use without a resource. */
const VIEWS_OF_ALL: readonly string[] = ["default", "1and1"];

/** Names in one message about links that are missing. */
const SHOWN_MISSING_MAX = 5;

/** @throws MarsError */
export function runView(
  desk: Desk,
  macro: string,
  word: string | undefined,
): void {
  checkLook(desk);
  const evaluator = new Evaluator(desk, viewName(macro));
  if (!evaluator.isGiven) evaluator.require(macro);
  const isDocument = desk.options.json && macro === "default" &&
    !evaluator.isGiven;
  if (word === undefined && !VIEWS_OF_ALL.includes(macro)) {
    if (viewOnce(evaluator, macro)) return;
  }
  const subject = word ?? ALL;
  const resources = resourcesOf(subject, evaluator.world.snapshot, desk);
  if (resources.length === 0) {
    desk.warn(`WARNING: "${desk.host}" takes part in no resource`);
  }
  if (isDocument) printDocument(evaluator, resources);
  else if (desk.options.json) printValues(evaluator, macro, resources);
  else {
    const isList = subject === ALL || subject.includes(",");
    printTexts(evaluator, macro, { resources, isList });
  }
}

/** False if the macro needs a resource. */
function viewOnce(evaluator: Evaluator, macro: string): boolean {
  const { desk } = evaluator;
  try {
    const value = evaluator.evaluateGiven(macro, "");
    if (desk.options.json) {
      printJson(desk, valuesDocument(lookingOf(desk), [{ macro, value }]));
    } else printText(desk, value);
    return true;
  } catch (error) {
    if (error instanceof NeedsResourceError) return false;
    throw error;
  }
}

function printTexts(
  evaluator: Evaluator,
  macro: string,
  { resources, isList }: {
    readonly resources: readonly string[];
    readonly isList: boolean;
  },
): void {
  const { desk } = evaluator;
  const hasFrame = isList && !evaluator.isGiven;
  const frame = (suffix: string): void => {
    const name = `${macro}-${suffix}`;
    if (!hasFrame || !evaluator.has(name)) return;
    printText(desk, evaluator.evaluate(name, ""));
  };
  warnOfHost(evaluator);
  frame("header");
  const errors = eachResource(desk, resources, (resource) => {
    if (isList) {
      desk.print(headerLine(evaluator.world.snapshot, resource, desk.host));
    }
    printText(desk, evaluator.evaluateGiven(macro, resource));
    warnOfMissing(evaluator, resource);
  });
  frame("global");
  frame("footer");
  failIfAny(errors, resources.length);
}

/** One that fails keeps no other. */
function eachResource(
  desk: Desk,
  resources: readonly string[],
  work: (resource: string) => void,
): MarsError[] {
  const errors: MarsError[] = [];
  for (const resource of resources) {
    try {
      work(resource);
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      errors.push(error);
      if (resources.length > 1) desk.warn(`${resource}: ${error.message}`);
    }
  }
  return errors;
}

function failIfAny(errors: readonly MarsError[], count: number): void {
  const [first] = errors;
  if (first === undefined) return;
  if (count === 1) throw first;
  throw new SomeFailedError(
    `Failed for ${errors.length} of ${count} resources`,
    errors,
  );
}

/** What is wrong with the host as a whole. */
function warnOfHost({ world }: Evaluator): void {
  if (!world.isDaemonRunning) {
    world.warn("WARNING: no daemon runs on this host");
  }
  const trouble = world.treeTrouble;
  if (trouble !== "") {
    world.warn(`ERROR: ${plainText(trouble)}; what is shown may be old`);
  }
  if (world.snapshot.value(linkPath.uuid) === undefined) {
    world.warn(
      'WARNING: there is no link "uuid": this host belongs to no cluster',
    );
  }
}

/** Links that a daemon should have written. */
function warnOfMissing({ world, desk }: Evaluator, resource: string): void {
  const missing = [...world.facts(resource).missing];
  if (missing.length === 0) return;
  const shown = desk.options.verbose > 0
    ? missing
    : missing.slice(0, SHOWN_MISSING_MAX);
  const rest = missing.length - shown.length;
  world.warn(
    `WARNING: resource '${resource}': missing links: ${shown.join(", ")}${
      rest > 0 ? `, and ${rest} more` : ""
    }`,
  );
}

// ---- JSON -----------------------------------------------------------------

function printDocument(
  evaluator: Evaluator,
  resources: readonly string[],
): void {
  const { desk, world } = evaluator;
  const wordsOf: WordsOf = (resource) => {
    const word = (name: string): string =>
      evaluator.evaluate(`primitive-${name}`, resource);
    return {
      disk: word("diskstate"),
      replication: word("replstate"),
      flags: word("flags"),
      role: word("role"),
      nbdSocket: word("device-socket"),
      mountpoint: word("known-device-mountpoint"),
      isPrimarySilent: word("get-primary") !== "" && word("is-alive") !== "1",
      hostCount: Number(word("count-configured-peers")),
    };
  };
  printJson(desk, documentOf(lookingOf(desk), world, { resources, wordsOf }));
}

function printValues(
  evaluator: Evaluator,
  macro: string,
  resources: readonly string[],
): void {
  const { desk } = evaluator;
  const values: { macro: string; resource: string; value: string }[] = [];
  const errors = eachResource(desk, resources, (resource) => {
    const value = evaluator.evaluateGiven(macro, resource);
    values.push({ macro, resource, value });
  });
  printJson(desk, valuesDocument(lookingOf(desk), values));
  failIfAny(errors, resources.length);
}

function lookingOf(desk: Desk): Looking {
  return { host: desk.host, nowNs: desk.nowNs() };
}

function printJson(desk: Desk, document: unknown): void {
  desk.print(JSON.stringify(document, undefined, 2));
}

/** Without its last line end, which `print` adds; nothing if it is empty. */
function printText(desk: Desk, text: string): void {
  if (text !== "") desk.print(text.endsWith("\n") ? text.slice(0, -1) : text);
}

// ---- definitions ----------------------------------------------------------

/** @throws UsageError for a macro that does not exist */
export function prettyprintMacro(desk: Desk, macro: string): void {
  const evaluator = new Evaluator(desk, `prettyprint-${macro}`);
  const definition = evaluator.require(macro);
  const text = definition.kind === "text"
    ? definition.text.text
    : `# primitive macro: ${definition.primitive.about}`;
  if (desk.options.json) printJson(desk, { macro, definition: text });
  else desk.print(text);
}

/** Writes builtin texts as templates. @throws MarsError */
export function dumpMacros(
  desk: Desk,
  which: "documented" | "all",
  directory: string,
): void {
  const names = [...TEXTS.keys()].filter((name) =>
    which === "all" || !HELPER_TEXTS.has(name)
  );
  for (const name of names) {
    const path = `${directory}/${name}${TEMPLATE_SUFFIX}`;
    if (desk.options.dryRun) desk.print(`would write ${path}`);
    else writeTemplate(path, `${TEXTS.get(name)}\n`, desk.options.force);
  }
  desk.print(`${names.length} macros written to ${directory}`);
}

function writeTemplate(path: string, text: string, mayReplace: boolean): void {
  try {
    Deno.writeTextFileSync(path, text, { createNew: !mayReplace });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      throw asMarsError("write", path, error);
    }
    throw new MarsError(
      `Cannot write "${path}": it exists; type --force to replace it`,
    );
  }
}

/** The command that evaluates `macro`. */
function viewName(macro: string): string {
  return macro === "default" ? "view" : `view-${macro}`;
}
