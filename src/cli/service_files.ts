// Pure
/**
 * What `mars install --systemd` puts on a machine: the service, rules for its
 * block devices, and the driver that is loaded at boot.
 *
 * Rules of the service
 *   (1) Whoever mounts from /dev/mars with `_netdev` comes after it, and goes
 *       before it.
 *   (2) It has the mounts of the machine, not a copy of them: a copy of a mount
 *       keeps its file system busy after umount. So nothing that needs a
 *       namespace of its own is switched on.
 *   (3) It is started again whatever way it has ended: users of devices wait.
 *   (4) When the machine goes down it unmounts what is mounted from its devices
 *       without _netdev: systemd would do so when the daemon has ended.
 *   (5) A reload starts the program anew beside the running one, which hands
 *       over; the new one tells that it is the main process.
 *
 * Source: systemd.service(5), systemd.exec(5), udev(7).
 */

/** Begins every file of ours; others are left alone. */
export const MADE_BY = "# Made by mars install; mars uninstall removes it.";

/** One file. */
export interface ServiceFile {
  readonly path: string;
  readonly text: string;
}

/** @param executable absolute path of the program */
export function serviceFiles(executable: string): ServiceFile[] {
  return [
    { path: "/etc/systemd/system/mars.service", text: unit(executable) },
    { path: "/etc/udev/rules.d/60-mars.rules", text: UDEV_RULES },
    {
      path: "/etc/modules-load.d/mars.conf",
      text: `${MADE_BY}\nublk_drv\n`,
    },
  ];
}

/**
 * Whoever uses them is being stopped, too: for 20 s at most it is tried again.
 * A "$" is doubled for systemd.
 */
const UNMOUNT_AT_SHUTDOWN =
  '[ "$$(systemctl is-system-running)" = stopping ] || exit 0; n=0; ' +
  "while [ $$n -lt 40 ]; do left=; for f in /run/mars/ublk/*; do " +
  '[ -e "$$f" ] || continue; d=/dev/ublkb$$(cat "$$f"); ' +
  'findmnt -nS "$$d" > /dev/null || continue; umount -A "$$d" || left=1; ' +
  'done; [ -n "$$left" ] || exit 0; n=$$((n + 1)); sleep 0.5; done';

function unit(executable: string): string {
  // Prescribed by systemd.syntax(7).
  const quoted = `"${executable.replace(/["\\]/g, "\\$&")}"`
    .replaceAll("%", "%%").replaceAll("$", "$$$$");
  return `${MADE_BY}
[Unit]
Description=Replication of block devices (mars)
Documentation=man:mars(8)
RequiresMountsFor=/mars /etc/mars
After=network.target systemd-modules-load.service systemd-udevd.service
# Mounts of /dev/mars/… with the option _netdev come later and go earlier.
Wants=remote-fs-pre.target
Before=remote-fs-pre.target
IgnoreOnIsolate=yes
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=${quoted} daemon
# At a shutdown: mounts that systemd would let go later than the daemon.
ExecStop=-/bin/sh -c '${UNMOUNT_AT_SHUTDOWN}'
# The program is started anew and takes over; devices stay open and mounted.
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
# Users of devices wait for the next daemon, whatever the reason is.
Restart=always
RestartSec=500ms
RestartPreventExitStatus=2
TimeoutStartSec=120
TimeoutStopSec=120
WatchdogSec=120
WatchdogSignal=SIGKILL
OOMScoreAdjust=-900
OOMPolicy=continue
LimitNOFILE=65536
LimitMEMLOCK=infinity
TasksMax=infinity
RuntimeDirectory=mars
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
# Nothing here may need a mount namespace: a second copy of a mount would keep
# file systems on our devices busy.
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_CHOWN CAP_KILL CAP_IPC_LOCK CAP_NET_BIND_SERVICE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;
}

/**
 * The name of a device stands in a file of the run directory that holds its
 * number. With a link of udev's, /dev/mars/NAME is a unit that mounts wait for.
 * The disk below has the same file system: links by UUID and label must lead to
 * the device. Rules of systemd before 254 pass over ublk, so ours look at what
 * is on it.
 */
const UDEV_RULES = `${MADE_BY}
SUBSYSTEM!="block", GOTO="mars_end"
KERNEL!="ublkb[0-9]*", GOTO="mars_end"
ENV{DEVTYPE}!="disk", GOTO="mars_end"
ACTION=="remove", GOTO="mars_end"
# Its links follow what is written to it.
OPTIONS+="watch"
PROGRAM="/bin/sh -c 'cd /run/mars/ublk && grep -lx %n -- * | head -n 1'", RESULT=="?*", SYMLINK+="mars/%c", OPTIONS+="link_priority=100", ENV{ID_MARS}="%c"
ENV{ID_MARS}!="?*", GOTO="mars_end"
IMPORT{builtin}="blkid"
ENV{ID_FS_USAGE}!="filesystem|other|crypto", GOTO="mars_end"
ENV{ID_FS_UUID_ENC}=="?*", SYMLINK+="disk/by-uuid/$env{ID_FS_UUID_ENC}"
ENV{ID_FS_LABEL_ENC}=="?*", SYMLINK+="disk/by-label/$env{ID_FS_LABEL_ENC}"
LABEL="mars_end"
`;
