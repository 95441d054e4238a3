#!/bin/bash
# Runs inside a virtual machine: file systems of the kernel and a volume group
# on /dev/mars/r, a tree of 10,000 small files, a daemon that dies and one that
# ends. Checksums were made before, by other programs. What the device held is
# on the disk below it when the primary ends.
#
#   tests/vm/fs.sh [ext4|xfs|btrfs|lvm]…      all, if none is named
source tests/vm/lib.sh
trees=$PWD/build/vm
mnt=/mnt/fs
mkdir -p $mnt

# check WHERE: the tree is as it was made.
check() {
	(cd "$1" && md5sum -c --quiet "$trees/tree.md5") >$BASE/md5 2>&1 ||
		fail "$1: $(head -n 3 $BASE/md5)"
	[ "$(find "$1/tree" -type f | wc -l)" = 10000 ] || fail "$1: files are missing"
}

# fsck KIND DEVICE: without changing anything.
fsck() {
	case $1 in
	ext4) e2fsck -fn "$2" ;;
	xfs) xfs_repair -n "$2" ;;
	btrfs) btrfs check --readonly "$2" ;;
	esac >$BASE/fsck 2>&1 || fail "$1 is not clean: $(tail -n 5 $BASE/fsck)"
}

# try KIND DEVICE: makes, fills, and reads after the daemon died.
try() {
	case $1 in
	ext4) mke2fs -q -t ext4 "$2" ;;
	xfs) mkfs.xfs -q -f "$2" ;;
	btrfs) mkfs.btrfs -q -f "$2" ;;
	esac >$BASE/mkfs 2>&1 || fail "mkfs of $1: $(cat $BASE/mkfs)"
	mount -t "$1" "$2" $mnt || fail "mount $1"
	tar -xf "$trees/tree.tar" -C $mnt || fail "tar on $1"
	sync
	crash
	start
	until_true answers
	forget
	check $mnt
	rm -r $mnt/tree/d7 && mkdir $mnt/tree/d7 || fail "rm on $1"
	tar -xf "$trees/tree.tar" -C $mnt tree/d7 || fail "tar again on $1"
	umount $mnt || fail "umount $1"
	fsck "$1" "$2"
}

words=${*:-ext4 xfs btrfs lvm}
wanted() { [[ " $words " == *" $1 "* ]]; }
has() {
	grep -qw "$1" /proc/filesystems && command -v "mkfs.$1" >/dev/null && return
	echo "no $1 here"
	return 1
}

cluster
for kind in ext4 xfs btrfs; do
	wanted $kind && has $kind || continue
	step "$kind"
	create r /dev/ram0
	try $kind /dev/mars/r

	# A daemon that ends well and comes back.
	stop
	[ -e /dev/mars/r ] && fail "the device stayed"
	start
	until_true answers
	ok wait-resource r is-device-on
	mount -t $kind /dev/mars/r $mnt || fail "mount $kind again"
	forget
	check $mnt
	umount $mnt || fail "umount $kind"

	# Nobody is primary: the disk holds everything.
	ok secondary r
	until_true replayed r
	ok down r
	forget
	fsck $kind /dev/ram0
	mount -t $kind -o ro /dev/ram0 $mnt || fail "mount the disk of $kind"
	check $mnt
	umount $mnt
	ok leave-resource r
	ok delete-resource r
	blkdiscard -f /dev/ram0 2>/dev/null
done

if ! wanted lvm; then
	stop
	well
fi
step "LVM"
if ! command -v pvcreate >/dev/null || ! dmsetup version >/dev/null 2>&1; then
	echo "no LVM here"
	well
fi
# No udev here, and LVM of Debian 12 does not know ublk by itself.
lvm() {
	command lvm "$1" --config 'global{locking_type=1}
		activation{udev_sync=0 udev_rules=0}
		devices{obtain_device_list_from_udev=0 use_devicesfile=0
			scan=["/dev"] types=["ublk-block",16] filter=["a|/dev/ublkb|","r|.*|"]}' \
		"${@:2}" >$BASE/lvm 2>&1 || fail "lvm $*: $(cat $BASE/lvm)"
}
create r /dev/ram0
lvm pvcreate /dev/mars/r
lvm vgcreate vg /dev/mars/r
lvm lvcreate -y -n a -l 40%VG vg
lvm lvcreate -y -n b -l 40%VG vg
until_true is resource-r/actual-alpha/open-count 1
try ext4 /dev/vg/a
if has xfs; then kind=xfs; else kind=ext4; fi
try $kind /dev/vg/b
until_true is resource-r/actual-alpha/open-count 1
no 'open 1 time on "alpha": used by "vg-' secondary r --timeout=2
# Another life of the device: the volumes are found again.
lvm vgchange -an vg
ok secondary r
ok primary r
ok wait-resource r is-device-on
lvm vgchange -ay vg
mount -t ext4 /dev/vg/a $mnt || fail "mount of a volume"
forget
check $mnt
umount $mnt
lvm vgchange -an vg
ok secondary r
stop
well
