/**
 * systemd: units on top of a resource follow its primary.
 *
 *   set-systemd-unit   which unit is started and which one is stopped
 *   set-systemd-want   on which host
 *   systemd-trigger    makes units from templates; starts and stops them here
 *   …-trigger-extern   the same, for the unit that watches trigger files
 *
 * A unit in capitals is a keyword: the first template with the marker
 * `KEYWORD_START` or `KEYWORD_STOP` in a comment gives the name.
 *
 * Source: systemd interface of MARS.
 */
import { UsageError } from "../base/errors.ts";
import { GLOBAL_TRIGGER, unitWish } from "../resource/systemd.ts";
import { linkPath } from "../tree/path.ts";
import { NOBODY, TOMBSTONE } from "../tree/values.ts";
import { resourcesOf } from "./arguments.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";
import { systemdObstacle } from "./systemd_enable.ts";
import { readTemplates, templateDirectories } from "./systemd_paths.ts";
import { runSystemd } from "./systemd_run.ts";
import { openScopes } from "./systemd_scope.ts";
import { isTemplateName, SCRIPT_SUFFIX } from "./systemd_template.ts";
import { isKeyword, unitOfKeyword } from "./systemd_units.ts";

export const SYSTEMD_COMMANDS: readonly Command[] = [
  {
    name: "set-systemd-unit",
    usage: "RES UNIT|KEYWORD [STOP-UNIT|KEYWORD] | RES ''",
    summary: "Let a unit of systemd follow the primary of a resource",
    details:
      "It is started on the host that becomes primary, when the device is there; the stop unit, by default the same, is stopped before another host becomes it. A keyword in capitals, as DEFAULT, names templates by their markers. '' takes it back.",
    subject: "resources",
    wordsMin: 1,
    wordsMax: 2,
    run: setUnit,
    finish: (desk) => triggerIfEnabled(desk, undefined),
  },
  {
    name: "get-systemd-unit",
    usage: "RES",
    summary: "Print the units that are started and stopped",
    subject: "resources",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk, resource) => {
      const snapshot = desk.look();
      const start = snapshot.value(linkPath.systemdUnit(resource, "start"));
      const stop = snapshot.value(linkPath.systemdUnit(resource, "stop"));
      desk.answer([start ?? stop, stop ?? start].join(" ").trim(), {
        setting: "systemd-unit",
        resource,
        start: start ?? stop ?? "",
        stop: stop ?? start ?? "",
      });
    },
  },
  {
    name: "set-systemd-want",
    usage: "RES HOST|(none)",
    summary: "Say on which host the units of a resource shall run",
    subject: "resources",
    wordsMin: 1,
    wordsMax: 1,
    run: setWant,
    finish: (desk) => triggerIfEnabled(desk, undefined),
  },
  {
    name: "get-systemd-want",
    usage: "RES",
    summary: "Print on which host the units of a resource shall run",
    subject: "resources",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk, resource) => {
      const value = desk.look().value(linkPath.systemdWant(resource)) ?? "";
      desk.answer(value, { setting: "systemd-want", resource, value });
    },
  },
  {
    name: "systemd-trigger",
    usage: "[RES|LIST|all] [--systemd-enable=0|1]",
    summary: "Make units from templates; start and stop them as wanted here",
    subject: "none",
    locksItself: true,
    wordsMin: 0,
    wordsMax: 1,
    run: async (desk, _resource, [word]) => {
      const only = word === undefined
        ? undefined
        : resourcesOf(word, desk.look(), desk);
      await triggerIfEnabled(desk, only);
    },
  },
  {
    name: "systemd-trigger-extern",
    usage: "",
    summary: "The same, called by the unit that watches trigger files",
    subject: "none",
    locksItself: true,
    wordsMin: 0,
    wordsMax: 0,
    run: triggerFromUnit,
  },
];

// ---- commands -------------------------------------------------------------

