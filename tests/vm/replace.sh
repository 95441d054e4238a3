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

writer /mnt/ext4/file
goes_on "untouched"
replaced() { [ "$(cat /run/mars/daemon.pid)" = $daemon ]; }

for time in $(seq "$times"); do
	old=$daemon
	start --replace
	wait $old || fail "the old daemon did not end well"
	until_true replaced
	goes_on "replaced $time times"
done

step "one that does not end"
kill -STOP $daemon
no "is still there after 1 s" daemon --replace --reserve=0 --timeout=1
kill -CONT $daemon
wait $daemon || fail "the daemon did not end well"
start
goes_on "after one that did not end"

kill $writer
wait $writer 2>/dev/null
umount /mnt/ext4 || fail "umount"
e2fsck -fn /dev/mars/r >$BASE/fsck 2>&1 || fail "e2fsck: $(cat $BASE/fsck)"
stop
well
