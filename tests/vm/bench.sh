#!/bin/bash
# Runs inside a virtual machine: block devices side by side under fio, all on
# RAM disks of this machine. Rounds alternate: A B C A B C …
#
#   tests/vm/bench.sh DIRECTORY
#
# DIRECTORY gets a report of fio per run, LINE.WORK.TARGET.ROUND.json, and beside
# it, as .left, the seconds until nothing was left to be done. What is to be
# measured stands in the environment:
#
#   TARGETS   raw loop null flush durable flush+1 durable+1 drbd-A drbd-C;
#             "+1" is with a connected secondary, a second daemon of this machine
#   WORKS     "randwrite-4k-16": pattern, block, depth
#   LINES     plain, delay (10 ms each way), loss (1 % of the packets): what
#             happens to packets between the hosts, all of which use "lo"
#   ROUNDS RUN_SECONDS
#   LOGS      ext4 or tmpfs: what holds the logs
source tests/vm/lib.sh
REPORTS=$1
SIZE_MIB=128
LOGS_MIB=1900
DRBD=/lib/drbd/drbdsetup-84

# Targets that are there already when the next one needs a RAM disk.
next=0
# disk: the next RAM disk in DISK.
disk() {
	DISK=/dev/ram$next
	next=$((next + 1))
}

# Where to find a target.
declare -A PATHS
wanted() { [[ " $TARGETS " == *" $1 "* ]]; }

# logs DIRECTORY: a place for the logs of a host.
logs() {
	mkdir -p "$1"
	if [ "$LOGS" = tmpfs ]; then
		mount -t tmpfs -o size=${LOGS_MIB}M none "$1" || fail "no tmpfs"
		return
	fi
	disk
	mke2fs -q -t ext4 -E nodiscard,lazy_itable_init=0 "$DISK" ${LOGS_MIB}M ||
		fail "mke2fs"
	mount -t ext4 "$DISK" "$1" || fail "no place for logs"
}

# beta WORDS…: the secondary, in the same machine.
BETA=("$PWD/build/mars" --host=beta --mars-dir=/mars-beta
	--run-dir=/run/mars-beta --etc-dir=/etc/mars-beta --port=7778 --logger=)
beta() { OUT_BETA=$("${BETA[@]}" "$@" 2>&1) || fail "beta: mars $*: $OUT_BETA"; }
beta_answers() { [ -e /run/mars-beta/control/lamport_clock ]; }

mars_hosts() {
	mkdir -p /etc/mars /etc/mars-beta /run/mars /run/mars-beta
	logs /mars
	ok create-cluster --ip=127.0.0.1:7777
	start --listen=127.0.0.1
	until_true answers
	[[ $TARGETS == *+1* ]] || return
	logs /mars-beta
	"${BETA[@]}" daemon --reserve=0 --listen=127.0.0.1 \
		>>$BASE/daemon.log 2>&1 &
	until_true beta_answers
	ok token create --ip=127.0.0.1:7777
	beta join-cluster --ip=127.0.0.1:7778 \
		--token="$(grep -o 'mars1[^ ]*' <<<"$OUT" | head -n 1)"
}

# A name of a resource has no "+".
resource() { echo "${1/+1/-2}"; }

# mars_target TARGET
mars_target() {
	local name
	name=$(resource "$1")
	disk
	ok create-resource "$name" "$DISK" "$name" ${SIZE_MIB}M \
		--acknowledge="${1%+1}"
	ok wait-resource "$name" is-device-on
	PATHS[$1]=/dev/mars/$name
	[[ $1 == *+1 ]] || return
	disk
	beta join-resource "$name" "$DISK"
}

# drbd_target TARGET: two devices of this machine, connected by "lo". Their
# disks are equal, hence there is nothing to copy first.
drbd_target() {
	local protocol=${1#drbd-} minor=$next port=$((7800 + next)) i me peer
	export DRBD_DONT_WARN_ON_VERSION_MISMATCH=1
	for i in 0 1; do
		disk
		me=127.0.0.1:$((port + i))
		peer=127.0.0.1:$((port + 1 - i))
		{ drbdmeta --force $((minor + i)) v08 "$DISK" internal create-md &&
			$DRBD new-resource "$1-$i" &&
			$DRBD new-minor "$1-$i" $((minor + i)) 0 &&
			$DRBD attach $((minor + i)) "$DISK" "$DISK" internal \
				--size=${SIZE_MIB}M &&
			$DRBD connect "$1-$i" ipv4:$me ipv4:$peer \
				--protocol="$protocol"; } >$BASE/drbd 2>&1 ||
			fail "$1: $(cat $BASE/drbd)"
	done
	until_true drbd_says "$minor" Secondary/Secondary
	{ $DRBD new-current-uuid $minor --clear-bitmap &&
		until_true drbd_says "$minor" UpToDate/UpToDate &&
		$DRBD primary $minor; } >$BASE/drbd 2>&1 ||
		fail "$1: $(cat $BASE/drbd)"
	PATHS[$1]=/dev/drbd$minor
	[ -b /dev/drbd$minor ] || mknod /dev/drbd$minor b 147 $minor
}
drbd_says() { grep "^ *$1:" /proc/drbd | grep -q "$2"; }

# target TARGET: makes it.
target() {
	case $1 in
	raw)
		disk
		PATHS[$1]=$DISK
		;;
	loop)
		disk
		PATHS[$1]=$(losetup --direct-io=off -f --show "$DISK") ||
			fail "losetup"
		;;
	null)
		rm -f $BASE/null
		"$DENO" run --allow-all tests/bench/null_device.ts ${SIZE_MIB} \
			>$BASE/null 2>>$BASE/daemon.log &
		null=$!
		until_true test -s $BASE/null
		PATHS[$1]=$(cat $BASE/null)
		;;
	drbd-*) drbd_target "$1" ;;
	*) mars_target "$1" ;;
	esac
}

