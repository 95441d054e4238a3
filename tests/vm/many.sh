#!/bin/bash
# Runs inside two virtual machines: 16 resources at once are created, joined,
# filled, handed over and back, and removed.
source tests/vm/two.sh
count=16

# fill PART: a MiB of noise on every device, at the same time.
fill() {
	local each
	for each in $(seq $count); do
		head -c 1M /dev/urandom >$BASE/noise.$each
		tell "sum.$each.$1" "$(sum $BASE/noise.$each)"
		dd if=$BASE/noise.$each of=/dev/mars/r$each bs=64k seek=$(($1 * 16)) \
			oflag=direct status=none 2>$BASE/error.$each &
	done
	for each in $(seq $count); do
		while [ -d /proc/$! ]; do wait $!; done
	done
	sync
}

# check PART: every device holds it.
check() {
	local each
	for each in $(seq $count); do
		[ "$(dd if=/dev/mars/r$each bs=1M skip="$1" count=1 iflag=direct \
			status=none | md5sum | cut -d' ' -f1)" = \
			"$(cat "$SHARED/sum.$each.$1")" ] || fail "r$each: part $1 is another"
	done
}

devices() { [ "$(ls /dev/mars 2>/dev/null | wc -l)" = "$1" ]; }

prepare
two_hosts
case $NODE in
1)
	step "$count resources are created"
	for each in $(seq $count); do
		ok create-resource r$each /dev/ram$((each - 1))
	done
	until_true devices $count
	fill 0
	tell created
	await joined
	fill 1
	tell filled
	await back
	ok primary all
	until_true devices $count
	for part in 0 1 2; do check $part; done
	step "all are removed"
	ok secondary all
	tell ended
	ok down all
	await left
	ok leave-resource all
	ok delete-resource all
	tell deleted
	;;
2)
	await created
	for each in $(seq $count); do
		ok join-resource r$each /dev/ram$((each - 1))
	done
	until_true says "UpToDate Replaying dCASFR Secondary node1" $count
	tell joined
	await filled
	step "all are handed over"
	ok primary all
	until_true devices $count
	check 0
	check 1
	fill 2
	tell back
	await ended
	ok down all
	ok leave-resource all
	tell left
	await deleted
	;;
esac
until_true devices 0
ls /dev/ublkb* 2>/dev/null && fail "a device stayed"
[ -z "$(ls /run/mars/ublk 2>/dev/null)" ] || fail "a state file stayed"
stop
well
