/**
 * Options: one table for parsing, help, manual and completion.
 *
 * Options may stand anywhere on the command line. The value of an option
 * follows after "=" or as the next word; an optional one only after "=".
 *
 * Source: options of `marsadm`, with `--timeout=-1` as its help promises it;
 * those marked "ours" below are not known to it.
 */
import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../base/errors.ts";
import { type Settings, settingsFrom } from "../base/settings.ts";
import { MS_PER_S } from "../base/time.ts";
import { ROTATE_BYTES_MIN, ROTATE_LOGS_MAX } from "../resource/retention.ts";
import { isHostAddress } from "../tree/values.ts";
import { parseBytes } from "./arguments.ts";

/** A row of the table. */
export interface OptionRow {
  readonly name: string;
  readonly alias?: string;
  /** What stands for the value in help; in brackets where it is optional. */
  readonly value?: string;
  readonly summary: string;
  /** May be given more than once, and counts. */
  readonly isCounted?: true;
  /** Accepted so that old scripts run; has no effect. */
  readonly isIgnored?: true;
}

export const OPTION_ROWS: readonly OptionRow[] = [
  // What a command may do.
  {
    name: "force",
    alias: "f",
    isCounted: true,
    summary: "Skip checks, as each command says; dangerous",
  },
  {
    name: "dry-run",
    alias: "d",
    summary: "Print the links that would change, change nothing",
  },
  {
    name: "verbose",
    alias: "v",
    value: "[=N]",
    isCounted: true,
    summary: "Say more; twice: still more",
  },
  {
    name: "ignore-sync",
    summary: "primary: although other members are still copying",
  },
  {
    name: "full",
    summary: "invalidate: compare the whole disk, also after a split brain",
  },
  {
    name: "check",
    summary: "primary, secondary: say what would happen, change nothing",
  },
  {
    name: "ignore-deleted-peers",
    value: "=0|1|2",
    summary: "Count hosts that left: 0 yes, 1 no, 2 do not even show them",
  },
  { name: "repair", summary: "verify: overwrite what differs" },
  { name: "cancel", summary: "verify: take the request back" },
  {
    name: "parallel",
    value: "[=N]",
    summary: "Several resources at once, at most N",
  },
  { name: "singlestep", summary: "Ask on the terminal before each phase" },
  {
    name: "error-injection-phase",
    value: "=N",
    summary: "Fail in phase N, for tests",
  },
  // Waiting.
  {
    name: "timeout",
    value: "=SECONDS",
    summary: "Give up waiting after so long, 600; -1 never",
  },
  {
    name: "window",
    value: "=SECONDS",
    summary: "Who was silent for longer counts as dead, 60",
  },
  // Output.
  { name: "json", summary: "Print JSON, where a command reads" },
  {
    name: "macro",
    value: "=TEXT",
    summary: "view: use this text for the macro",
  },
  {
    name: "threshold",
    value: "=SIZE",
    summary: "view: smaller differences are not worth a hint, 10M",
  },
  {
    name: "stuck-seconds",
    value: "=SECONDS",
    summary: "view: no progress for so long is stuck, 3600",
  },
  // Housekeeping.
  {
    name: "thresh-logfiles",
    value: "=N",
    summary: "log-rotate: with so many logs rotate only large ones, 10",
  },
  {
    name: "thresh-logsize",
    value: "=GB",
    summary: "log-rotate: how many 10^9 bytes are large, 5",
  },
  {
    name: "keep-backup-hours",
    alias: "keep-backups",
    value: "=HOURS",
    summary: "cron: keep backups and tombstones for so long, 168",
  },
  {
    name: "autoclean",
    value: "[=DAYS]",
    summary: "cron: remove what hosts left behind that are gone so long",
  },
  {
    name: "backup-dir",
    value: "=DIR",
    summary: "Where commands put what they replace",
  },
  // Hosts.
  { name: "host", value: "=NAME", summary: "Act as this host" },
  {
    name: "ip",
    value: "=ADDRESS",
    summary: "Own address, with :PORT if it is not 7777",
  },
  { name: "ip-PEER", value: "=ADDRESS", summary: "Address of another host" },
  {
    name: "token",
    value: "=TOKEN",
    summary: "join-cluster: what `mars token create` printed; repeatable",
  },
  {
    name: "ssh",
    summary: "join-cluster, merge-cluster: meet the peer over ssh, no token",
  },
  {
    name: "ssh-port",
    value: "=PORT",
    summary: "Port of the peer's ssh server, 22",
  },
  { name: "ssh-opts", value: "=TEXT", summary: "Further options for ssh" },
  { name: "no-ssh", summary: "Never use ssh, whatever else is given" },
  // Where things are.
  { name: "mars-dir", value: "=DIR", summary: "The tree and the logs, /mars" },
  { name: "run-dir", value: "=DIR", summary: "Sockets and control, /run/mars" },
  { name: "etc-dir", value: "=DIR", summary: "Keys and trust, /etc/mars" },
  {
    name: "control-dir",
    value: "=DIR",
    summary: "The control directory, <run dir>/control",
  },
  { name: "port", value: "=PORT", summary: "Port of the daemon, 7777" },
  {
    name: "logger",
    value: "=PATH",
    summary: "Program that writes to the system log; empty for none",
  },
  {
    name: "systemd-enable",
    value: "=0|1",
    summary: "Whether commands start and stop systemd units",
  },
  // Programs.
  {
    name: "acknowledge",
    value: "=flush|durable",
    summary: "create-resource: what must have happened before",
  },
  { name: "listen", value: "=ADDRESS", summary: "daemon: listen here only" },
  {
    name: "replace",
    summary: "daemon: take the place of the one that runs, which ends",
  },
  {
    name: "reserve",
    value: "=SIZE",
    summary: "daemon: size of each of the four space reserves, 2G",
  },
  {
    name: "fair",
    summary: "daemon: replication does not yield to the use of devices",
  },
  {
    name: "trace",
    value: "=error|warn|info|debug",
    summary: "daemon: how much it tells, info",
  },
  {
    name: "trace-format",
    value: "=text|json",
    summary: "daemon: in which form",
  },
  { name: "systemd", summary: "install: the files that systemd needs" },
  {
    name: "prefix",
    value: "=DIR",
    summary: "install, uninstall: put files below this directory",
  },
  { name: "keep", summary: "demo: keep directories and daemons" },
  { name: "all", summary: "help: every command with its usage" },
  { name: "help", alias: "h", summary: "Explain the command" },
  { name: "version", summary: "Print the version" },
  // Of the original, without effect.
  { name: "max-deletions", value: "=N", summary: "Ignored", isIgnored: true },
  { name: "delete-method", value: "=N", summary: "Ignored", isIgnored: true },
];

