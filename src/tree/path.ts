// Pure
/**
 * Names of links: how they are built, and what each kind of link is.
 *
 * A path is relative to the root of the tree: one to three names, separated by
 * slashes. `KINDS` has one row per kind of link:
 *
 *   pattern  with <host>, <resource>, <sequence>, <name> for the variable parts
 *   owner    "host"   states what the host in the name actually does; only that
 *                     host writes it (I8)
 *            "any"    anybody may write it
 *            "local"  never leaves this host
 *   value    codec in `values.ts`
 *
 * The first row that matches counts. Links without a row are replicated, but
 * their values are not validated.
 *
 * Source: MARS symlink tree 0.1.
 */
import { formatSequence, logFileName } from "../base/names.ts";
import { byteLengthOf, type ValueKind } from "./values.ts";

// Prescribed by MARS: entries deeper below the root are neither sent nor read.
export const PATH_DEPTH_MAX = 3;
// Ours: one name may have 255 bytes, so this is about 80 bytes per name.
const PATH_BYTES_MAX = 255;

/** Who may write a link. */
export type LinkOwner = "host" | "any" | "local";

/** A row of the table of links. */
export type LinkKind = {
  readonly pattern: string;
  readonly owner: LinkOwner;
  readonly value: ValueKind;
};

/** Builders; results are relative to the root of the tree. */
export const linkPath = {
  uuid: "uuid",
  ip: (host: string): string => `ips/ip-${host}`,
  defaults: (name: string): string => `defaults/${name}`,
  hostDefault: (host: string, name: string): string =>
    `defaults-${host}/${name}`,
  syncLimit: (host: string): string => `defaults-${host}/sync-limit`,
  syncFlip: (host: string): string => `defaults-${host}/sync-flip-interval-sec`,
  requiredFreeSpace: (host: string, level: number): string =>
    `defaults-${host}/required-free-space-${level}`,
  syncPrefList: (host: string): string => `defaults-${host}/sync-pref-list`,
  todoGlobal: (name: string): string => `todo-global/${name}`,
  merged: (uuid: string): string => `todo-global/merged-${uuid}`,
  global: (host: string, name: string): string => `actual-${host}/${name}`,

  resource: (resource: string): string => `resource-${resource}`,
  size: (resource: string): string => `resource-${resource}/size`,
  primary: (resource: string): string => `resource-${resource}/primary`,
  maxnr: (resource: string): string => `resource-${resource}/maxnr`,
  resourceDefaults: (resource: string, name: string): string =>
    `resource-${resource}/defaults/${name}`,
  acknowledge: (resource: string): string => `resource-${resource}/acknowledge`,
  data: (resource: string, host: string): string =>
    `resource-${resource}/data-${host}`,
  device: (resource: string, host: string): string =>
    `resource-${resource}/device-${host}`,
  actsize: (resource: string, host: string): string =>
    `resource-${resource}/actsize-${host}`,
  connect: (resource: string, host: string): string =>
    `resource-${resource}/connect-${host}`,
  skipCheck: (resource: string, host: string): string =>
    `resource-${resource}/skip-check-${host}`,
  todo: (resource: string, host: string, name: string): string =>
    `resource-${resource}/todo-${host}/${name}`,
  actual: (resource: string, host: string, name: string): string =>
    `resource-${resource}/actual-${host}/${name}`,
  userspace: (resource: string, name: string): string =>
    `resource-${resource}/userspace/${name}`,
  /** This host takes over; see `cli/rivals.ts`. */
  claim: (resource: string, host: string): string =>
    `resource-${resource}/userspace/claim-${host}`,
  systemdWant: (resource: string): string =>
    `resource-${resource}/systemd-want`,
  systemdUnit: (resource: string, word: "start" | "stop"): string =>
    `resource-${resource}/systemd-${word}-unit`,

  replay: (resource: string, host: string): string =>
    `resource-${resource}/replay-${host}`,
  version: (resource: string, sequence: number, host: string): string =>
    `resource-${resource}/version-${formatSequence(sequence)}-${host}`,
  log: (resource: string, sequence: number, host: string): string =>
    `resource-${resource}/${logFileName({ sequence, host })}`,
  syncFrom: (resource: string, host: string): string =>
    `resource-${resource}/syncfrom-${host}`,
  syncStatus: (resource: string, host: string): string =>
    `resource-${resource}/syncstatus-${host}`,
  syncPos: (resource: string, host: string): string =>
    `resource-${resource}/syncpos-${host}`,
  /** Highest number of a log that `host` wrote on a side that was lost. */
  usedLog: (resource: string, host: string): string =>
    `resource-${resource}/userspace/used-log-${host}`,
  /** Stays on its host; see `resource/rewind.ts`. */
  rewind: (resource: string, host: string, part: string): string =>
    `resource-${resource}/local-${host}/rewind${part}`,
  verifyStatus: (resource: string, host: string): string =>
    `resource-${resource}/verifystatus-${host}`,
} as const;

const RESOURCE = "resource-<resource>";
const TODO = `${RESOURCE}/todo-<host>`;
const ACTUAL = `${RESOURCE}/actual-<host>`;
const GLOBAL = "actual-<host>";

