#!/bin/bash
# Runs inside a virtual machine: a file system on /dev/mars/r while daemons take
# each other's place under it. Says how long a write waited at most.
#
#   tests/vm/replace.sh [TIMES]
source tests/vm/lib.sh
times=${1:-3}
mkdir -p /mnt/ext4

prepare
ok create-cluster --ip=127.0.0.1
# Without a daemon that runs it just starts.
start --replace
until_true answers
create r /dev/ram0
mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount"

# A writer that notes the longest time between two durable writes.
BASE=$BASE perl -e '
	use IO::Handle; use Time::HiRes qw(time);
	my $base = $ENV{BASE};
	open my $file, ">", "/mnt/ext4/file" or die;
	my ($last, $most, $n) = (time, 0, 0);
	for (;;) {
		sysseek $file, ($n % 100) * 4096, 0;
		syswrite $file, chr(65 + $n % 26) x 4096 or die;
		$file->sync or die;
		my $now = time; my $gap = $now - $last; $last = $now; $n++;
		if (-e "$base/reset") { $most = 0; unlink "$base/reset"; $gap = 0 }
		if ($gap > $most) { $most = $gap }
		open my $out, ">", "$base/gap.tmp";
		printf $out "%d %.0f\n", $n, $most * 1000;
		close $out; rename "$base/gap.tmp", "$base/gap";
	}' 2>$BASE/failed &
writer=$!
writes() { cut -d' ' -f1 $BASE/gap 2>/dev/null || echo 0; }
more() { [ "$(writes)" -gt "$before" ]; }
replaced() { [ "$(cat /run/mars/daemon.pid)" = $daemon ]; }

for time in $(seq "$times"); do
	before=$(($(writes) + 20))
	until_true more
	touch $BASE/reset
	before=$(($(writes) + 5))
	until_true more
	old=$daemon
	start --replace
	wait $old || fail "the old daemon did not end well"
	until_true replaced
	before=$(($(writes) + 20))
	until_true more
	[ -s $BASE/failed ] && fail "$(cat $BASE/failed)"
	echo "replaced $time times; the longest write took $(cut -d' ' -f2 $BASE/gap) ms"
done

step "one that does not end"
kill -STOP $daemon
no "is still there after 1 s" daemon --replace --reserve=0 --timeout=1
kill -CONT $daemon
wait $daemon || fail "the daemon did not end well"
start
before=$(($(writes) + 20))
until_true more

kill $writer
wait $writer 2>/dev/null
umount /mnt/ext4 || fail "umount"
e2fsck -fn /dev/mars/r >$BASE/fsck 2>&1 || fail "e2fsck: $(cat $BASE/fsck)"
stop
well
