/**
 * Settings: links that hosts read and administrators write, and how to read
 * them back. Every `set-X` has a `get-X`, which prints the value alone.
 *
 * An empty value (`''`) takes a setting back: hosts do as if it had never been
 * made. `get-` prints an empty line then.
 *
 * Source: set- and get- commands of `marsadm`; which also writes settings under
 * names without `global`, kept here with a hint.
 */
import { RefusedError, UsageError } from "../base/errors.ts";
import {
  type Algorithm,
  COMPRESSIONS,
  DIGESTS,
  formatMask,
  formatNames,
  parseMask,
} from "../tree/algorithms.ts";
import { linkPath } from "../tree/path.ts";
import { NOBODY, parseCount, TOMBSTONE } from "../tree/values.ts";
import { checkName, parseBytes } from "./arguments.ts";
import type { Command, Desk } from "./command.ts";
import { CLUSTER_STANDARDS } from "./resource_settings.ts";

/** A setting without a resource. */
interface GlobalSetting {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  readonly details?: string;
  readonly path: (host: string) => string;
  /** The value as a link has it. @throws UsageError */
  readonly encode: (desk: Desk, text: string) => string;
  readonly decode: (value: string) => string;
  /** Whether it had a name without `global-` once. */
  readonly hasOldName: boolean;
}

const GLOBAL_SETTINGS: readonly GlobalSetting[] = [
  {
    name: "global-sync-limit-value",
    usage: "COUNT",
    about: "how many initial copies may run on this host at once; 0: any",
    path: (host) => linkPath.syncLimit(host),
    encode: (_desk, text) => {
      const count = parseCount(text);
      if (count !== undefined) return String(count);
      throw new UsageError(
        `Cannot use "${text}" as sync limit: expected a count, 0 for no limit`,
      );
    },
    decode: (value) => value,
    hasOldName: true,
  },
  {
    name: "global-sync-flip-interval-sec",
    usage: "SECONDS",
    about:
      "after how long an initial copy on this host rests for replay, 60; less than 8: never",
    hasOldName: false,
    path: (host) => linkPath.syncFlip(host),
    encode: (_desk, text) => {
      const count = parseCount(text);
      if (count !== undefined) return String(count);
      throw new UsageError(
        `Cannot use "${text}" as flip interval: expected seconds, 0 for never`,
      );
    },
    decode: (value) => value,
  },
  masked("enabled-log-compressions", COMPRESSIONS),
  masked("enabled-net-compressions", COMPRESSIONS),
  masked("disabled-log-digests", DIGESTS),
  masked("disabled-net-digests", DIGESTS),
  ...CLUSTER_STANDARDS.map((setting): GlobalSetting => ({
    name: `global-${setting.cluster}`,
    usage: setting.usage,
    about: `${setting.summary}; for resources that have no own value`,
    ...(setting.details === undefined ? {} : { details: setting.details }),
    path: () => linkPath.defaults(setting.cluster),
    encode: (_desk, text) => setting.check(text),
    decode: (value) => setting.decode?.(value) ?? value,
    hasOldName: false,
  })),
];

function masked(link: string, table: readonly Algorithm[]): GlobalSetting {
  const [verb = "", medium = "", what = ""] = link.split("-");
  return {
    name: `global-${link}`,
    usage: "NAME[|NAME…]|MASK|''",
    about: `${what} that are ${verb} for ${
      medium === "log" ? "log files" : "the network"
    }`,
    details: `Names are ${table.map(({ name }) => name).join(", ")}.`,
    path: () => linkPath.defaults(link),
    encode: (desk, text) => maskOf(desk, link, text, table),
    decode: (value) => {
      const mask = parseMask(value, table);
      // Of a newer program, perhaps.
      return mask === undefined ? value : formatNames(mask, table);
    },
    hasOldName: true,
  };
}

function maskOf(
  desk: Desk,
  link: string,
  text: string,
  table: readonly Algorithm[],
): string {
  const mask = parseMask(text, table);
  if (mask === undefined) {
    throw new UsageError(
      `Cannot set ${link} to "${text}": expected names joined by "|" or a mask of them; known are ${
        table.map(({ name }) => name).join(", ")
      }`,
    );
  }
  const old = DIGESTS[0]?.name ?? "";
  const isOldOff = link === "disabled-net-digests" &&
    formatNames(mask, table).split("|").includes(old);
  if (isOldOff) {
    desk.warn(`WARNING: hosts use ${old} on the network nevertheless`);
  }
  return formatMask(mask);
}