const KINDS: readonly LinkKind[] = [
  // Cluster.
  { pattern: "uuid", owner: "any", value: "text" },
  { pattern: "ips/ip-<host>", owner: "any", value: "address" },
  { pattern: "defaults/<name>", owner: "any", value: "text" },
  { pattern: "defaults-<host>/sync-limit", owner: "any", value: "count" },
  {
    pattern: "defaults-<host>/sync-flip-interval-sec",
    owner: "any",
    value: "count",
  },
  { pattern: "defaults-<host>/<name>", owner: "any", value: "text" },
  { pattern: "todo-global/<name>", owner: "any", value: "text" },
  { pattern: "userspace/<name>", owner: "any", value: "text" },
  { pattern: "cache-<host>/<name>", owner: "local", value: "text" },

  // Hosts. The local daemon notes in a peer's directory when it heard of it.
  { pattern: `${GLOBAL}/read-stamp`, owner: "local", value: "stamp" },
  { pattern: `${GLOBAL}/time`, owner: "host", value: "stamp" },
  { pattern: `${GLOBAL}/alive`, owner: "host", value: "switch" },
  { pattern: `${GLOBAL}/features`, owner: "host", value: "features" },
  { pattern: `${GLOBAL}/usable`, owner: "host", value: "features" },
  { pattern: `${GLOBAL}/emergency`, owner: "host", value: "count" },
  { pattern: `${GLOBAL}/rest-space`, owner: "host", value: "integer" },
  { pattern: `${GLOBAL}/total-space`, owner: "host", value: "integer" },
  { pattern: `${GLOBAL}/msg-<name>`, owner: "host", value: "message" },
  { pattern: `${GLOBAL}/<name>`, owner: "host", value: "text" },

  // Resources: configuration and membership.
  { pattern: `${RESOURCE}/size`, owner: "any", value: "count" },
  { pattern: `${RESOURCE}/primary`, owner: "any", value: "host" },
  { pattern: `${RESOURCE}/maxnr`, owner: "any", value: "count" },
  { pattern: `${RESOURCE}/acknowledge`, owner: "any", value: "acknowledge" },
  { pattern: `${RESOURCE}/data-<host>`, owner: "any", value: "path" },
  { pattern: `${RESOURCE}/device-<host>`, owner: "any", value: "text" },
  { pattern: `${RESOURCE}/actsize-<host>`, owner: "host", value: "count" },
  { pattern: `${RESOURCE}/skip-check-<host>`, owner: "any", value: "text" },
  { pattern: `${RESOURCE}/connect-<host>`, owner: "any", value: "text" },
  { pattern: `${RESOURCE}/systemd-want`, owner: "any", value: "host" },
  { pattern: `${RESOURCE}/userspace/<name>`, owner: "any", value: "text" },
  { pattern: `${RESOURCE}/defaults/<name>`, owner: "any", value: "text" },
  {
    pattern: `${RESOURCE}/defaults-<host>/<name>`,
    owner: "any",
    value: "text",
  },
  { pattern: `${RESOURCE}/local-<host>/<name>`, owner: "local", value: "text" },

  // Resources: desired state.
  { pattern: `${TODO}/attach`, owner: "any", value: "switch" },
  { pattern: `${TODO}/connect`, owner: "any", value: "switch" },
  { pattern: `${TODO}/sync`, owner: "any", value: "switch" },
  { pattern: `${TODO}/allow-replay`, owner: "any", value: "switch" },
  { pattern: `${TODO}/emergency-limit`, owner: "any", value: "percent" },
  { pattern: `${TODO}/log-quota`, owner: "any", value: "count" },
  { pattern: `${TODO}/<name>`, owner: "any", value: "text" },

  // Resources: actual state.
  { pattern: `${ACTUAL}/is-<name>`, owner: "host", value: "switch" },
  { pattern: `${ACTUAL}/if-on`, owner: "host", value: "switch" },
  { pattern: `${ACTUAL}/has-emergency`, owner: "host", value: "switch" },
  { pattern: `${ACTUAL}/open-count`, owner: "host", value: "count" },
  { pattern: `${ACTUAL}/device-size`, owner: "host", value: "count" },
  { pattern: `${ACTUAL}/disk-error`, owner: "host", value: "integer" },
  { pattern: `${ACTUAL}/msg-<name>`, owner: "host", value: "message" },
  { pattern: `${ACTUAL}/<name>`, owner: "host", value: "text" },

  // Resources: positions. A log is a file; a link of its name is a tombstone.
  {
    pattern: `${RESOURCE}/log-<sequence>-<host>`,
    owner: "any",
    value: "tombstone",
  },
  { pattern: `${RESOURCE}/replay-<host>`, owner: "host", value: "replay" },
  {
    pattern: `${RESOURCE}/version-<sequence>-<host>`,
    owner: "host",
    value: "version",
  },
  { pattern: `${RESOURCE}/syncstatus-<host>`, owner: "host", value: "count" },
  { pattern: `${RESOURCE}/syncpos-<host>`, owner: "host", value: "replay" },
  { pattern: `${RESOURCE}/syncfrom-<host>`, owner: "host", value: "host" },
  {
    pattern: `${RESOURCE}/verifystatus-<host>`,
    owner: "host",
    value: "verify",
  },
];

