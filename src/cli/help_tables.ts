// Pure
/** What help and manual say about exit codes, environment and files. */

/** What a row is called, and what it means. */
export type TextRow = readonly [name: string, text: string];

export const EXIT_CODES: readonly TextRow[] = [
  ["0", "done"],
  ["1", "failed"],
  ["2", "the command line is wrong"],
  ["3", "refused: a safety condition does not hold"],
  ["4", "timed out: what was waited for did not happen"],
  ["70", "the program contradicts itself; please report it"],
];

export const ENVIRONMENT: readonly TextRow[] = [
  ["MARS_DIR", "the tree and the logs, /mars; as --mars-dir"],
  ["MARS_RUN_DIR", "sockets and control, /run/mars; as --run-dir"],
  ["MARS_CONTROL_DIR", "the control directory; as --control-dir"],
  ["MARS_ETC_DIR", "keys and trust, /etc/mars; as --etc-dir"],
  ["MARS_HOST", "name of this host, the node name; as --host"],
  ["MARS_PORT", "port of the daemon, 7777; as --port"],
  [
    "MARS_PATH",
    "directories of hooks and templates, separated by colons; $HOME/.marsadm, /etc/marsadm, /usr/lib/marsadm, /usr/local/lib/marsadm",
  ],
  ["ETC_MARSADM", "instead of /etc/marsadm"],
  ["MARS_LAUNCH_DIR", "where the program unpacks itself, and nowhere else"],
  ["MARS_DEBUG_LAUNCH", "1 explains how the program starts"],
  ["NO_COLOR", "no colours"],
];

export const FILES: readonly TextRow[] = [
  ["/mars", "the tree of symbolic links, and the log files"],
  ["/run/mars", "pid file, control directory, locks of commands"],
  ["/run/mars/nbd/DEVICE.sock", "the device as an NBD export"],
  ["/etc/mars", "key of this host, authorized_peers, open tokens"],
  ["/etc/marsadm", "hooks and templates of the administrator"],
];