/** Words and options of a command line, before anything is believed. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
  readonly isOn: (option: string) => boolean;
  /** Addresses given as `--ip-PEER=ADDRESS`, by peer. */
  readonly peerIps: ReadonlyMap<string, string>;
}

/** Whether the value may also be the next word. */
export function takesNextWord(row: OptionRow): boolean {
  return row.value?.startsWith("=") === true && row.name !== "ip-PEER";
}

/** @throws UsageError for an unknown option */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const peerIps = new Map<string, string>();
  const own = args.filter((argument) => {
    const match = /^--ip-([^=]+)=(.*)$/.exec(argument);
    if (match === null) return true;
    peerIps.set(match[1] ?? "", checkedAddress(match[2] ?? ""));
    return false;
  });
  const withValue = OPTION_ROWS.filter((row) => row.value !== undefined);
  const parsed = parseArgs(joined(own).map(withItsValue), {
    boolean: OPTION_ROWS.filter((row) =>
      row.value === undefined && !row.isCounted
    )
      .map(({ name }) => name),
    string: [...withValue.map(({ name }) => name), "force", "_"],
    collect: [...withValue.map(({ name }) => name), "force"],
    alias: Object.fromEntries(
      OPTION_ROWS.flatMap(({ name, alias }) =>
        alias === undefined ? [] : [[name, alias]]
      ),
    ),
    unknown: (argument, key) => {
      if (key === undefined) return true;
      throw new UsageError(`Unknown option "${argument}"; type mars help`);
    },
  });
  const words = parsed._.map(String);
  let isForced = false;
  // As the original takes it: `force-` before any word.
  for (const [index, word] of words.entries()) {
    if (!word.startsWith(FORCE_PREFIX)) continue;
    words[index] = word.slice(FORCE_PREFIX.length);
    isForced = true;
  }
  const texts = (option: string): readonly string[] => {
    const value = parsed[option];
    return Array.isArray(value) ? value.map(String) : [];
  };
  return {
    words,
    texts,
    text: (option) => texts(option).at(-1),
    isOn: (option) =>
      parsed[option] === true || texts(option).length > 0 ||
      (option === "force" && isForced),
    peerIps,
  };
}

