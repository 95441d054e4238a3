#!/bin/bash
# Runs inside a virtual machine: the daemon dies again and again, and is
# replaced by another, while fio has the device open and verifies what it
# writes. Nobody sees an error, and nothing is lost.
#
#   tests/vm/kill.sh [KILLS [REPLACEMENTS]]
source tests/vm/lib.sh
kills=${1:-$(fast 50 10)}
replacements=${2:-$(fast 20 5)}

cluster
create r /dev/ram0
device=$(basename "$(readlink /dev/mars/r)")
exec 5<>/dev/mars/r

# Two writers, each on its own half of the device.
writer() { # NAME OPTIONS…
	local name=$1
	shift
	while [ ! -e $BASE/enough ]; do
		fio --name="$name" --filename=/dev/mars/r --size=24M --verify=crc32c \
			--verify_fatal=1 --rw=randwrite --number_ios=1500 "$@" \
			>$BASE/fio.$name 2>&1 ||
			{ cp $BASE/fio.$name $BASE/failed; return 1; }
		echo x >>$BASE/rounds.$name
	done
}
: >$BASE/rounds.direct
: >$BASE/rounds.cached
writer direct --direct=1 --ioengine=libaio --iodepth=32 --bsrange=512-64k &
direct=$!
writer cached --offset=32M --ioengine=psync --bs=4k --fsync=8 &
cached=$!

# Requests that were completed, of both directions.
completed() { awk '{ print $1 + $5 }' "/sys/block/$device/stat"; }
more() { [ "$(completed)" -gt $((before + 50)) ]; }
progress() {
	before=$(completed)
	until_true more
	[ -e $BASE/failed ] && fail "$(tail -n 15 $BASE/failed)"
}

for kill in $(seq "$kills"); do
	progress
	crash
	start
	progress
done
echo "killed $kills times"

if mars help daemon 2>&1 | grep -q -e --replace; then
	for _ in $(seq "$replacements"); do
		old=$daemon
		start --replace
		wait "$old"
		until_true answers
		progress
	done
	echo "replaced $replacements times"
else
	echo "no --replace here"
fi

touch $BASE/enough
wait $direct || fail "$(tail -n 15 $BASE/fio.direct)"
wait $cached || fail "$(tail -n 15 $BASE/fio.cached)"
echo "rounds of fio: $(wc -l <$BASE/rounds.direct) direct," \
	"$(wc -l <$BASE/rounds.cached) cached"
[ "$(basename "$(readlink /dev/mars/r)")" = "$device" ] ||
	fail "the device is another one"
dmesg | grep -i "i/o error\|buffer i/o" && fail "the kernel saw errors"
exec 5<&-

forget
held=$(sum /dev/mars/r)
ok secondary r
until_true replayed r
ok down r
[ "$(sum /dev/ram0)" = "$held" ] || fail "the disk is not what the device was"
stop
well
