#!/bin/bash
# Runs inside a virtual machine: what becomes of a device whose daemon has died.
source tests/vm/lib.sh
mkdir -p /mnt/ext4

list() { mars device list; }
is_quiesced() { list | grep -q quiesced; }
is_live() { list | grep -q live; }
is_gone() { [ -z "$(list)" ]; }
# Nodes of the kernel.
count() { find /dev -maxdepth 1 -name 'ublkb*' | wc -l; }
has_none() { [ "$(count)" = 0 ]; }
die() {
	crash
	until_true is_quiesced
}
demote() { ln -sfn '(none)' /mars/resource-r/primary; }

cluster
create r /dev/ram0
list | grep -q 'r  /dev/ublkb0  live  process .* serves it  not open' ||
	fail "device list: $(list)"
ok device list --json
[[ $OUT == *'"name":"r"'* ]] || fail "device list --json: $OUT"
no "serves it" device abandon r --force
mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"

step "primary here: taken over, whatever became of what was noted"
die
list
echo garbage >/run/mars/ublk/r
touch /run/mars/ublk/stale
start
until_true is_live
[ "$(count)" = 1 ] || fail "there are two devices"
until_true test ! -e /run/mars/ublk/stale
die
rm -rf /run/mars/ublk /dev/mars
start
until_true is_live
[ "$(count)" = 1 ] || fail "there are two devices"

step "not primary any more, not open: it goes"
die
demote
start
until_true is_gone
until_true has_none
[ -e /dev/mars/r ] && fail "the link stayed"
ok primary r
ok wait-resource r is-device-on

step "not primary any more, mounted: told, then abandoned"
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount"
echo hello >/mnt/ext4/hello
sync
die
demote
start
is_told() { mars view r | grep -q 'mars device abandon r --force'; }
until_true is_told
no "add --force" device abandon r
ok device abandon r --force
echo "$OUT"
is_gone || fail "still there: $(list)"
# Its users get errors, and do not hang.
dd if=/dev/urandom of=/mnt/ext4/x bs=4k count=1 conv=fsync 2>/dev/null &&
	fail "a write succeeded"
umount /mnt/ext4 || fail "umount"
until_true has_none
ok primary r
ok wait-resource r is-device-on
mount -t ext4 /dev/mars/r /mnt/ext4 || fail "mount again"
[ "$(cat /mnt/ext4/hello)" = hello ] || fail "the file is lost"
umount /mnt/ext4

step "the resource is deleted while nobody serves its device"
die
ok leave-resource r --force
start
until_true is_gone
stop
well
