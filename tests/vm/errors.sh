#!/bin/bash
# Runs inside a virtual machine: kernels, permissions and users that do not let
# us have what we want. One clear line each, not again and again, and the device
# comes when they give way.
#
# To be run with ublks_max=1. Some kernels count all devices against it; others,
# Debian's 6.12 among them, only those of other users than root.
source tests/vm/lib.sh

# said TEXT: the daemon says it once.
said() {
	heard() { grep -q -e "$1" $BASE/daemon.log; }
	until_true heard "$1"
	grep -e "$1" $BASE/daemon.log | cut -d' ' -f2-
	[ "$(grep -c -e "$1" $BASE/daemon.log)" = 1 ] || fail "said too often: $1"
}

device() { [ -b "/dev/mars/$1" ]; }
again() {
	stop
	: >$BASE/daemon.log
	start
	until_true answers
}

cluster
step "a kernel without ublk"
mv /dev/ublk-control $BASE/ublk-control
ok create-resource r /dev/ram0
ok wait-resource r is-device-on
said "device: No block device, only the NBD export.*type modprobe ublk_drv"
device r && fail "a device without ublk"
[ -S /run/mars/nbd/r.sock ] || fail "no NBD either"
mars view r | grep -q "modprobe ublk_drv" || fail "view does not say so"
# It is loaded, and that is noticed.
mv $BASE/ublk-control /dev/ublk-control
until_true device r
quiet() { ! mars view r | grep -q "modprobe ublk_drv"; }
until_true quiet
again
until_true device r
grep "No block device" $BASE/daemon.log && fail "a complaint without reason"

step "a process that may not open it"
ok secondary r
setpriv --reuid=65534 --clear-groups dd if=/dev/mars/r of=/dev/null count=1 \
	2>/dev/null && fail "anybody may read the device"
ok primary r
until_true device r
setpriv --reuid=65534 --clear-groups dd if=/dev/mars/r of=/dev/null count=1 \
	2>$BASE/dd && fail "anybody may read the device"
grep -q "Permission denied" $BASE/dd || fail "dd: $(cat $BASE/dd)"

step "as many devices as the kernel allows"
[ "$(cat /sys/module/ublk_drv/parameters/ublks_max)" = 1 ] || fail "ublks_max"
ok create-resource s /dev/ram1
ok wait-resource s is-attach
if ! timeout 10 "${MARS[@]}" wait-resource s is-device-on >/dev/null 2>&1 ||
	! device s; then
	said "device: The device cannot be made: the kernel's limit of ublk devices"
	# The first one goes, the second one comes by itself.
	ok secondary r
	until_true device s
	ok secondary s
	ok primary r
	until_true device r
else
	echo "this kernel allows root any number"
fi

step "a device that is in use"
exec 5</dev/mars/r
no "" secondary r --timeout=3
device r || fail "a device in use went"
# The command has given up, and the daemon has seen that.
ok wait-resource r is-device-on
exec 5<&-
mke2fs -q -t ext4 /dev/mars/r || fail "mke2fs"
mkdir -p /mnt/fs
mount -t ext4 /dev/mars/r /mnt/fs || fail "mount"
until_true is resource-r/actual-alpha/open-count 1
for words in "secondary r --timeout=3" "detach r --timeout=3" \
	"down r --timeout=3"; do
	no "the device is open 1 time" $words
	echo "$OUT" | head -n 1
done
umount /mnt/fs
ok wait-umount r
ok secondary all

step "a daemon without rights"
stop
: >$BASE/daemon.log
MARS=(setpriv --bounding-set=-sys_admin,-dac_override,-dac_read_search
	--inh-caps=-sys_admin,-dac_override,-dac_read_search "${MARS[@]}")
chmod 0 /dev/ublk-control
start
until_true answers
ok primary r
said "device: No block device, only the NBD export: .* run it as root"
[ -S /run/mars/nbd/r.sock ] || fail "no NBD either"
chmod 600 /dev/ublk-control
said "device: The device cannot be made: .* run it as root"
device r && fail "a device without rights"
ok secondary r
stop

step "a user who is not root"
chown 65534 /mars
: >$BASE/daemon.log
setpriv --reuid=65534 --clear-groups "${MARS[@]}" daemon >$BASE/daemon.log 2>&1 &&
	fail "it started"
cat $BASE/daemon.log
[ "$(wc -l <$BASE/daemon.log)" -le 2 ] || fail "that is no clear line"
well
