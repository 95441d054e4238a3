#!/bin/bash
# Runs inside a virtual machine: a file system on /dev/mars/r while the daemon
# is killed under it, again and again.
#
#   tests/vm/ext4.sh [KILLS]
source tests/vm/lib.sh
kills=${1:-2}
mkdir -p /mnt/ext4

cluster
create r /dev/ram0
echo "device: $(readlink /dev/mars/r)"

mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount"
until_true is resource-r/actual-alpha/open-count 1

# A writer that notes what it has made durable.
(
	for n in $(seq 100000); do
		dd if=/dev/urandom of=/mnt/ext4/f$((n % 50)) bs=8k count=1 conv=fsync \
			2>/dev/null || { echo "write $n failed" >$BASE/failed; exit 1; }
		md5sum /mnt/ext4/f$((n % 50)) >$BASE/sum$((n % 50))
		echo $n >$BASE/writes
	done
) &
writer=$!

writes() { cat $BASE/writes 2>/dev/null || echo 0; }
more() { [ "$(writes)" -gt "$before" ]; }
for kill in $(seq "$kills"); do
	before=$(writes)
	until_true more
	crash
	start
	# A busy device is busy from the beginning.
	no "the device is open 1 time" secondary r --timeout=2
	before=$(writes)
	until_true more
	[ -e $BASE/failed ] && fail "$(cat $BASE/failed)"
	echo "killed $kill times; $(writes) writes, no error"
done

kill $writer
wait $writer 2>/dev/null
sync
cat $BASE/sum* | md5sum -c --quiet || fail "a file has other content"
umount /mnt/ext4 || fail "umount"
e2fsck -fn /dev/mars/r >$BASE/fsck 2>&1 || fail "e2fsck: $(cat $BASE/fsck)"

# A busy device is never pulled away; one that nobody uses goes.
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount again"
until_true is resource-r/actual-alpha/open-count 1
no 'open 1 time on "alpha": mounted on "/mnt/ext4"' secondary r --timeout=2
[ -b /dev/mars/r ] || fail "the device went while it was mounted"
umount /mnt/ext4
ok secondary r
[ -e /dev/mars/r ] && fail "the device stayed"
stop
well
