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

# A row per script: its name, modules of the kernel with their options, and
# what else vmrun is to know.
ROWS=(
	"ext4|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"replace|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
	"left|brd rd_nr=1 rd_size=65536,ublk_drv,ext4|"
)

export MARS_LAUNCH_DIR=$PWD/build/vm-bin
build/mars version >/dev/null || exit 1
failed=()
for row in "${ROWS[@]}"; do
	IFS='|' read -r name modules options <<<"$row"
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	echo "==== $name ($VMRUN_ENGINE)"
	begun=$SECONDS
	# shellcheck disable=SC2086
	tests/vm/vmrun "${engine[@]}" -t 1800 -m "$modules" $options \
		-- "tests/vm/$name.sh" || failed+=("$name")
	echo "==== $name took $((SECONDS - begun)) s"
done
[ ${#failed[@]} -eq 0 ] || { echo "FAILED: ${failed[*]}"; exit 1; }
echo "all is well"
