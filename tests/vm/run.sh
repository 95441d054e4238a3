#!/bin/bash
# The block device of the kernel, in virtual machines: every test of this
# directory, or those that are named. It goes on after a failure, and ends with a
# table.
#
#   [ENGINE=uml|qemu] tests/vm/run.sh [TEST…]
#
# uml runs programs at native speed, and its kernel is built once, which takes
# ten minutes; qemu runs a stock Debian kernel under emulation, 20 times slower,
# and scripts do less there. Without ENGINE it is uml where that can be had, but
# for tests that need something which only the stock kernel has. Each script ends
# with "all is well". Exit code 1 if one did not.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1

uml=(-E uml --suite trixie-backports -k 7)
qemu=(-E qemu -s 2)
seconds_uml=1800
seconds_qemu=5400

# Two machines, what they tell each other, and disks that outlive them.
TWO="-n 2 --rw build/vm/shared"
DISKS="-d build/vm/disk.{}.disk -d build/vm/disk.{}.mars -d build/vm/disk.{}.etc"

# A row per test: its name, the engine that it needs or "any", the script and its
# words, modules of the kernel with their options, what else vmrun is to know.
ROWS=(
	"ext4|any|ext4.sh|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"replace|any|replace.sh|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"trouble|any|trouble.sh|brd rd_nr=2 rd_size=65536,ublk_drv,ext4|"
	"left|any|left.sh|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"device|any|device.sh|brd rd_nr=1 rd_size=65536,ublk_drv,loop|"
	"kill|any|kill.sh|brd rd_nr=1 rd_size=65536,ublk_drv|-M 3000"
	"errors|any|errors.sh|brd rd_nr=2 rd_size=65536,ublk_drv ublks_max=1,ext4|"
	"fs|any|fs.sh ext4 xfs lvm|brd rd_nr=1 rd_size=1048576,ublk_drv,ext4,xfs,dm-mod|-M 4000"
	"many|any|many.sh|brd rd_nr=16 rd_size=32768,ublk_drv|$TWO"
	"failover|any|failover.sh|ublk_drv,ext4|$TWO $DISKS"
	"systemd|any|systemd.sh|brd rd_nr=1 rd_size=32768,ublk_drv,ext4|--init -M 2000 $DISKS"
	"btrfs|qemu|fs.sh btrfs|brd rd_nr=1 rd_size=524288,ublk_drv,btrfs|-M 3000"
)

# Whether this machine has the kernel of uml, or can build it.
has_uml() { tests/vm/vmrun "${uml[@]}" --fetch >/dev/null; }
wanted=${ENGINE:-}
case $wanted in
'') if has_uml; then wanted=uml; else wanted=qemu; fi ;;
uml) has_uml || exit 1 ;;
qemu) ;;
*) echo "ENGINE is uml or qemu, not $wanted" >&2; exit 2 ;;
esac
names=" $(printf '%s\n' "${ROWS[@]}" | cut -d'|' -f1 | tr '\n' ' ')"
for name; do
	[[ $names == *" $name "* ]] || { echo "no test $name; there are:$names" >&2; exit 2; }
done

export MARS_LAUNCH_DIR=$PWD/build/vm-bin
build/mars version >/dev/null || exit 1
tests/vm/tree.sh build/vm || exit 1
table=()
failed=()
for row in "${ROWS[@]}"; do
	IFS='|' read -r name engine script modules options <<<"$row"
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	[ "$engine" = any ] && engine=$wanted
	declare -n words=$engine limit=seconds_$engine
	echo "==== $name ($engine)"
	begun=$SECONDS
	rm -rf build/vm/shared build/vm/disk.*
	mkdir -p build/vm/shared
	# Sparse. The daemon wants room for its reserves.
	truncate -s 256M build/vm/disk.{1,2}.disk
	truncate -s 10G build/vm/disk.{1,2}.mars
	truncate -s 16M build/vm/disk.{1,2}.etc
	result=ok
	# shellcheck disable=SC2086
	tests/vm/vmrun "${words[@]}" -t "$limit" -m "$modules" $options \
		-- tests/vm/$script || { result=FAILED; failed+=("$name"); }
	table+=("$(printf '%-10s %-5s %6d s  %s' \
		"$name" "$engine" $((SECONDS - begun)) $result)")
	echo "==== $name: $result"
done
rm -rf build/vm/shared build/vm/disk.*
printf '\n%s\n' "in all $SECONDS s:"
printf '%s\n' "${table[@]}"
[ ${#failed[@]} -eq 0 ] || { echo "FAILED: ${failed[*]}"; exit 1; }
echo "all is well"
