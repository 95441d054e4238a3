// Pure
/**
 * From units as they shall be, and files as they are, to what must be done.
 *
 *   stop     units whose templates are gone, unless marked KEEP_RUNNING
 *   disable  those among them that were installed; units that are marked
 *            ALWAYS_DISABLED now
 *   remove   their files
 *   write    new and changed files
 *   reload   if any file changed
 *   enable   new and changed units that can be installed
 *   start    units marked ALWAYS_START
 *
 * in this order. A file that this program did not make is left alone, and so is
 * one of a unit that could not be made just now. If an earlier run was killed
 * between writing and enabling, everything counts as changed.
 *
 * Source: systemd template generator of MARS.
 */
import { hasMarker } from "./systemd_template.ts";
import {
  type Generated,
  isGenerated,
  isInstallable,
  MARKER,
  type Unit,
} from "./systemd_units.ts";

export interface UnitPlan {
  readonly stop: readonly string[];
  readonly disable: readonly string[];
  readonly remove: readonly string[];
  readonly write: readonly Unit[];
  readonly mustReload: boolean;
  readonly enable: readonly string[];
  readonly start: readonly string[];
  /** Units that are wanted, but somebody else has made a file of that name. */
  readonly foreign: readonly string[];
}

/** @param present texts of files that are there, by name */
export function planUnits(
  { units, failures }: Generated,
  present: ReadonlyMap<string, string>,
  isInterrupted: boolean,
): UnitPlan {
  const wanted = new Set(units.map(({ name }) => name));
  const isForeign = (name: string): boolean => {
    const text = present.get(name);
    return text !== undefined && !isGenerated(text);
  };
  const own = units.filter(({ name }) => !isForeign(name));
  const changed = own.filter(({ name, text }) =>
    isInterrupted || present.get(name) !== text
  );
  const vanished = [...present].filter(([name, text]) =>
    isGenerated(text) && !wanted.has(name) && !failures.has(name)
  ).map(([name, text]): Unit => ({ name, text, isScript: isScript(name) }));
  const real = (list: readonly Unit[]): Unit[] =>
    list.filter((unit) => !unit.isScript);
  return {
    stop: namesOf(real(vanished).filter(isNot(MARKER.keepRunning))),
    disable: namesOf(
      [
        ...real(vanished),
        ...real(changed).filter((unit) => present.has(unit.name))
          .filter(is(MARKER.alwaysDisabled)),
      ].filter(({ text }) => isInstallable(text)),
    ),
    remove: namesOf(vanished),
    write: changed.filter(({ name, text }) => present.get(name) !== text),
    mustReload: real([...changed, ...vanished]).length > 0,
    enable: namesOf(
      real(changed).filter(({ text }) => isInstallable(text))
        .filter(isNot(MARKER.alwaysDisabled)),
    ),
    start: namesOf(real(own).filter(is(MARKER.alwaysStart))),
    foreign: namesOf(units.filter(({ name }) => isForeign(name))),
  };
}

function isScript(name: string): boolean {
  return name.endsWith(".script");
}

function is(marker: string): (unit: Unit) => boolean {
  return ({ text }) => hasMarker(text, marker);
}

function isNot(marker: string): (unit: Unit) => boolean {
  return ({ text }) => !hasMarker(text, marker);
}

function namesOf(units: readonly Unit[]): string[] {
  return units.map(({ name }) => name);
}
