#!/bin/bash
# Runs inside two virtual machines: a file system is handed over as planned, and
# later the power of the primary is cut under load.
#
# A secondary is a state that the primary once had. So, of files that were made
# one after the other, each fsynced before the next: those whose position in the
# log the secondary has said to have replayed are there; and if one is there, all
# before it are. Files after these may be lost: replication is asynchronous.
source tests/vm/two.sh
trees=$PWD/build/vm
mnt=/mnt/fs
mkdir -p $mnt

# place: /mars and the key of the host, on disks that outlive the machine.
place() {
	mkdir -p $BASE /mars /etc/mars /run/mars
	: >>$BASE/daemon.log
	if [ "$BOOT" = 1 ]; then
		mke2fs -q -t ext4 /dev/vdb && mke2fs -q -t ext4 /dev/vdc || fail "mke2fs"
	fi
	mount /dev/vdb /mars && mount /dev/vdc /etc/mars || fail "no place for logs"
	chmod 700 /mars /etc/mars
}

check_tree() {
	(cd $mnt && md5sum -c --quiet "$trees/tree.md5") >$BASE/md5 2>&1 ||
		fail "tree: $(head -n 3 $BASE/md5)"
}

secondary() { says "UpToDate Replaying dCASFR Secondary $1" 1; }
opened() { mount /dev/mars/r $mnt || fail "mount"; }
closed() { umount $mnt || fail "umount"; }

# files FIRST LAST PREFIX: each fsynced before the next; their sums are told.
files() {
	local n
	for n in $(seq "$1" "$2"); do
		dd if=/dev/urandom of=$mnt/$3$n bs=8k count=1 conv=fsync status=none ||
			fail "write $n"
		echo "$(sum $mnt/$3$n)  $3$n" >>"$SHARED/sums.$3"
	done
}

# check_files PREFIX: all that were told are there.
check_files() {
	(cd $mnt && md5sum -c --quiet "$SHARED/sums.$1") >$BASE/md5 2>&1 ||
		fail "files $1: $(head -n 3 $BASE/md5)"
}

# position: of the end of the log, in words that sort: sequence and offset.
position() {
	local log
	log=$(cd /mars/resource-r && ls -d log-*-node1 | tail -n 1)
	echo "$(cut -d- -f2 <<<"$log") $(stat -c %s "/mars/resource-r/$log")"
}

# confirmed: the position up to which node2 says that it has replayed.
confirmed() {
	link resource-r/replay-node2 | sed 's/^log-\([0-9]*\)-[^,]*,\([0-9]*\),.*/\1 \2/'
}

# The load of node1, until its power is cut: a file, its sum, where the log was
# after its fsync; and which of them node2 has confirmed.
load() {
	local n at
	for n in $(seq 100000); do
		dd if=/dev/urandom of=$mnt/l$n bs=8k count=1 conv=fsync status=none ||
			fail "write $n"
		at=$(position)
		echo "$n $(sum $mnt/l$n) $at" >>"$SHARED/load"
	done
}

confirm() {
	local sequence offset
	while :; do
		read -r sequence offset <<<"$(confirmed)"
		awk -v s=$((10#$sequence)) -v o="$offset" \
			'$3 + 0 < s || ($3 + 0 == s && $4 + 0 <= o) { n = $1 } END { print n + 0 }' \
			"$SHARED/load" >"$SHARED/confirmed.tmp"
		mv "$SHARED/confirmed.tmp" "$SHARED/confirmed"
		sleep 0.2
	done
}
written() { wc -l <"$SHARED/load"; }
more_written() { [ "$(written)" -ge $((before + 10)) ]; }
many_confirmed() { [ "$(cat "$SHARED/confirmed")" -ge 20 ]; }

node1() {
	two_hosts
	create r /dev/vda
	mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
	opened
	tar -xf "$trees/tree.tar" -C $mnt || fail "tar"
	files 1 10 a
	tell created
	await joined
	files 11 20 a
	until_true is resource-r/actual-node1/open-count 1
	tell mounted
	await refused
	closed
	ok wait-umount r
	tell unmounted
	await back
	ok primary r --timeout=30
	ok wait-resource r is-device-on
	opened
	check_tree
	check_files a
	check_files b
	step "load on node1"
	: >"$SHARED/load"
	confirm &
	load
}

node2() {
	two_hosts
	await created
	ok join-resource r /dev/vda
	until_true secondary node1
	tell joined

	step "planned handover to node2"
	await mounted
	seen() { is resource-r/actual-node1/open-count 1; }
	until_true seen
	no "open" primary r
	tell refused
	await unmounted
	ok primary r --timeout=30
	ok wait-resource r is-device-on
	opened
	check_tree
	check_files a
	files 1 10 b
	closed
	ok wait-umount r
	step "and back"
	tell back
	until_true many_confirmed
	# From here on node2 gets nothing: what follows is lost.
	ok pause-fetch r
	before=$(written)
	until_true more_written
	step "the power of node1 is cut"
	echo 1 >/run/vmrun/reset
	await off
	echo "$(written) files were written," \
		"$(cat "$SHARED/confirmed") of them confirmed"
	no "node1" primary r --timeout=3
	ok primary r --force
	ok wait-resource r is-device-on
	dmesg -C
	opened
	dmesg | grep -q "recovery complete" || fail "the journal was not replayed"
	check_tree
	check_files a
	check_files b
	check_load
	closed
	e2fsck -fn /dev/mars/r >$BASE/fsck 2>&1 || fail "e2fsck: $(cat $BASE/fsck)"
	opened
	files 1 10 c
	tell return

	step "node1 returns"
	await returned
	closed
	ok wait-umount r
	tell unmounted2
	await taken
	until_true secondary node1
	stop
	well
}

# check_load: see the top.
check_load() {
	local n sum rest there=0 gap=
	while read -r n sum rest; do
		# The last line may have been cut, too.
		[ -n "$rest" ] || continue
		if [ "$(sum $mnt/l$n 2>/dev/null)" = "$sum" ]; then
			[ -z "$gap" ] || fail "file $n is there, $gap before it is not"
			there=$n
		else
			gap=${gap:-$n}
		fi
	done <"$SHARED/load"
	echo "$there of the files are there, ${gap:-none} is the first that is not"
	[ "$there" -ge "$(cat "$SHARED/confirmed")" ] ||
		fail "$(cat "$SHARED/confirmed") were confirmed, $there are there"
}

node1_again() {
	tell off
	await return
	start
	until_true answers
	ok wait-cluster
	ok invalidate r
	until_true secondary node2
	tell returned
	await unmounted2
	ok primary r --timeout=30
	ok wait-resource r is-device-on
	opened
	check_tree
	for each in a b c; do check_files $each; done
	check_load
	closed
	tell taken
	stop
	well
}

place
case $NODE$BOOT in
11) node1 ;;
2*) node2 ;;
*) node1_again ;;
esac
