/**
 * Makes units from templates and tells systemd: one run.
 *
 *   links, templates, files  →  what must be done  →  files, systemctl
 *
 * Level-triggered: everything is looked at anew, and a run that finds all as it
 * should be does nothing. A run that is killed is finished by the next one: it
 * leaves a note where it began to change files. Runs wait for each other, as
 * the later one may know more.
 *
 * Of the units of resources the exit codes are kept in links, because a
 * handover waits for them: `systemd-status-start-HOST`, `…-stop-HOST`.
 */
import { MarsError, messageOf, RefusedError } from "../base/errors.ts";
import { type UnitWish, unitWish } from "../resource/systemd.ts";
import { linkPath } from "../tree/path.ts";
import { type Desk, POLL_MS } from "./command.ts";
import type { Ended } from "./effects.ts";
import type { Lock } from "../base/lock.ts";
import { RECURSION_MARK } from "./systemd_enable.ts";
import { readTemplates, unitDirectories } from "./systemd_paths.ts";
import { planUnits, type UnitPlan } from "./systemd_plan.ts";
import { openScopes, type Scopes } from "./systemd_scope.ts";
import { isTemplateName, type Template } from "./systemd_template.ts";
import {
  alwaysWanted,
  generate,
  type Generated,
  type Request,
  templateOf,
} from "./systemd_units.ts";
import { unitStatus } from "./units.ts";

const LOCK = ".systemd";
const NOTE = ".mars-unfinished";
const UNIT_MODE = 0o644;
const SCRIPT_MODE = 0o755;

/**
 * Brings units to what links and templates say.
 *
 * @param only start and stop the units of these resources alone
 * @throws MarsError if systemctl cannot be started
 */
export async function runSystemd(
  desk: Desk,
  only: readonly string[] | undefined,
): Promise<void> {
  using _lock = await waitForLock(desk);
  const wishes = wishesOf(desk);
  const templates = readTemplates(desk);
  const scopes = await openScopes(desk);
  const generated = unitsFor(desk, { wishes, templates, scopes });
  for (const message of generated.failures.values()) {
    desk.warn(`WARNING: ${message}`);
  }
  await install(desk, generated, templates);
  await obey(
    desk,
    wishes.filter(({ resource }) => only?.includes(resource) ?? true),
  );
}

async function waitForLock(desk: Desk): Promise<Lock | undefined> {
  if (desk.options.dryRun) return undefined;
  const startedMs = desk.clock.monotonicMs();
  for (;;) {
    desk.checkInterruption();
    try {
      return desk.effects.lock(LOCK, '"systemd-trigger"');
    } catch (error) {
      const waitedMs = desk.clock.monotonicMs() - startedMs;
      const isBusy = error instanceof RefusedError &&
        waitedMs < desk.options.timeoutMs;
      if (!isBusy) throw error;
    }
    await desk.sleep(POLL_MS);
  }
}

function wishesOf(desk: Desk): UnitWish[] {
  const snapshot = desk.snapshot();
  return snapshot.resources().flatMap((resource) => {
    const wish = unitWish(snapshot, resource, desk.host);
    return wish === undefined ? [] : [wish];
  });
}

function unitsFor(
  desk: Desk,
  { wishes, templates, scopes }: {
    readonly wishes: readonly UnitWish[];
    readonly templates: readonly Template[];
    readonly scopes: Scopes;
  },
): Generated {
  const { general } = scopes;
  const snapshot = desk.snapshot();
  const resources = snapshot.resources().filter((resource) =>
    snapshot.value(linkPath.device(resource, desk.host)) !== undefined
  );
  const requests: Request[] = [
    ...alwaysWanted(
      templates,
      resources.map((resource) => scopes.of(resource).variables),
      general,
    ),
    ...wishes.flatMap(({ resource, startUnit, stopUnit }) => {
      const { variables } = scopes.of(resource);
      return [startUnit, stopUnit].map((name) => ({ name, variables }));
    }),
  ];
  return generate(templates, requests, general.evaluate);
}

// ---- files ----------------------------------------------------------------

async function install(
  desk: Desk,
  generated: Generated,
  templates: readonly Template[],
): Promise<void> {
  const { units, scripts } = unitDirectories(desk);
  const note = `${units}/${NOTE}`;
  const isInterrupted = desk.files.read(note) !== undefined;
  const present = new Map(
    [...filesIn(desk, units), ...filesIn(desk, scripts)]
      .filter(([name, text]) => isOurBusiness(desk, name, text, templates)),
  );
  const plan = planUnits(generated, present, isInterrupted);
  for (const name of plan.foreign) {
    desk.warn(
      `WARNING: "${name}" in "${units}" was not made by mars; it is left as it is`,
    );
  }
  const hasChanges = plan.write.length + plan.remove.length > 0;
  if (hasChanges) writeFile(desk, note, "", UNIT_MODE);
  await call(desk, "stop", plan.stop);
  await call(desk, "disable", plan.disable);
  const directoryOf = (name: string): string =>
    name.endsWith(".script") ? scripts : units;
  for (const name of plan.remove) desk.remove(`${directoryOf(name)}/${name}`);
  for (const { name, text, isScript } of plan.write) {
    const path = `${directoryOf(name)}/${name}`;
    writeFile(desk, path, text, isScript ? SCRIPT_MODE : UNIT_MODE);
  }
  await finish(desk, plan);
  if (hasChanges || isInterrupted) desk.remove(note);
}