const FORCE_PREFIX = "force-";

/** `--timeout -1` as one word: the value looks like an option. */
function joined(args: readonly string[]): string[] {
  return args.flatMap((argument, index) => {
    if (argument === "-1" && args[index - 1] === "--timeout") return [];
    const isApart = argument === "--timeout" && args[index + 1] === "-1";
    return [isApart ? "--timeout=-1" : argument];
  });
}

/** Gives options their value that stand without one. */
function withItsValue(argument: string): string {
  // Would be read as an option of its own.
  if (argument === "--timeout=-1") return "--timeout=infinite";
  if (argument === "-f" || argument === "--force") return "--force=1";
  if (/^-v+$/.test(argument)) return `--verbose=${argument.length - 1}`;
  const row = OPTION_ROWS.find(({ name }) => argument === `--${name}`);
  return row?.value?.startsWith("[") === true ? `${argument}=` : argument;
}

export function settingsOf(line: CommandLine): Settings {
  return settingsFrom(
    {
      "mars-dir": line.text("mars-dir"),
      "run-dir": line.text("run-dir"),
      "etc-dir": line.text("etc-dir"),
      "control-dir": line.text("control-dir"),
      host: line.text("host"),
      port: line.text("port"),
    },
    (name) => Deno.env.get(name),
    () => Deno.hostname(),
  );
}

/** Options of all commands, decoded. */
export interface Options {
  readonly force: boolean;
  readonly dryRun: boolean;
  /** 0: normal. */
  readonly verbose: number;
  readonly json: boolean;
  /** Whether the output goes to somebody's eyes. */
  readonly color: boolean;
  readonly ignoreSync: boolean;
  readonly repair: boolean;
  readonly cancel: boolean;
  /** A rehearsal. */
  readonly check: boolean;
  readonly full: boolean;
  readonly ignoreDeletedPeers: number;
  /** How many resources at once; undefined: one phase of each at a time. */
  readonly parallel: number | undefined;
  readonly singlestep: boolean;
  readonly failInPhase: number | undefined;
  /** Infinite when given as -1. */
  readonly timeoutMs: number;
  /** Who was not heard of for so long counts as dead. */
  readonly windowMs: number;
  readonly stuckMs: number;
  /** Text of the first macro that is looked up. */
  readonly macro: string | undefined;
  readonly thresholdBytes: number;
  readonly threshLogs: number;
  readonly threshLogBytes: number;
  readonly keepBackupHours: number;
  /** 0: no automatic cleaning. */
  readonly autocleanDays: number;
  readonly backupDir: string | undefined;
  /** Own address for other hosts, `address` or `address:port`. */
  readonly ip: string | undefined;
  readonly peerIps: ReadonlyMap<string, string>;
  readonly tokens: readonly string[];
  readonly ssh: {
    readonly isWanted: boolean;
    readonly port: number;
    readonly options: readonly string[];
  };
  /** Undefined: the usual one, if it is there; empty: none. */
  readonly logger: string | undefined;
  /** Undefined: decide by who calls. */
  readonly systemd: boolean | undefined;
  readonly acknowledge: string | undefined;
}

/** Prescribed by MARS. */
const TIMEOUT_S = 600;
const WINDOW_S = 60;
const STUCK_S = 3600;
const KEEP_BACKUP_HOURS = 168;
const THRESHOLD_BYTES = 10 * 2 ** 20;
const AUTOCLEAN_DAYS = 30;
const SSH_PORT = 22;
const GB = 1e9;