async function setUnit(
  desk: Desk,
  resource: string,
  [start = "", stop = start]: readonly string[],
): Promise<void> {
  const paths = [
    linkPath.systemdUnit(resource, "start"),
    linkPath.systemdUnit(resource, "stop"),
  ];
  if (start === "") {
    desk.write(
      [...paths, linkPath.systemdWant(resource)].map((path) => ({
        path,
        value: TOMBSTONE,
      })),
    );
    return;
  }
  const startUnit = await unitOf(desk, resource, start, "START");
  const stopUnit = stop === start && isKeyword(start)
    ? await keywordUnit(desk, resource, start, "STOP") ?? startUnit
    : await unitOf(desk, resource, stop === "" ? start : stop, "STOP");
  const primary = desk.snapshot().value(linkPath.primary(resource));
  desk.write([
    { path: linkPath.systemdUnit(resource, "start"), value: startUnit },
    { path: linkPath.systemdUnit(resource, "stop"), value: stopUnit },
    { path: linkPath.systemdWant(resource), value: primary ?? NOBODY },
  ]);
  desk.print(`"${resource}": start ${startUnit}, stop ${stopUnit}`);
}

/** @throws UsageError */
async function unitOf(
  desk: Desk,
  resource: string,
  word: string,
  action: "START" | "STOP",
): Promise<string> {
  if (isKeyword(word)) {
    const unit = await keywordUnit(desk, resource, word, action);
    if (unit !== undefined) return unit;
    throw new UsageError(
      `No template for "${word}": expected one with the comment "# ${word}_${action}" in ${
        templateDirectories(desk).join(" or ")
      }`,
    );
  }
  const isUnit = isTemplateName(word) && /^[\w:.@\\-]+$/.test(word) &&
    !word.endsWith(`.${SCRIPT_SUFFIX}`);
  if (isUnit) return word;
  throw new UsageError(
    `Cannot use "${word}" as unit: expected a name as "x.service", or a keyword in capitals`,
  );
}

async function keywordUnit(
  desk: Desk,
  resource: string,
  keyword: string,
  action: "START" | "STOP",
): Promise<string | undefined> {
  const scopes = await openScopes(desk);
  return unitOfKeyword(
    readTemplates(desk),
    `${keyword}_${action}`,
    scopes.of(resource),
  );
}

function setWant(
  desk: Desk,
  resource: string,
  [host = ""]: readonly string[],
): void {
  const snapshot = desk.snapshot();
  const obstacles: string[] = [];
  if (host !== NOBODY && !snapshot.hosts().includes(host)) {
    obstacles.push(
      `there is no host "${host}"; hosts are ${
        snapshot.hosts().map((name) => `"${name}"`).join(", ")
      }; nobody is "${NOBODY}"`,
    );
  }
  const hasUnit =
    snapshot.value(linkPath.systemdUnit(resource, "start")) !== undefined ||
    snapshot.value(linkPath.systemdUnit(resource, "stop")) !== undefined;
  if (!hasUnit) obstacles.push("it has no unit; type set-systemd-unit");
  refuseIf(`want units of "${resource}"`, obstacles, desk.options);
  desk.write([{ path: linkPath.systemdWant(resource), value: host }]);
}

// ---- triggers -------------------------------------------------------------

async function triggerIfEnabled(
  desk: Desk,
  only: readonly string[] | undefined,
): Promise<void> {
  const obstacle = await systemdObstacle(desk);
  if (obstacle === undefined) return await runSystemd(desk, only);
  if (desk.options.verbose > 0) {
    desk.print(`Units are left as they are: ${obstacle}`);
  }
}

/** Ours: what changes that often will change again. */
const ROUNDS_MAX = 10;

/**
 * Again while triggers come: the unit that watches misses those that are
 * touched while this runs.
 */
async function triggerFromUnit(desk: Desk): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = triggerTimes(desk);
    await runSystemd(desk, undefined);
    if (triggerTimes(desk) === before) return;
  }
}

function triggerTimes(desk: Desk): string {
  const { marsDir } = desk.settings;
  const snapshot = desk.snapshot();
  const files = [
    GLOBAL_TRIGGER,
    ...snapshot.resources().filter((resource) =>
      unitWish(snapshot, resource, desk.host) !== undefined
    ).map((resource) => `${linkPath.resource(resource)}/systemd-trigger`),
  ];
  return files.map((file) => desk.files.changedAtMs(`${marsDir}/${file}`))
    .join();
}
