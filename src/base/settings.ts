// Pure
/**
 * Settings: where a host keeps things and what it is called.
 *
 *   what                      default        option        environment
 *   tree and logs             /mars          --mars-dir    MARS_DIR
 *   sockets, control, pid     /run/mars      --run-dir     MARS_RUN_DIR
 *   host key, trusted peers   /etc/mars      --etc-dir     MARS_ETC_DIR
 *   host name                 node name      --host        MARS_HOST
 *   port of the links         7777           --port        MARS_PORT
 *
 * An option beats the environment. With other directories any number of hosts
 * run on one machine without root.
 */
import { UsageError } from "./errors.ts";
import { isIdentifier } from "./names.ts";

const RUN_DIR = "/run/mars";
export const MARS_DIR = "/mars";
export const PORT = 7777;

export interface Settings {
  readonly marsDir: string;
  readonly runDir: string;
  /** Stands for `/proc/sys/mars`. */
  readonly controlDir: string;
  readonly etcDir: string;
  readonly host: string;
  readonly port: number;
}

/** Reads the environment; an unset variable is undefined. */
export type Environment = (name: string) => string | undefined;

/** Options as given on the command line. */
export type SettingOptions = {
  readonly [
    name in
      | "mars-dir"
      | "run-dir"
      | "etc-dir"
      | "control-dir"
      | "host"
      | "port"
  ]?:
    | string
    | undefined;
};

/** @throws UsageError for a bad directory, host name or port */
export function settingsFrom(
  options: SettingOptions,
  environment: Environment,
  nodeName: () => string,
): Settings {
  const directory = (
    option: "mars-dir" | "run-dir" | "etc-dir" | "control-dir",
    variable: string,
    standard: string,
  ): string => {
    const path = options[option] ?? environment(variable) ?? standard;
    if (!path.startsWith("/")) {
      throw new UsageError(
        `Cannot use "${path}" as --${option}: expected an absolute path`,
      );
    }
    return path.length > 1 ? path.replace(/\/+$/, "") : path;
  };
  const host = options.host ?? environment("MARS_HOST") ??
    nodeName().split(".")[0] ?? "";
  if (!isIdentifier(host)) {
    throw new UsageError(
      `Cannot use "${host}" as host name: expected letters, digits, "_" or "-", at most 63, no dot and no reserved word`,
    );
  }
  const portText = options.port ?? environment("MARS_PORT") ?? String(PORT);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port > 65_535) {
    throw new UsageError(
      `Cannot use "${portText}" as port: expected 0 to 65535`,
    );
  }
  const runDir = directory("run-dir", "MARS_RUN_DIR", RUN_DIR);
  return {
    marsDir: directory("mars-dir", "MARS_DIR", MARS_DIR),
    runDir,
    controlDir: directory(
      "control-dir",
      "MARS_CONTROL_DIR",
      `${runDir}/control`,
    ),
    etcDir: directory("etc-dir", "MARS_ETC_DIR", "/etc/mars"),
    host,
    port,
  };
}

/** Files of the control directory stand for `/proc/sys/mars`. */
export function controlPath(
  settings: Settings,
  name: "version" | "lamport_clock" | "trigger" | "info" | "trouble",
): string {
  return `${settings.controlDir}/${name}`;
}

/** Holds the process number of the running daemon. */
export function pidPath(settings: Settings): string {
  return `${settings.runDir}/daemon.pid`;
}

/** Held by the command that works on a resource. */
export function lockPath(settings: Settings, name: string): string {
  return `${settings.runDir}/lock/${name}`;
}

export function nbdSocketPath(settings: Settings, device: string): string {
  return `${settings.runDir}/nbd/${device}.sock`;
}

/** Of a block device: the link that people open, and what is noted of it. */
export function ublkPaths(
  settings: Settings,
  device: string,
): {
  readonly linkPath: string;
  readonly statePath: string;
  readonly isExpected: boolean;
} {
  const { runDir } = settings;
  const isExpected = runDir === RUN_DIR;
  // Several daemons on one machine must not meet in one directory.
  const directory = isExpected ? "/dev/mars" : `${runDir}/dev`;
  return {
    linkPath: `${directory}/${device}`,
    statePath: `${runDir}/ublk/${device}`,
    isExpected,
  };
}
