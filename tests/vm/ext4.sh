#!/bin/bash
# Runs inside a virtual machine: a file system on /dev/mars/r while the daemon
# is killed under it, again and again.
#
#   tests/vm/ext4.sh [KILLS]
#
# The last line is "all is well", or the first thing that is not.
set -u -o pipefail
kills=${1:-2}
export MARS_LAUNCH_DIR=$PWD/build/vm-bin
MARS="$PWD/build/mars --host=alpha --logger="
daemon=

fail() {
	echo "FAILED: $*"
	tail -n 20 /run/daemon.log
	dmesg | tail -n 10
	exit 1
}

until_true() {
	for _ in $(seq 600); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "waited in vain: $*"
}

start() {
	$MARS daemon --reserve=0 >>/run/daemon.log 2>&1 &
	daemon=$!
}

crash() {
	kill -9 $daemon
	wait $daemon 2>/dev/null
}

mkdir -p /mars /run/mars /etc/mars /mnt/ext4
mount -t tmpfs -o mode=700 none /mars || fail "no place for logs"
$MARS create-cluster --ip=127.0.0.1 || fail "create-cluster"
start
until_true test -e /run/mars/control/lamport_clock
$MARS create-resource r /dev/ram0 || fail "create-resource"
$MARS wait-resource r is-device-on || fail "the device is not on"
[ -b /dev/mars/r ] || fail "/dev/mars/r is no block device"
echo "device: $(readlink /dev/mars/r), $(blockdev --getsize64 /dev/mars/r 2>/dev/null) bytes"

mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount"
is_open() { [ "$(readlink /mars/resource-r/actual-alpha/open-count)" = 1 ]; }
until_true is_open

# A writer that notes what it has made durable.
(
	for n in $(seq 100000); do
		dd if=/dev/urandom of=/mnt/ext4/f$((n % 50)) bs=8k count=1 conv=fsync \
			2>/dev/null || { echo "write $n failed" >/run/writer.failed; exit 1; }
		md5sum /mnt/ext4/f$((n % 50)) >/run/sum$((n % 50))
		echo $n >/run/writes
	done
) &
writer=$!

for kill in $(seq "$kills"); do
	before=$(cat /run/writes 2>/dev/null || echo 0)
	more() { [ "$(cat /run/writes 2>/dev/null || echo 0)" -gt "$before" ]; }
	until_true more
	crash
	start
	before=$(cat /run/writes)
	until_true more
	[ -e /run/writer.failed ] && fail "$(cat /run/writer.failed)"
	echo "killed $kill times; $(cat /run/writes) writes, no error"
done

kill $writer
wait $writer 2>/dev/null
sync
cat /run/sum* | md5sum -c --quiet || fail "a file has other content"
umount /mnt/ext4 || fail "umount"
e2fsck -fn /dev/mars/r >/run/fsck 2>&1 || fail "e2fsck: $(cat /run/fsck)"

# A busy device is never pulled away; one that nobody uses goes.
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount again"
$MARS secondary r --timeout=2 2>/dev/null && fail "a mounted device was taken"
[ -b /dev/mars/r ] || fail "the device went while it was mounted"
umount /mnt/ext4
$MARS secondary r || fail "secondary"
[ -e /dev/mars/r ] && fail "the device stayed"
kill $daemon
wait $daemon || fail "the daemon did not end well"
echo "all is well"
