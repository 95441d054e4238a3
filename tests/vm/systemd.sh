#!/bin/bash
# Runs inside a virtual machine whose process 1 is systemd, with udev: mars as a
# service, a file system on /dev/mars/r in fstab, two boots.
#
# To be run with vmrun --init. First it sets the machine up; then systemd starts
# it again as a service; what it says goes to the same place. Directories and the
# disk of the resource are on disks that outlive the machine.
source tests/vm/lib.sh
mnt=/mnt/fs
disk=$(readlink -f /dev/vda)

end() {
	sync
	echo "$1" >/run/vmrun/rc.tmp
	mv /run/vmrun/rc.tmp /run/vmrun/rc
	exit
}

fail() {
	echo "FAILED: $*"
	systemctl --no-pager --failed
	journalctl --no-pager -u mars -u mnt-fs.mount -n 40
	dmesg | tail -n 10
	end 1
}

well() {
	echo "all is well"
	end 0
}

show() { systemctl show "$1" -p "$2" --value; }
main_pid() { show mars.service MainPID; }
is_active() { [ "$(systemctl is-active "$1")" = active ]; }

# set_up: what a package and an administrator have done before the machine boots.
set_up() {
	local unit
	# No services of the real host; and nobody empties its /tmp.
	for unit in getty.target console-getty.service systemd-logind.service \
		systemd-timesyncd.service systemd-networkd.service dbus.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer \
		postgresql.service lvm2-monitor.service blk-availability.service \
		systemd-pstore.service systemd-firstboot.service \
		systemd-update-utmp.service systemd-update-utmp-runlevel.service \
		systemd-user-sessions.service systemd-binfmt.service \
		systemd-sysusers.service dm-event.socket lvm2-lvmpolld.socket \
		systemd-machine-id-commit.service systemd-hwdb-update.service \
		proc-sys-fs-binfmt_misc.automount systemd-repart.service \
		systemd-tmpfiles-clean.timer systemd-tmpfiles-setup.service dbus.socket \
		systemd-random-seed.service packagekit-offline-update.service \
		ldconfig.service systemd-rfkill.service; do
		ln -sf /dev/null "/etc/systemd/system/$unit"
	done
	mkdir -p /etc/systemd/journald.conf.d $mnt /mars /etc/mars
	printf '[Journal]\nStorage=volatile\nForwardToConsole=yes\nTTYPath=/dev/console\n' \
		>/etc/systemd/journald.conf.d/vm.conf
	export -p >/etc/vm.env
	cat >/etc/systemd/system/vmtest.service <<-UNIT
		[Unit]
		DefaultDependencies=no
		After=multi-user.target
		[Service]
		WorkingDirectory=$PWD
		ExecStart=/bin/bash -c 'source /etc/vm.env; exec tests/vm/systemd.sh inside'
		StandardOutput=file:$VMRUN_OUT
		StandardError=inherit
		TimeoutStopSec=5
	UNIT
	cat >/etc/systemd/system/vmtest.target <<-UNIT
		[Unit]
		Requires=multi-user.target
		After=multi-user.target
		Wants=vmtest.service
		AllowIsolate=yes
	UNIT
	ln -sf /etc/systemd/system/vmtest.target /etc/systemd/system/default.target
	if [ "$BOOT" = 1 ]; then
		mke2fs -q -t ext4 /dev/vdb && mke2fs -q -t ext4 /dev/vdc || exit 1
	fi
	cat >/etc/fstab <<-FSTAB
		$(readlink -f /dev/vdb) /mars ext4 defaults 0 0
		$(readlink -f /dev/vdc) /etc/mars ext4 defaults 0 0
	FSTAB
	mkdir -p /etc/systemd/system/mars.service.d
	# Emulated, unpacking takes a minute; and a watchdog that is worth waiting for.
	cat >/etc/systemd/system/mars.service.d/vm.conf <<-UNIT
		[Service]
		Environment=MARS_LAUNCH_DIR=$MARS_LAUNCH_DIR MARS_HOST=$HOST
		WatchdogSec=$(fast 10 60)
	UNIT
	[ "$BOOT" = 1 ] && exit 0
	# As the first boot has left it.
	build/mars install --systemd >/dev/null || exit 1
	ln -s /etc/systemd/system/mars.service \
		/etc/systemd/system/multi-user.target.wants/mars.service
	echo "/dev/mars/r $mnt ext4 _netdev,nofail 0 2" >>/etc/fstab
	exit 0
}