/** What a path says about itself. */
export type PathMatch = {
  readonly kind: LinkKind;
  readonly resource: string | undefined;
  readonly host: string | undefined;
  /** Decimal digits as they stand in the name. */
  readonly sequence: string | undefined;
  readonly name: string | undefined;
};

const IDENTIFIER = "[A-Za-z0-9_][-A-Za-z0-9_]{0,62}";
const EXPRESSIONS: Readonly<Record<string, string>> = {
  "<host>": `(?<host>${IDENTIFIER})`,
  "<resource>": `(?<resource>${IDENTIFIER})`,
  "<sequence>": "(?<sequence>[0-9]{1,15})",
  "<name>": "(?<name>[^/]+)",
};

type Row = { readonly kind: LinkKind; readonly expression: RegExp };

/** Rows by how the variable part of a path begins, in their order. */
type Rows = ReadonlyMap<string, readonly Row[]>;

const RESOURCE_ROWS = rowsBehind(`${RESOURCE}/`);
const OTHER_ROWS = rowsBehind("");

/** Rows of patterns that begin with `prefix`; none of them begins otherwise. */
function rowsBehind(prefix: string): Rows {
  const rows = new Map<string, Row[]>();
  for (const kind of KINDS) {
    const isHere = kind.pattern.startsWith(RESOURCE) === (prefix !== "");
    if (!isHere) continue;
    const text = kind.pattern.replace(
      /<\w+>/g,
      (part) => EXPRESSIONS[part] ?? part,
    );
    const head = headOf(kind.pattern, prefix.length);
    const others = rows.get(head) ?? [];
    rows.set(head, [...others, { kind, expression: new RegExp(`^${text}$`) }]);
  }
  return rows;
}

function rowsFor(path: string): readonly Row[] {
  const rows = path.startsWith("resource-")
    ? RESOURCE_ROWS.get(headOf(path, path.indexOf("/") + 1))
    : OTHER_ROWS.get(headOf(path, 0));
  return rows ?? [];
}

/** From `start` up to the first dash or slash, with it. */
function headOf(path: string, start: number): string {
  for (let end = start; end < path.length; end++) {
    const isEnd = path[end] === "-" || path[end] === "/";
    if (isEnd) return path.slice(start, end + 1);
  }
  return path.slice(start);
}

/** The kind of a link; undefined for a kind unknown here. */
export function classify(path: string): LinkKind | undefined {
  // Without the parts, which cost more than the match.
  for (const { kind, expression } of rowsFor(path)) {
    if (expression.test(path)) return kind;
  }
  return undefined;
}

/** The kind of a link and the variable parts of its path. */
export function matchPath(path: string): PathMatch | undefined {
  for (const { kind, expression } of rowsFor(path)) {
    const groups = expression.exec(path);
    if (groups === null) continue;
    const parts = groups.groups ?? {};
    return {
      kind,
      resource: parts["resource"],
      host: parts["host"],
      sequence: parts["sequence"],
      name: parts["name"],
    };
  }
  return undefined;
}

/** The host whose actual state or position the link states, if any. */
export function ownerOf(path: string): string | undefined {
  const match = matchPath(path);
  return match?.kind.owner === "host" ? match.host : undefined;
}

/**
 * Whether `path` can be that of a link: relative, one to three names, none of
 * them empty or with a leading dot, no control characters, bounded length.
 */
export function isLegalPath(path: string): boolean {
  if (path.length <= PATH_BYTES_MAX && PLAIN_PATH.test(path)) return true;
  if (byteLengthOf(path) > PATH_BYTES_MAX || !path.isWellFormed()) return false;
  // deno-lint-ignore no-control-regex -- Control characters are the point.
  if (/[\u0000-\u001f\u007f]/.test(path)) return false;
  const names = path.split("/");
  if (names.length > PATH_DEPTH_MAX) return false;
  // A leading dot also stands for "." and "..".
  return names.every((name) => name !== "" && !name.startsWith("."));
}

/** Nearly all are of this kind. */
const PLAIN_PATH = /^[-\w][-\w.]*(?:\/[-\w][-\w.]*){0,2}$/;

/**
 * Names that stay at home. When this host heard of another one is nobody else's
 * business.
 */
const LOCAL =
  /(?:^|\/)(?:cache-|backups-|probe-|local-)|(?:^|\/)ignore[^/]*$|^actual-[^/]+\/read-stamp$/;

/** Whether a link of this path is sent to other hosts. */
export function isReplicated(path: string): boolean {
  return isLegalPath(path) && !LOCAL.test(path);
}

/**
 * Whether a link is a host's sign of life. Whoever sees one counts on having
 * seen all that the host wrote before.
 */
export function isSign(path: string): boolean {
  return /^actual-[^/]+\/time$/.test(path);
}

/** The directory of a path; empty for the root of the tree. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path of `name` in `directory`; empty for the root of the tree. */
export function pathIn(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}
