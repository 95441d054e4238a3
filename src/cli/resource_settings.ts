/** Settings of a resource: rows of what is set and what is shown. */
import { UsageError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { isAcknowledgeLevel, parseCount } from "../tree/values.ts";
import type { Command } from "./command.ts";

interface Setting {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly path: (resource: string, host: string) => string;
  /** What holds while the link is missing. */
  readonly standard: string;
  /** @throws UsageError */
  readonly check: (text: string) => string;
}

const SETTINGS: readonly Setting[] = [
  {
    name: "acknowledge",
    usage: "flush|durable",
    summary: "what must have happened before a write is acknowledged",
    path: linkPath.acknowledge,
    standard: "flush",
    check: acknowledgeLevel,
  },
  {
    name: "emergency-limit",
    usage: "PERCENT",
    summary:
      "how much of the tree must be free, or this host goes on without logs; 0 is no limit",
    path: (resource, host) => linkPath.todo(resource, host, "emergency-limit"),
    standard: "0",
    check: percent,
  },
];

export const SETTING_COMMANDS: readonly Command[] = SETTINGS.flatMap((
  { name, usage, summary, path, standard, check },
): Command[] => [
  {
    name: `set-${name}`,
    usage: `RES ${usage}`,
    summary: `Set ${summary}`,
    subject: "resources",
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, resource, [value = ""]) =>
      desk.write([{ path: path(resource, desk.host), value: check(value) }]),
  },
  {
    name: `get-${name}`,
    usage: "RES",
    summary: `Print ${summary}`,
    subject: "resources",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk, resource) => {
      const snapshot: Snapshot = desk.look();
      const value = snapshot.value(path(resource, desk.host)) ?? standard;
      desk.answer(value, { setting: name, resource, value });
    },
  },
]);

/** @throws UsageError for a level that there is not */
export function acknowledgeLink(resource: string, level: string): LinkWrite {
  const path = linkPath.acknowledge(resource);
  return { path, value: acknowledgeLevel(level) };
}

function acknowledgeLevel(level: string): string {
  if (isAcknowledgeLevel(level) && level !== "peer") return level;
  throw new UsageError(
    `Cannot acknowledge at level "${level}": expected flush or durable`,
  );
}

function percent(text: string): string {
  const value = parseCount(text);
  if (value !== undefined && value <= 100) return String(value);
  throw new UsageError(
    `Cannot use "${text}" as emergency limit: expected a whole number from 0 to 100`,
  );
}