async function finish(desk: Desk, plan: UnitPlan): Promise<void> {
  if (plan.mustReload) await systemctl(desk, ["daemon-reload"]);
  // Only until the next boot: then the files are gone, too.
  await call(desk, "enable", plan.enable, ["--runtime"]);
  const states = await statesOf(desk, plan.start);
  await call(
    desk,
    "start",
    plan.start.filter((name) => states.get(name) !== "running"),
  );
}

/**
 * Whether a file may be judged by the templates that were found. Somebody with
 * another MARS_PATH must not stop what was made with this one.
 */
function isOurBusiness(
  desk: Desk,
  name: string,
  text: string,
  templates: readonly Template[],
): boolean {
  const source = templateOf(text);
  const isFound = source === undefined ||
    templates.some(({ path }) => path === source);
  if (isFound || desk.files.read(source) === undefined) return true;
  desk.warn(
    `WARNING: "${name}" is left as it is: its template "${source}" is not below MARS_PATH`,
  );
  return false;
}

function filesIn(desk: Desk, directory: string): [string, string][] {
  return desk.files.list(directory)
    .filter(({ name, kind }) => kind === "file" && isTemplateName(name))
    .map(({ name }) => [name, desk.files.read(`${directory}/${name}`) ?? ""]);
}

function writeFile(
  desk: Desk,
  path: string,
  text: string,
  mode: number,
): void {
  if (desk.options.dryRun) desk.print(`write ${path}`);
  else desk.files.write(path, text, mode);
}

// ---- systemctl ------------------------------------------------------------

/** Starts and stops what resources want, and keeps how that ended. */
async function obey(desk: Desk, wishes: readonly UnitWish[]): Promise<void> {
  const toStart = wishes.filter(({ action }) => action === "start");
  const toStop = wishes.filter(({ action }) => action === "stop");
  const names = [
    ...toStop.map(({ stopUnit }) => stopUnit),
    ...toStart.map(({ startUnit }) => startUnit),
  ];
  const states = await statesOf(desk, names);
  for (const { resource, stopUnit } of toStop) {
    const isDone = states.get(stopUnit) === "idle";
    const ended = isDone ? DONE : await run(desk, "stop", stopUnit);
    keepStatus(desk, resource, "stop", ended);
  }
  for (const { resource, startUnit } of toStart) {
    const isDone = states.get(startUnit) === "running";
    const ended = isDone ? DONE : await run(desk, "start", startUnit);
    keepStatus(desk, resource, "start", ended);
  }
}

const DONE: Ended = { code: 0, output: "" };

async function run(desk: Desk, verb: string, unit: string): Promise<Ended> {
  const ended = await systemctl(desk, [verb, unit]);
  if (ended.code !== 0) warnOf(desk, `${verb} ${unit}`, ended);
  return ended;
}

/**
 * An answer is newer than the wish that it answers. A failure is kept until it
 * is undone.
 */
function keepStatus(
  desk: Desk,
  resource: string,
  verb: "start" | "stop",
  { code }: Ended,
): void {
  if (desk.options.dryRun) return;
  const path = unitStatus(resource, verb, desk.host);
  const value = String(Math.min(code, 255));
  const snapshot = desk.snapshot();
  const want = linkPath.systemdWant(resource);
  const isAnswered = (snapshot.stampNs(path) ?? 0n) >
    (snapshot.stampNs(want) ?? 0n);
  if (isAnswered && snapshot.value(path) === value) return;
  desk.write([{ path, value }]);
}

type UnitState = "idle" | "running";

/** What systemd says of units; those that it says nothing of are missing. */
async function statesOf(
  desk: Desk,
  names: readonly string[],
): Promise<Map<string, UnitState>> {
  const states = new Map<string, UnitState>();
  if (names.length === 0) return states;
  const { output } = await systemctl(desk, ["is-active", ...names]);
  const words = output.trim().split("\n").map((line) => line.trim());
  if (words.length !== names.length) return states;
  for (const [index, name] of names.entries()) {
    const word = words[index] ?? "";
    if (IDLE.includes(word)) states.set(name, "idle");
    else if (RUNNING.includes(word)) states.set(name, "running");
  }
  return states;
}

// Prescribed by systemd.
const IDLE: readonly string[] = ["inactive", "failed", "unknown"];
const RUNNING: readonly string[] = ["active", "reloading", "refreshing"];

async function call(
  desk: Desk,
  verb: string,
  units: readonly string[],
  options: readonly string[] = [],
): Promise<void> {
  if (units.length === 0) return;
  const ended = await systemctl(desk, [verb, ...options, ...units]);
  if (ended.code !== 0) warnOf(desk, `${verb} ${units.join(" ")}`, ended);
}

function warnOf(desk: Desk, what: string, { code, output }: Ended): void {
  const [first = ""] = output.trim().split("\n");
  desk.warn(
    `WARNING: systemctl ${what}: exit code ${code}${
      first === "" ? "" : `: ${first}`
    }`,
  );
}

async function systemctl(
  desk: Desk,
  args: readonly string[],
): Promise<Ended> {
  const program = desk.effects.environment("SYSTEMCTL") ?? "systemctl";
  if (desk.options.dryRun && args[0] !== "is-active") {
    desk.print(`${program} ${args.join(" ")}`);
    return DONE;
  }
  try {
    return await desk.effects.run(program, args, { [RECURSION_MARK]: "1" });
  } catch (error) {
    throw new MarsError(
      `Cannot tell systemd: ${
        messageOf(error)
      }; is it in the PATH, or named by SYSTEMCTL?`,
      { cause: error },
    );
  }
}