function globalCommands(setting: GlobalSetting): Command[] {
  const { name, usage, about, details, path, encode, decode } = setting;
  const common = {
    subject: "none",
    ...(details === undefined ? {} : { details }),
  } as const;
  const set: Command = {
    ...common,
    name: `set-${name}`,
    usage,
    summary: `Set ${about}`,
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, _resource, [text = ""]) => {
      const value = text === "" ? TOMBSTONE : encode(desk, text);
      desk.write([{ path: path(desk.host), value }]);
    },
  };
  const get: Command = {
    ...common,
    name: `get-${name}`,
    usage: "",
    summary: `Print ${about}`,
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk) => {
      const link = desk.look().value(path(desk.host));
      const value = link === undefined ? "" : decode(link);
      desk.answer(value, { setting: name, value });
    },
  };
  return setting.hasOldName
    ? [set, get, ...[set, get].map(underOldName)]
    : [set, get];
}

/** Prescribed by MARS: older scripts leave out `global-`. */
function underOldName(command: Command): Command {
  const { name, run } = command;
  const oldName = name.replace("-global-", "-");
  return {
    ...command,
    name: oldName,
    isOldName: true,
    run: (desk, resource, words) => {
      desk.warn(`   HINT: "${oldName}" is called "${name}" now`);
      return run?.(desk, resource, words);
    },
  };
}

const LEVELS = "1234";

/** @throws UsageError */
function reservePath(desk: Desk, level: string): string {
  if (level.length === 1 && LEVELS.includes(level)) {
    return linkPath.requiredFreeSpace(desk.host, Number(level));
  }
  throw new UsageError(
    `Cannot use "${level}" as level of emergency: expected 1, 2, 3 or 4`,
  );
}

const RESERVE_DETAILS =
  "A level is reached when less than the reserves from it on to level 4 is free on the file system of the tree. 1: it is said. 2: hosts without the role give up copies of logs. 3: they fetch and copy no more. 4: primaries go on without logs. The standard is that of mars daemon --reserve, 2g each.";

export const SETTING_COMMANDS: readonly Command[] = [
  {
    name: "set-global-required-free-space",
    usage: "LEVEL SIZE|''",
    summary: "Set the reserve of a level of emergency on this host; 0 is none",
    details: RESERVE_DETAILS,
    subject: "none",
    wordsMin: 2,
    wordsMax: 2,
    run: (desk, _resource, [level = "", text = ""]) => {
      const value = text === "" ? TOMBSTONE : String(parseBytes(text));
      desk.write([{ path: reservePath(desk, level), value }]);
    },
  },
  {
    name: "get-global-required-free-space",
    usage: "LEVEL",
    summary: "Print the reserve of a level of emergency on this host",
    details: RESERVE_DETAILS,
    subject: "none",
    isReading: true,
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, _resource, [level = ""]) => {
      const value = desk.look().value(reservePath(desk, level)) ?? "";
      desk.answer(value, { setting: "required-free-space", level, value });
    },
  },
  ...GLOBAL_SETTINGS.flatMap(globalCommands),
  {
    name: "set-connect-pref-list",
    usage: "RES HOST[,HOST…]|''",
    summary: "Set which hosts this host asks first for logs",
    details:
      "Hosts of the original ask nobody else: the first one of the list that was heard of lately.",
    subject: "resources",
    wordsMin: 1,
    wordsMax: 1,
    run: setPreferred,
  },
  {
    name: "get-connect-pref-list",
    usage: "RES",
    summary: "Print which hosts this host asks first for logs",
    subject: "resources",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    run: (desk, resource) => {
      const link = desk.look().value(linkPath.connect(resource, desk.host));
      const value = link === undefined || link === NOBODY ? "" : link;
      const setting = "connect-pref-list";
      desk.answer(value, { setting, resource, value });
    },
  },
];

function setPreferred(
  desk: Desk,
  resource: string,
  [list = ""]: readonly string[],
): void {
  const hosts = list.split(",").filter((host) => host !== "");
  const members = desk.snapshot().members(resource);
  for (const host of hosts) checkName(host, "host");
  const strangers = hosts.filter((host) => !members.includes(host));
  if (strangers.length > 0 && !desk.options.force) {
    throw new RefusedError(`Cannot prefer "${list}" for "${resource}"`, [
      `${strangers.map((host) => `"${host}"`).join(", ")} ${
        strangers.length === 1 ? "is no member" : "are no members"
      }; members are ${members.map((host) => `"${host}"`).join(", ")}`,
    ]);
  }
  desk.write([{
    path: linkPath.connect(resource, desk.host),
    value: hosts.length === 0 ? TOMBSTONE : hosts.join(","),
  }]);
}