is_new() { [ "$(main_pid)" != "$old" ] && [ "$(main_pid)" != 0 ]; }
# same: the service is another process, and active; the device is the same.
same() {
	until_true is_new
	until_true is_active mars.service
	[ "$(readlink -f /dev/mars/r)" = "$device" ] || fail "another device"
	mountpoint -q $mnt || fail "not mounted any more"
	goes_on "$1"
	old=$(main_pid)
}
pinged() { [ "$(show mars.service WatchdogTimestampMonotonic)" -gt "$ping" ]; }
by_udev() { udevadm info /dev/mars/r | grep -q "S: mars/r"; }
none_open() { is resource-r/actual-$HOST/open-count 0; }

first_boot() {
	step "install"
	ok install --systemd
	systemd-analyze verify --man=no /etc/systemd/system/mars.service >$BASE/verify 2>&1
	grep mars $BASE/verify && fail "systemd does not like the unit"
	ok create-cluster --ip=127.0.0.1
	systemctl enable --now mars >$BASE/enable 2>&1 || fail "$(cat $BASE/enable)"
	[ "$(show mars.service SubState)" = running ] || fail "it does not run"
	[ "$(cat /run/mars/daemon.pid)" = "$(main_pid)" ] || fail "another process"
	[ "$(readlink "/proc/$(main_pid)/ns/mnt")" = "$(readlink /proc/1/ns/mnt)" ] ||
		fail "it has mounts of its own"
	[ "$(cat "/proc/$(main_pid)/oom_score_adj")" = -900 ] || fail "oom_score_adj"
	ping=$(show mars.service WatchdogTimestampMonotonic)
	until_true pinged

	step "the device and udev"
	create r "$disk"
	until_true by_udev
	until_true is_active dev-mars-r.device
	device=$(readlink -f /dev/mars/r)
	mke2fs -q -t ext4 -L data /dev/mars/r || fail "mke2fs"
	udevadm settle
	[ "$(readlink -f /dev/disk/by-label/data)" = "$device" ] ||
		fail "the label leads to $(readlink -f /dev/disk/by-label/data)"
	# udev looks at what was written, and lets go.
	for turn in $(seq $(fast 10 3)); do
		ok secondary r --timeout=30
		[ -e /dev/mars/r ] && fail "the link stays"
		ok primary r --timeout=30
		ok wait-resource r is-device-on
		dd if=/dev/mars/r of=/dev/null bs=4k count=1 status=none ||
			fail "turn $turn: it is on, but has no name"
	done
	udevadm settle
	until_true by_udev
	device=$(readlink -f /dev/mars/r)

	step "a mount of fstab"
	echo "/dev/mars/r $mnt ext4 _netdev,nofail 0 2" >>/etc/fstab
	systemctl daemon-reload
	systemctl start mnt-fs.mount || fail "mount"
	until_true is resource-r/actual-$HOST/open-count 1
	no "the device is open 1 time" secondary r --timeout=2
	writer $mnt/written
	goes_on "untouched"
	old=$(main_pid)

	step "restarts under it"
	kill -9 "$old"
	same "kill -9"
	systemctl restart mars || fail "restart"
	same "restart"
	systemctl reload mars || fail "reload"
	same "reload"
	[ "$(cat /run/mars/daemon.pid)" = "$(main_pid)" ] || fail "another process"
	ping=$(show mars.service WatchdogTimestampMonotonic)
	until_true pinged
	kill -STOP "$old"
	same "a daemon that hangs"
	journalctl --no-pager -u mars | grep -q "Watchdog timeout" ||
		fail "the watchdog did not notice"
	systemctl stop mars || fail "stop"
	[ "$(systemctl is-active mnt-fs.mount)" = active ] || fail "the mount went"
	systemctl start mars || fail "start"
	same "stop and start"

	step "unmounted, it goes"
	kill $writer
	wait $writer 2>/dev/null
	systemctl stop mnt-fs.mount || fail "umount"
	ok wait-umount r
	ok secondary r
	no_device() { [ "$(systemctl is-active dev-mars-r.device)" != active ]; }
	until_true no_device
	[ -e /dev/mars/r ] && fail "the link stays"
	ok primary r
	ok wait-resource r is-device-on
	until_true is_active dev-mars-r.device
	systemctl start mnt-fs.mount || fail "mount"
	head -c 1M /dev/urandom >$mnt/noise
	sum $mnt/noise >/mars/noise.md5

	# Nobody tells systemd that this one needs the daemon.
	create s /dev/ram0
	mke2fs -q -t ext4 /dev/mars/s || fail "mke2fs"
	mkdir -p /mnt/hand
	mount /dev/mars/s /mnt/hand || fail "mount by hand"
	echo hello >/mnt/hand/hello

	step "shutdown"
	echo first >$mnt/left
	touch /run/vmrun/again
	date +%s >/run/vmrun/down
	systemctl poweroff
	exit 0
}

