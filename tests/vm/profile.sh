#!/bin/bash
# Runs inside a virtual machine: where the time of one 4 KiB write goes, in a
# real daemon that has a shim with a clock in it, see tests/bench/profile_shim.c.
#
#   tests/vm/profile.sh DIRECTORY
#
# DIRECTORY gets the stages of each write, profile.txt, and the reports of fio:
# null.json for a device with nothing behind, clock.json for that daemon,
# plain.json for one without the clock. DENO is the runtime.
source tests/vm/lib.sh
REPORTS=$1
SIZE_MIB=128
# From the checkout: that finds its shim where it can be covered.
MARS=("$DENO" run --allow-all main.ts "--host=$HOST" --logger=)

# writes NAME PATH COUNT: random ones, one after the other.
writes() {
	fio --name=profile --filename="$2" --rw=randwrite --bs=4k --iodepth=1 \
		--ioengine=io_uring --direct=1 --size=${SIZE_MIB}M --number_ios="$3" \
		--io_size=1T --norandommap --clat_percentiles=0 --lat_percentiles=1 \
		--output-format=json --output="$REPORTS/$1.json" >$BASE/fio 2>&1 ||
		fail "fio: $(cat $BASE/fio)"
}

mkdir -p $BASE /mars /run/mars /etc/mars
: >$BASE/daemon.log
mke2fs -q -t ext4 -E nodiscard,lazy_itable_init=0 /dev/ram0 || fail "mke2fs"
mount -t ext4 /dev/ram0 /mars || fail "no place for logs"

step "a device with nothing behind"
"$DENO" run --allow-all tests/bench/null_device.ts $SIZE_MIB >$BASE/null \
	2>>$BASE/daemon.log &
null=$!
until_true test -s $BASE/null
writes null "$(cat $BASE/null)" 50000

step "mars"
ok create-cluster --ip=127.0.0.1
start
until_true answers
dd if=/dev/urandom of=/dev/ram1 bs=1M count=$SIZE_MIB status=none
ok create-resource r /dev/ram1 r ${SIZE_MIB}M
ok wait-resource r is-device-on
writes warm /dev/mars/r 20000
writes plain /dev/mars/r 50000

step "mars with a clock"
stop
mount --bind build/libmars-profile.so build/libmars.so || fail "no clock"
export MARS_PROFILE=$BASE/profile.txt
start
until_true answers
ok wait-resource r is-device-on
until_true test -b /dev/mars/r
writes clock /dev/mars/r 50000
until_true test -s $MARS_PROFILE
cp $MARS_PROFILE "$REPORTS/profile.txt"
kill $null
stop
well