# line KIND: what is between the hosts.
line() {
	tc qdisc del dev lo root 2>/dev/null
	ip link set lo mtu 65536
	case $1 in
	plain) return ;;
	# As on a real line a packet is at most 1500 bytes, also for the kernel.
	delay) set -- delay 10ms ;;
	loss) set -- loss 1% ;;
	esac
	ip link set lo mtu 1500 gso_max_segs 1
	tc qdisc add dev lo root netem limit 100000 "$@" || fail "netem"
}

# measure NAME TARGET PATTERN BLOCK DEPTH OPTIONS…
measure() {
	fio --name=bench --filename="${PATHS[$2]}" --rw="$3" --bs="$4" \
		--iodepth="$5" --ioengine=io_uring --direct=1 --size=${SIZE_MIB}M \
		--norandommap --random_generator=tausworthe --clat_percentiles=0 \
		--lat_percentiles=1 --output-format=json --output="$1.part" \
		"${@:6}" >$BASE/fio 2>&1 || fail "fio: $(cat $BASE/fio "$1.part")"
}

# limits TARGET: of the same; there is room for logs that are not deleted yet.
limits() {
	case $1 in
	flush* | durable*) echo "--io_size=$((LOGS_MIB / 3))M" ;;
	*) echo "--io_size=1T" ;;
	esac
	echo "--runtime=$RUN_SECONDS"
}

# settle TARGET: nothing of it is left to be done; seconds that took.
settle() {
	local begun=${EPOCHREALTIME/./} name
	case $1 in
	flush* | durable*)
		name=$(resource "$1")
		until_true written_back "$name"
		[[ $1 != *+1 ]] || until_true followed "$name"
		;;
	drbd-*) until_true acknowledged "${PATHS[$1]#/dev/drbd}" ;;
	esac
	echo $((${EPOCHREALTIME/./} - begun))
	case $1 in
	flush* | durable*)
		until_true rotated "$name"
		ok log-delete-all "$name" --window=0
		until_true deleted "$name"
		;;
	esac
	sync
}
# Logs of earlier runs are gone, at both hosts.
deleted() {
	[ -z "$(find /mars*/resource-$1 -name 'log-*' -type f -size +0)" ]
}
newest() { basename "$(ls -d "/mars/resource-$1"/log-* | tail -n 1)"; }
# All of the log is on the disk: "log,bytes,rest" with a rest of 0.
written_back() {
	local log
	log=$(newest "$1")
	is "resource-$1/replay-alpha" "$log,$(stat -c %s "/mars/resource-$1/$log"),0"
}
followed() {
	is "resource-$1/replay-alpha" "$(readlink "/mars-beta/resource-$1/replay-beta")"
}
rotated() {
	local log=/mars/resource-$1/$(newest "$1")
	[ -s "$log" ] || return 0
	mars log-rotate "$1"
	[ "/mars/resource-$1/$(newest "$1")" != "$log" ]
}
# Nothing of a DRBD device waits for its peer.
acknowledged() { grep -A1 "^ *$1:" /proc/drbd | grep -q "pe:0 ua:0 ap:0"; }

# Two hosts of mars and two of DRBD share the machine with fio: what is idle
# costs the others little.
mkdir -p $BASE "$REPORTS"
: >$BASE/daemon.log
[[ $TARGETS == *flush* || $TARGETS == *durable* ]] && mars_hosts
for target in $TARGETS; do target "$target"; done

# Each byte once: no disk is empty, nothing runs for the first time.
step "fill"
for target in $TARGETS; do
	measure $BASE/fill "$target" write 64k 4
	settle "$target" >/dev/null
done
# Lines do not alternate: a connection of TCP that has lost packets is slow for
# long on the next line, too.
for line in $LINES; do
	line "$line"
	for work in $WORKS; do
		step "$line $work"
		IFS=- read -r pattern block depth <<<"$work"
		for round in $(seq "$ROUNDS"); do
			for target in $TARGETS; do
				name=$REPORTS/$line.$work.$target.$round
				measure "$name" "$target" "$pattern" "$block" "$depth" \
					$(limits "$target")
				settle "$target" >"$name.left"
				mv "$name.part" "$name.json"
			done
		done
	done
done
line plain
# Figures of something that is in trouble mean nothing.
grep -E "^[^ ]+ (warn|error) " $BASE/daemon.log
well
