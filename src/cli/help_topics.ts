// Pure
/**
 * What help and manual say about a command beyond its row: where it belongs,
 * which options matter, examples.
 *
 * Keyed by the name of the row. A row without a topic is shown in the last
 * group; a test sees to it that there is none.
 */

/** Groups in the order in which help shows them. */
export const GROUPS = [
  ["look", "What is going on"],
  ["role", "Roles"],
  ["switch", "Switches"],
  ["resource", "Resources"],
  ["cluster", "Cluster and trust"],
  ["log", "Logs and housekeeping"],
  ["wait", "Waiting, for scripts"],
  ["setting", "Settings"],
  ["systemd", "Services of systemd"],
  ["expert", "For experts"],
  ["program", "The program"],
  ["old", "Names of other tools"],
] as const;

export type Group = (typeof GROUPS)[number][0];

export interface Topic {
  readonly group: Group;
  /** Its summary stands in the overview; of others only the name. */
  readonly isCommon?: true;
  /** In addition to the details of the row. */
  readonly details?: string;
  /** Names of options that matter here. */
  readonly options?: readonly string[];
  /** What may stand for a word of the usage. */
  readonly choices?: Readonly<Record<string, readonly string[]>>;
  /** Command lines, each with what it is for. */
  readonly examples?: readonly (readonly [line: string, purpose: string])[];
}

const TWO_HOSTS =
  "The other host must have been heard of lately; --window says what that means.";

const MANY = ["dry-run", "parallel"] as const;
const WAITING = ["timeout", "window"] as const;

const SWITCH_DETAILS =
  "The switch is a link of this host that the daemon obeys as soon as it sees it; it outlives restarts. With -global behind the name the switch of all hosts is turned. What is paused has stopped when the command returns, on all hosts that were heard of lately if it is theirs, too; if it does not stop within 30 seconds, or --timeout, the command fails and the switch stays off.";

const IN_USE =
  "A device that is open is given three seconds, for its users may be gone already and the news on its way; then the command is refused, and names them.";

function switchTopic(isCommon: boolean): Topic {
  return {
    group: "switch",
    ...(isCommon ? { isCommon } : {}),
    details: SWITCH_DETAILS,
    options: ["force", "timeout", ...MANY],
  };
}

const SYSTEMD: Topic = { group: "systemd", options: ["systemd-enable"] };
const SETTING: Topic = { group: "setting", options: ["dry-run"] };
const EXPERT: Topic = { group: "expert", options: ["dry-run"] };
const PURGE: Topic = { group: "log", options: ["force", ...MANY] };