/** @throws UsageError for a value that is no number */
export function optionsOf(line: CommandLine, color: boolean): Options {
  const number = (option: string, standard: number): number =>
    optionalNumber(line, option) ?? standard;
  const timeoutS = line.text("timeout") === "infinite"
    ? Infinity
    : number("timeout", TIMEOUT_S);
  const threshold = line.text("threshold");
  const threshGb = optionalNumber(line, "thresh-logsize");
  const systemd = oneOf(line, "systemd-enable", [0, 1]);
  return {
    force: line.isOn("force"),
    dryRun: line.isOn("dry-run"),
    verbose: verbosityOf(line),
    json: line.isOn("json"),
    color,
    ignoreSync: line.isOn("ignore-sync"),
    repair: line.isOn("repair"),
    cancel: line.isOn("cancel"),
    check: line.isOn("check"),
    full: line.isOn("full"),
    ignoreDeletedPeers: oneOf(line, "ignore-deleted-peers", [0, 1, 2]) ?? 1,
    parallel: parallelOf(line),
    // Several at once cannot be asked about.
    singlestep: line.isOn("singlestep") && parallelOf(line) === undefined,
    failInPhase: optionalNumber(line, "error-injection-phase"),
    timeoutMs: timeoutS * MS_PER_S,
    windowMs: number("window", WINDOW_S) * MS_PER_S,
    stuckMs: number("stuck-seconds", STUCK_S) * MS_PER_S,
    macro: line.text("macro"),
    thresholdBytes: threshold === undefined
      ? THRESHOLD_BYTES
      : parseBytes(threshold),
    threshLogs: number("thresh-logfiles", ROTATE_LOGS_MAX),
    threshLogBytes: threshGb === undefined ? ROTATE_BYTES_MIN : threshGb * GB,
    keepBackupHours: number("keep-backup-hours", KEEP_BACKUP_HOURS),
    autocleanDays: line.text("autoclean") === ""
      ? AUTOCLEAN_DAYS
      : number("autoclean", 0),
    backupDir: line.text("backup-dir"),
    ip: line.text("ip"),
    peerIps: line.peerIps,
    tokens: line.texts("token"),
    ssh: {
      isWanted: line.isOn("ssh") && !line.isOn("no-ssh"),
      port: number("ssh-port", SSH_PORT),
      options: (line.text("ssh-opts") ?? "").split(/\s+/)
        .filter((word) => word !== ""),
    },
    logger: line.text("logger"),
    systemd: systemd === undefined ? undefined : systemd !== 0,
    acknowledge: line.text("acknowledge"),
  };
}

function optionalNumber(
  line: CommandLine,
  option: string,
): number | undefined {
  const text = line.text(option);
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(
    `Cannot use "${text}" as --${option}: expected a whole number`,
  );
}

function oneOf(
  line: CommandLine,
  option: string,
  known: readonly number[],
): number | undefined {
  const value = optionalNumber(line, option);
  if (value === undefined || known.includes(value)) return value;
  throw new UsageError(
    `Cannot use "${value}" as --${option}: expected ${known.join(" or ")}`,
  );
}

/** Each -v counts one; --verbose=N counts N. */
function verbosityOf(line: CommandLine): number {
  let sum = 0;
  for (const text of line.texts("verbose")) {
    if (text === "") sum += 1;
    else if (/^-?\d+$/.test(text)) sum += Number(text);
    else {
      throw new UsageError(
        `Cannot use "${text}" as --verbose: expected a whole number`,
      );
    }
  }
  return sum;
}

/** 0 and nothing mean: as many as there are. */
function parallelOf(line: CommandLine): number | undefined {
  const text = line.text("parallel");
  if (text === undefined) return undefined;
  const count = text === "" ? 0 : optionalNumber(line, "parallel") ?? 0;
  return count === 0 ? Infinity : count;
}

/** @throws UsageError */
function checkedAddress(text: string): string {
  if (isHostAddress(text)) return text;
  throw new UsageError(
    `Cannot use "${text}" as address: expected ADDRESS or ADDRESS:PORT`,
  );
}