# at TEXT: where the console says so for the last time.
at() { grep -an "$1" /run/vmrun/console.1 | tail -n 1 | cut -d: -f1; }

second_boot() {
	step "what the console said of the shutdown"
	echo "it took $(($(date +%s) - $(cat /run/vmrun/down))) s, with the boot"
	for text in "Unmounted mnt-fs.mount" "Stopped mars.service" \
		"Unmounted mars.mount"; do
		[ -n "$(at "$text")" ] || fail "not on the console: $text"
	done
	[ "$(at "mnt-hand.mount: Deactivated")" -lt "$(at "Stopped mars.service")" ] ||
		fail "a mount made by hand outlived the daemon"
	[ "$(at "Unmounted mnt-fs.mount")" -lt "$(at "Stopping mars.service")" ] ||
		fail "the daemon was stopped before the unmount"
	[ "$(at "Stopped mars.service")" -lt "$(at "Unmounted mars.mount")" ] ||
		fail "/mars went before the daemon"
	grep -a "timed out\|Failed unmounting\|I/O error" /run/vmrun/console.1 &&
		fail "the shutdown was not clean"

	step "the machine is up again"
	mounted() { mountpoint -q $mnt; }
	until_true mounted
	is_active mars.service || fail "the daemon does not run"
	[ "$(cat $mnt/left)" = first ] || fail "a file is lost"
	[ "$(sum $mnt/noise)" = "$(cat /mars/noise.md5)" ] || fail "another file"
	dmesg | grep "recovery complete\|recovering journal" &&
		fail "something was not unmounted"
	until_true is resource-r/actual-$HOST/open-count 1
	systemctl --no-pager --failed | grep mars && fail "a unit has failed"

	step "uninstall"
	no "systemctl disable --now mars" uninstall
	systemctl stop mnt-fs.mount || fail "umount"
	ok wait-umount r
	ok secondary all
	systemctl disable --now mars >/dev/null 2>&1 || fail "disable"
	ok uninstall
	echo "$OUT"
	find /etc /usr/lib/systemd /usr/lib/udev /lib/udev -xdev -path /etc/mars \
		-prune -o \( -name '*mars*' -o -lname '*mars*' \) -print \
		2>/dev/null | grep -v mars.service.d >$BASE/rest
	[ -s $BASE/rest ] && fail "left: $(cat $BASE/rest)"
	[ "$(show mars.service LoadState)" = not-found ] || fail "the unit is known"
	ls /dev/mars/* /dev/ublkb* 2>/dev/null && fail "a device stays"
	well
}

[ "${1:-}" = inside ] || set_up
mkdir -p $BASE
: >$BASE/daemon.log
case $BOOT in
1) first_boot ;;
*) second_boot ;;
esac
