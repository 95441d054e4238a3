#!/bin/bash
# Runs inside a virtual machine: what a device cannot do, and what is said then.
source tests/vm/lib.sh

# told NAME TEXT: view says it, and the traces do.
told() {
	is_told() { mars view "$1" | grep -qF "$2"; }
	until_true is_told "$@"
	grep -qF "$2" $BASE/daemon.log || fail "the traces do not say \"$2\""
}
# quiet NAME TEXT: view says it no more.
quiet() {
	is_quiet() { ! mars view "$1" | grep -qF "$2"; }
	until_true is_quiet "$@"
}

cluster
[ "$(cat /proc/$daemon/oom_score_adj)" = -900 ] || fail "oom_score_adj"
for task in /proc/"$daemon"/task/*; do
	# PF_LOCAL_THROTTLE and PF_MEMALLOC_NOIO, prescribed by Linux.
	flags=$(sed 's/.*) //' "$task/stat" | cut -d' ' -f7)
	[ $((flags & 0x00080000)) != 0 ] || fail "$(cat "$task/comm") may wait for I/O"
done

step "it grows while it is open, or says why not"
ok create-resource r /dev/ram0 r 32M
ok wait-resource r is-device-on --timeout=15
exec 7</dev/mars/r
before=$(blockdev --getsize64 /dev/mars/r)
if mars resize r 48M >$BASE/resize 2>&1; then
	[ "$(blockdev --getsize64 /dev/mars/r)" = $((48 << 20)) ] || fail "resize"
	echo "grown"
else
	grep "cannot grow while it is on" $BASE/resize || fail "$(cat $BASE/resize)"
	[ "$(blockdev --getsize64 /dev/mars/r)" = "$before" ] || fail "another size"
	is resource-r/size $((32 << 20)) || fail "the size is not put back"
	quiet r "cannot grow"
	exec 7<&-
	echo "refused"
fi
exec 7<&-

step "a level is never weakened while the device is on"
ok secondary r --timeout=15
ok set-acknowledge r durable
ok primary r --timeout=15
ok wait-resource r is-device-on --timeout=15
[ "$(cat /sys/block/"$(basename "$(readlink /dev/mars/r)")"/queue/write_cache)" = \
	"write through" ] || fail "a durable device announces a cache"
ok set-acknowledge r flush
told r "stays at level durable"
# Not even by the next daemon.
exec 7</dev/mars/r
crash
# A daemon that inherits it would keep it open.
start 7<&-
ok wait-resource r is-device-on --timeout=15
told r "stays at level durable"
exec 7<&-
ok secondary r --timeout=15
ok primary r --timeout=15
ok wait-resource r is-device-on --timeout=15
quiet r "stays at level durable"
[ "$(cat /sys/block/"$(basename "$(readlink /dev/mars/r)")"/queue/write_cache)" = \
	"write back" ] || fail "the level did not change"

step "something is in the way of its name"
mkdir /dev/mars/s
ok create-resource s /dev/ram1
told s "something that is no link is in the way"
rmdir /dev/mars/s
until_true test -b /dev/mars/s
quiet s "in the way"

step "/mars is read-only when the daemon comes back: users wait, and no more"
crash
mount -o remount,ro /mars || fail "/mars is busy"
start
until_true answers
dd if=/dev/urandom of=/dev/mars/r bs=64k count=16 conv=fsync 2>$BASE/dd &
writer=$!
warned() { mars view r 2>&1 >/dev/null | grep -qF 'ERROR: "/mars" is read-only'; }
until_true warned
kill -0 $writer || fail "the writer did not wait: $(cat $BASE/dd)"
mount -o remount,rw /mars || fail "/mars stays read-only"
wait $writer || fail "the writer failed: $(cat $BASE/dd)"
clean() { [ -z "$(mars view r 2>&1 >/dev/null)" ]; }
until_true clean
stop
well
