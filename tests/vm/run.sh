#!/bin/bash
# The block device of the kernel, in virtual machines: every script of this
# directory, or those that are named.
#
#   tests/vm/run.sh [SCRIPT…]          SCRIPT is a name without ".sh"
#
# VMRUN_ENGINE chooses how: uml is quick where its kernel has been built (see
# vmrun --fetch), qemu runs a stock Debian kernel under emulation. Each script
# ends with "all is well". Exit code 1 if one did not.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1

uml=(-E uml --suite trixie-backports -k 7)
cache=${VMRUN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmrun}
if [ -z "${VMRUN_ENGINE:-}" ]; then
	VMRUN_ENGINE=qemu
	[ -e "$cache/uml-trixie-backports-7/linux" ] && VMRUN_ENGINE=uml
fi
case $VMRUN_ENGINE in
uml) engine=("${uml[@]}") ;;
*) engine=(-E qemu -s 2) ;;
esac

# Two machines, what they tell each other, and disks that outlive them.
TWO="-n 2 --rw build/vm/shared"
DISKS="-d build/vm/disk.{}.disk -d build/vm/disk.{}.mars -d build/vm/disk.{}.etc"

# A row per script: its name, modules of the kernel with their options, and
# what else vmrun is to know.
ROWS=(
	"ext4|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"replace|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"trouble|brd rd_nr=2 rd_size=65536,ublk_drv,ext4|"
	"left|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"device|brd rd_nr=1 rd_size=65536,ublk_drv,loop|"
	"kill|brd rd_nr=1 rd_size=65536,ublk_drv|-M 3000"
	"errors|brd rd_nr=2 rd_size=65536,ublk_drv ublks_max=1|"
	"fs|brd rd_nr=1 rd_size=1048576,ublk_drv,ext4,xfs,btrfs,dm-mod|-M 4000"
	"many|brd rd_nr=16 rd_size=32768,ublk_drv|$TWO"
	"failover|ublk_drv,ext4|$TWO $DISKS"
)

export MARS_LAUNCH_DIR=$PWD/build/vm-bin
build/mars version >/dev/null || exit 1
tests/vm/tree.sh build/vm || exit 1
failed=()
for row in "${ROWS[@]}"; do
	IFS='|' read -r name modules options <<<"$row"
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	echo "==== $name ($VMRUN_ENGINE)"
	begun=$SECONDS
	rm -rf build/vm/shared build/vm/disk.*
	mkdir -p build/vm/shared
	for image in 1.disk 2.disk 1.mars 2.mars; do
		truncate -s 256M build/vm/disk.$image
	done
	truncate -s 16M build/vm/disk.{1,2}.etc
	# shellcheck disable=SC2086
	tests/vm/vmrun "${engine[@]}" -t 1800 -m "$modules" $options \
		-- "tests/vm/$name.sh" || failed+=("$name")
	echo "==== $name took $((SECONDS - begun)) s"
done
[ ${#failed[@]} -eq 0 ] || { echo "FAILED: ${failed[*]}"; exit 1; }
echo "all is well"