export const TOPICS: Readonly<Record<string, Topic>> = {
  // What is going on.
  "view": {
    group: "look",
    isCommon: true,
    details:
      "Needs no daemon. For monitoring take --json, which has a schema number and is described in docs/view-json.md.",
    options: ["json", "verbose", "window", "threshold", "stuck-seconds"],
    examples: [
      ["mars view all", "everything, with a header per resource"],
      ["mars view mydata --json", "for programs"],
    ],
  },
  "view-MACRO": {
    group: "look",
    details: "mars help macros lists them.",
    options: ["macro", "json", "verbose", "window"],
    examples: [
      ["mars view-replstate all", "one word per resource"],
      ["mars view-replay-rest mydata", "bytes that are left, for monitoring"],
    ],
  },
  "prettyprint-MACRO": { group: "look" },
  "dump-macros": { group: "look" },
  "dump-all-macros": { group: "look" },
  "cat": { group: "look" },
  "log dump": {
    group: "look",
    options: ["json"],
    examples: [[
      "mars log dump /mars/resource-mydata/log-000000007-alpha",
      "what was written, and when",
    ]],
  },
  "log verify": {
    group: "look",
    details: "Ends with code 1 if the file is damaged.",
    options: ["json"],
    examples: [[
      "mars log verify /mars/resource-mydata/log-000000007-alpha",
      "is it intact, and if not, where is the damage?",
    ]],
  },
  "device list": {
    group: "look",
    details:
      "The state is live, or quiesced: nobody serves the device, and whoever has it open waits for the next daemon.",
    options: ["json"],
  },
  "device abandon": {
    group: "role",
    details:
      "For a device that is quiesced, because its daemon has died and will not start again, or because another host has become primary meanwhile. With --force also if it is open: its users get errors instead of waiting, and lose what they have not written yet.",
    options: ["force"],
    examples: [
      ["mars device abandon mydata --force", "umount it afterwards"],
    ],
  },

  // Roles.
  "primary": {
    group: "role",
    isCommon: true,
    details:
      "Planned: waits until its copy, if it is complete, is consistent, and until this host has everything, lets the old primary finish, and takes over; if it must give up, the old primary is designated again. An open device on the old primary, or a takeover by another host, is given three seconds to be over; then the command is refused, as it is at once by whatever does not go by itself. " +
      "With --force, after pause-fetch: takes over with what is here; what only the old primary had is missing, and a split brain may be the result. With --check either says what would be lost, what it would wait for and how long it would take, and changes nothing; while nothing moves, the time is an estimate from the best rates of late, or from the limit of the line. " +
      TWO_HOSTS,
    options: ["force", "ignore-sync", "check", "json", ...WAITING, ...MANY],
    examples: [
      ["mars primary mydata", "hand over to this host"],
      [
        "mars pause-fetch mydata && mars primary mydata --force",
        "after the loss of the old primary",
      ],
    ],
  },
  "secondary": {
    group: "role",
    isCommon: true,
    details:
      "Not needed for a handover: type primary on the new host instead. Nobody can write until there is a primary again. " +
      IN_USE,
    options: ["force", "check", "json", ...WAITING, ...MANY],
  },

  // Switches.
  "up": {
    group: "switch",
    isCommon: true,
    options: [...WAITING, ...MANY],
    examples: [["mars up all", "after a stop for maintenance"]],
  },
  "down": {
    group: "switch",
    isCommon: true,
    details: IN_USE,
    options: [...WAITING, ...MANY],
  },
  "attach": { group: "switch", options: ["force", "timeout", ...MANY] },
  "detach": {
    group: "switch",
    details: IN_USE,
    options: ["force", "timeout", ...MANY],
  },
  "pause-fetch": switchTopic(true),
  "resume-fetch": switchTopic(true),
  "pause-sync": switchTopic(false),
  "resume-sync": switchTopic(false),
  "pause-replay": switchTopic(true),
  "resume-replay": switchTopic(true),
  "pause-fetch-global": switchTopic(false),
  "resume-fetch-global": switchTopic(false),
  "pause-sync-global": switchTopic(false),
  "resume-sync-global": switchTopic(false),
  "pause-replay-global": switchTopic(false),
  "resume-replay-global": switchTopic(false),

  // Resources.
  "create-resource": {
    group: "resource",
    isCommon: true,
    details:
      "The content of the disk stays and becomes the content of the device. DEVICE is the name below /dev/mars, RES if it is missing.",
    options: ["acknowledge", "force", "dry-run"],
    examples: [[
      "mars create-resource mydata /dev/vg0/mydata",
      "alpha becomes primary",
    ]],
  },
  "join-resource": {
    group: "resource",
    isCommon: true,
    details:
      "The content of the disk is overwritten: an initial copy moves what differs, and goes on after any interruption.",
    options: ["force", ...WAITING, "dry-run"],
    examples: [[
      "mars join-resource mydata /dev/vg0/mydata",
      "beta becomes a secondary",
    ]],
  },
  "leave-resource": {
    group: "resource",
    isCommon: true,
    options: ["force", "host", ...WAITING, ...MANY],
    examples: [
      ["mars down mydata && mars leave-resource mydata", "on the host itself"],
      ["mars leave-resource mydata --host=beta --force", "for a dead host"],
      [
        "mars leave-resource mydata",
        "there, when it is back: deletes its logs",
      ],
    ],
  },
  "delete-resource": {
    group: "resource",
    isCommon: true,
    options: ["force", ...MANY],
  },
  "resize": {
    group: "resource",
    isCommon: true,
    details:
      "Only larger, and only on the primary, after all disks have grown.",
    options: [...WAITING, "dry-run"],
    examples: [["mars resize mydata", "as large as the smallest disk allows"]],
  },
  "invalidate": {
    group: "resource",
    isCommon: true,
    details:
      "The way out of a split brain, on the host that shall lose, and after emergency mode of the primary. After a split brain only that is copied which this host wrote since, if all of its logs are intact; with --full, or --force, and else the whole disk is compared.",
    options: ["force", "full", ...WAITING, ...MANY],
  },
  "split show": {
    group: "look",
    isCommon: true,
    details:
      "For each side: who is on it, how much it wrote since the histories parted, and when it did last. Then the ways out. Nothing is discarded by itself.",
    options: ["json"],
    examples: [
      ["mars split show all", "is there one, and where?"],
      ["mars split show mydata --json", "for programs"],
    ],
  },
  "split keep": {
    group: "resource",
    isCommon: true,
    details:
      "On the host that shall lose: its disk becomes a resource NEW of this host alone, with all that was written here, and the host leaves RES. Nothing is copied. To take part in RES again it needs another disk, and join-resource. Stopped anywhere and typed again it does the rest.",
    options: ["dry-run", ...WAITING],
    examples: [[
      "mars split keep mydata mydata_old",
      "look at both, and decide later",
    ]],
  },
  "verify": {
    group: "resource",
    isCommon: true,
    details:
      "What is found stands in view and in message links until the next run begins. Repaired is what the primary has: if it is the primary's disk that is wrong, hand the role over first. Replay rests only for moments.",
    options: ["repair", "cancel", "dry-run"],
    examples: [
      ["mars verify all", "compare all disks of this host"],
      ["mars verify mydata beta --repair", "and let beta mend its own"],
      ["mars verify mydata --cancel", "enough"],
    ],
  },
  "fake-sync": {
    group: "expert",
    details:
      "Only if disks are known to be equal: differences stay for ever, and nothing tells of them.",
    options: ["dry-run"],
  },
  "set-replay": EXPERT,
  "activate-guest": { group: "resource", options: ["timeout", "dry-run"] },
  "deactivate-guest": { group: "resource", options: ["timeout", "dry-run"] },

  // Cluster and trust.
  "create-cluster": {
    group: "cluster",
    isCommon: true,
    options: ["ip", "force", "dry-run"],
    examples: [["mars create-cluster --ip=10.0.0.1", "on the first host"]],
  },
  "token create": {
    group: "cluster",
    isCommon: true,
    details: "It is good for 10 minutes, and for one host.",
    options: ["ip"],
  },
  "join-cluster": {
    group: "cluster",
    isCommon: true,
    details:
      "One token from every host that this one shall talk to: trust is between two keys and is never passed on.",
    options: ["token", "ip", "ssh", "ssh-port", "ssh-opts", "dry-run"],
    examples: [
      [
        "mars join-cluster --ip=10.0.0.2 --token=mars1.…",
        "what `mars token create` printed on the other host",
      ],
      [
        "mars join-cluster alpha --ssh --ip=10.0.0.2",
        "if root may ssh to all members: meets all of them",
      ],
    ],
  },
  "leave-cluster": {
    group: "cluster",
    isCommon: true,
    options: ["force", ...WAITING, "dry-run"],
  },
  "merge-cluster": {
    group: "cluster",
    options: ["token", "ip", "ssh", "timeout", "dry-run"],
  },
  "merge-cluster-check": {
    group: "cluster",
    options: ["token", "ip", "ssh", "timeout"],
  },
  "merge-cluster-list": { group: "cluster" },
  "split-cluster": { group: "cluster", options: ["backup-dir", "dry-run"] },
  "create-uuid": { group: "cluster", options: ["dry-run"] },
  "key show": {
    group: "cluster",
    details: "In the form of OpenSSH, so that ssh-keygen -lf shows the same.",
  },
  "key list": { group: "cluster" },
  "key trust": {
    group: "cluster",
    details:
      "Two hosts that trust each other need no token: then `mars join-cluster PEER ADDRESS` suffices.",
    examples: [[
      "mars key trust 'ssh-ed25519 AAAA… beta'",
      "what `mars key show` printed on beta",
    ]],
  },
  "key forget": {
    group: "cluster",
    details: "Its connections end within seconds.",
  },
  "lowlevel-ls-host-ips": { group: "expert" },
  "lowlevel-set-host-ip": EXPERT,
  "lowlevel-delete-host": EXPERT,

  // Logs and housekeeping.
  "cron": {
    group: "log",
    isCommon: true,
    details: "Every ten minutes on every host. It is silent when all is well.",
    options: [
      "autoclean",
      "keep-backup-hours",
      "thresh-logfiles",
      "thresh-logsize",
      "verbose",
    ],
    examples: [["*/10 * * * * root mars cron", "in /etc/cron.d"]],
  },
  "log-rotate": {
    group: "log",
    options: ["thresh-logfiles", "thresh-logsize", "force", ...MANY],
  },
  "log-delete": {
    group: "log",
    options: ["ignore-deleted-peers", "force", ...MANY],
  },
  "log-delete-one": { group: "log", options: ["force", ...MANY] },
  "log-purge-all": PURGE,
  "err-purge-all": PURGE,
  "link-purge-all": PURGE,

  // Waiting, for scripts.
  "wait-resource": {
    group: "wait",
    isCommon: true,
    details:
      "Ends with code 4 if the condition does not hold in time. With is-, or nothing, it is about what the host does; with todo- about the switch.",
    options: WAITING,
    choices: {
      CONDITION: [
        "attach",
        "fetch",
        "sync",
        "replay",
        "primary",
        "secondary",
        "device",
      ].flatMap((word) => [`${word}-on`, `${word}-off`]),
    },
    examples: [
      ["mars wait-resource mydata is-attach-on", "until the disk is open"],
      ["mars wait-resource mydata fetch-off", "until nothing is fetched"],
    ],
  },
  "wait-umount": { group: "wait", options: WAITING },
  "wait-cluster": { group: "wait", isCommon: true, options: WAITING },
  "wait-connect": { group: "wait", options: WAITING },
  "update-cluster": { group: "wait", options: WAITING },

  // Settings.
  "set-acknowledge": {
    group: "setting",
    isCommon: true,
    details:
      "flush: the record is in the log file, and flushes of the application are obeyed. durable: the record is durable in the log.",
    options: MANY,
  },
  "get-acknowledge": SETTING,
  "set-emergency-limit": SETTING,
  "get-emergency-limit": SETTING,
  "set-keep-logs-time": SETTING,
  "get-keep-logs-time": SETTING,
  "set-global-keep-logs-time": SETTING,
  "get-global-keep-logs-time": SETTING,
  "set-keep-logs-size": SETTING,
  "get-keep-logs-size": SETTING,
  "set-global-keep-logs-size": SETTING,
  "get-global-keep-logs-size": SETTING,
  "set-auto-resync": SETTING,
  "get-auto-resync": SETTING,
  "set-global-auto-resync": SETTING,
  "get-global-auto-resync": SETTING,
  "set-sync-rate": SETTING,
  "get-sync-rate": SETTING,
  "set-verify-rate": SETTING,
  "get-verify-rate": SETTING,
  "set-log-quota": SETTING,
  "get-log-quota": SETTING,
  "set-global-required-free-space": SETTING,
  "get-global-required-free-space": SETTING,
  "set-global-sync-limit-value": SETTING,
  "get-global-sync-limit-value": SETTING,
  "set-global-sync-flip-interval-sec": SETTING,
  "get-global-sync-flip-interval-sec": SETTING,
  "set-global-enabled-log-compressions": SETTING,
  "get-global-enabled-log-compressions": SETTING,
  "set-global-enabled-net-compressions": SETTING,
  "get-global-enabled-net-compressions": SETTING,
  "set-global-disabled-log-digests": SETTING,
  "get-global-disabled-log-digests": SETTING,
  "set-global-disabled-net-digests": SETTING,
  "get-global-disabled-net-digests": SETTING,
  "set-connect-pref-list": SETTING,
  "get-connect-pref-list": SETTING,
  "set-send-limit": SETTING,
  "get-send-limit": SETTING,
  "set-receive-limit": SETTING,
  "get-receive-limit": SETTING,
  "set-ip-tos": SETTING,
  "get-ip-tos": SETTING,
  "set-line-timeout": SETTING,
  "get-line-timeout": SETTING,
  "set-link": EXPERT,
  "get-link": EXPERT,
  "delete-file": EXPERT,

  // systemd.
  "set-systemd-unit": SYSTEMD,
  "get-systemd-unit": SYSTEMD,
  "set-systemd-want": SYSTEMD,
  "get-systemd-want": SYSTEMD,
  "systemd-trigger": SYSTEMD,
  "systemd-trigger-extern": SYSTEMD,

  // The program.
  "daemon": {
    group: "program",
    isCommon: true,
    details:
      "One per host; it ends in good order at SIGTERM, and recovers by itself from anything else. A new version takes over with --replace: devices stay, open and mounted, and their users wait for less than a second. With --timeout the new one gives up if the old one does not end, after 60 seconds. While a device is in use, replication gets only the processor time that nobody else wants, or about a tenth of a fair share, if the daemon has the privilege to arrange that (CAP_SYS_NICE); with --fair it gets as much as others do.",
    options: [
      "replace",
      "timeout",
      "listen",
      "port",
      "reserve",
      "fair",
      "trace",
      "trace-format",
    ],
    examples: [
      ["mars daemon --replace", "after an upgrade of the program"],
    ],
  },
  "install": {
    group: "program",
    details:
      "A service mars that is started at boot and again whenever it ends, a rule of udev for its devices, and the driver that is loaded at boot. systemctl reload mars upgrades the running daemon. Files that somebody else has made are left alone. See docs/service.md.",
    options: ["systemd", "prefix"],
    examples: [
      ["mars install --systemd", "then systemctl enable --now mars"],
    ],
  },
  "uninstall": { group: "program", options: ["prefix"] },
  "demo": {
    group: "program",
    isCommon: true,
    details: "Three hosts in a temporary directory, without root.",
    options: ["keep"],
  },
  "help": {
    group: "program",
    isCommon: true,
    details:
      "COMMAND is a command, or one of: options, macros, hooks, environment, files, exit-codes.",
    options: ["all"],
  },
  "version": { group: "program" },
  "manual": {
    group: "program",
    details: "In the language of man(7).",
    examples: [["mars manual | man -l -", "read it"]],
  },
  "completion": {
    group: "program",
    details: "`make install` puts them where shells look for them.",
    examples: [['eval "$(mars completion bash)"', "for this shell only"]],
  },
};
