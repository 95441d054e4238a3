#!/bin/bash
# Runs inside a virtual machine: a file system on /dev/mars/r while daemons take
# each other's place under it. Says how long a write waited at most.
#
#   tests/vm/replace.sh [TIMES]
#
# The last line is "all is well", or the first thing that is not.
set -u -o pipefail
times=${1:-3}
export MARS_LAUNCH_DIR=$PWD/build/vm-bin
MARS="$PWD/build/mars --host=alpha --logger="

fail() {
	echo "FAILED: $*"
	tail -n 40 /run/daemon.log
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

mkdir -p /mars /run/mars /etc/mars /mnt/ext4
mount -t tmpfs -o mode=700 none /mars || fail "no place for logs"
$MARS create-cluster --ip=127.0.0.1 || fail "create-cluster"
# Without one that runs it just starts.
$MARS daemon --replace --reserve=0 >>/run/daemon.log 2>&1 &
until_true test -e /run/mars/control/lamport_clock
$MARS create-resource r /dev/ram0 || fail "create-resource"
$MARS wait-resource r is-device-on || fail "the device is not on"
mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount"

# A writer that notes the longest time between two durable writes.
perl -e '
	use Time::HiRes qw(time);
	open my $file, ">", "/mnt/ext4/file" or die;
	$| = 1; my ($last, $most, $n) = (time, 0, 0);
	for (;;) {
		sysseek $file, ($n % 100) * 4096, 0;
		syswrite $file, chr(65 + $n % 26) x 4096 or die;
		$file->flush; require IO::Handle; $file->sync or die;
		my $now = time; my $gap = $now - $last; $last = $now; $n++;
		if (-e "/run/reset-gap") { $most = 0; unlink "/run/reset-gap"; $gap = 0 }
		if ($gap > $most) { $most = $gap }
		open my $out, ">", "/run/gap.tmp"; printf $out "%d %.0f\n", $n, $most * 1000;
		close $out; rename "/run/gap.tmp", "/run/gap";
	}' 2>/run/writer.failed &
writer=$!
writes() { cut -d' ' -f1 /run/gap 2>/dev/null || echo 0; }
more() { [ "$(writes)" -gt "$before" ]; }

for time in $(seq "$times"); do
	before=$(( $(writes) + 20 ))
	until_true more
	touch /run/reset-gap
	before=$(( $(writes) + 5 ))
	until_true more
	old=$(cat /run/mars/daemon.pid)
	$MARS daemon --replace --reserve=0 >>/run/daemon.log 2>&1 &
	is_replaced() { [ "$(cat /run/mars/daemon.pid)" != "$old" ]; }
	until_true is_replaced
	before=$(( $(writes) + 20 ))
	until_true more
	kill -0 $old 2>/dev/null && fail "the old daemon is still there"
	[ -s /run/writer.failed ] && fail "$(cat /run/writer.failed)"
	echo "replaced $time times; $(writes) writes, the longest took $(cut -d' ' -f2 /run/gap) ms"
done

kill $writer
wait $writer 2>/dev/null
umount /mnt/ext4 || fail "umount"
e2fsck -fn /dev/mars/r >/run/fsck 2>&1 || fail "e2fsck: $(cat /run/fsck)"
kill "$(cat /run/mars/daemon.pid)"
wait
cp /run/daemon.log /tmp/vmout/ 2>/dev/null
echo "all is well"
