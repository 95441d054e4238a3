#!/bin/bash
# A day in the life of two hosts, as an administrator types it.
#
#   tests/daily_life.sh [MARS COMMAND…]      default: build/mars
#
# Real daemons, real files as disks, NBD as the device; no root needed. Every
# line that begins with "==" is a step; the first step that does not go as it
# should ends the script with exit code 1 and says what was expected.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
if [ $# -gt 0 ]; then MARS=("$@"); else MARS=("$PWD/build/mars"); fi

DIR=$(mktemp -d /tmp/mars-day-XXXXXX)
SIZE=16M
PORT=$((20000 + RANDOM % 20000))
declare -A DAEMON=()

# ---- words of the script ------------------------------------------------------

cleanup() {
	for host in "${!DAEMON[@]}"; do
		kill -9 "${DAEMON[$host]}" 2>/dev/null
		wait "${DAEMON[$host]}" 2>/dev/null
	done
	rm -rf "$DIR"
}
trap cleanup EXIT

step() { echo "== $*"; }

fail() {
	echo "FAILED: $*"
	for host in hosta hostb; do
		echo "-- $host sees:"
		on $host view all 2>&1 | sed 's/^/   /'
		tail -n 15 "$DIR/$host/daemon.log" 2>/dev/null | sed 's/^/   /'
	done
	exit 1
}

port_of() { case $1 in hosta) echo $PORT ;; *) echo $((PORT + 1)) ;; esac }

# on HOST WORDS…: mars on that host.
on() { (become "$@"); }

# The same in place of this shell, so that $! is its number.
become() {
	local host=$1
	shift
	exec "${MARS[@]}" --mars-dir="$DIR/$host/mars" --run-dir="$DIR/$host/run" \
		--etc-dir="$DIR/$host/etc" --host="$host" --port="$(port_of "$host")" \
		--logger= "$@"
}

OUT=
# ok HOST WORDS…: it must succeed; OUT is what it said.
ok() {
	OUT=$(on "$@" 2>&1) || fail "mars ${*:2} on $1 ended with $?: $OUT"
}

# no CODE TEXT HOST WORDS…: it must fail with this code and say this.
no() {
	local code=$1 text=$2
	shift 2
	OUT=$(on "$@" 2>&1)
	local got=$?
	[ $got -eq "$code" ] || fail "mars ${*:2} on $1: exit $got, not $code: $OUT"
	says "$text"
}

says() { [[ $OUT == *"$1"* ]] || fail "expected to read \"$1\" in: $OUT"; }

# until_view HOST TEXT: view comes to say it.
until_view() {
	for _ in $(seq 300); do
		OUT=$(on "$1" view r 2>&1)
		[[ $OUT == *"$2"* ]] && return
		sleep 0.1
	done
	fail "view on $1 never said \"$2\""
}

start() {
	mkdir -p "$DIR/$1"/{mars,run,etc}
	become "$1" daemon --listen=127.0.0.1 --reserve=0 \
		>>"$DIR/$1/daemon.log" 2>&1 &
	DAEMON[$1]=$!
	for _ in $(seq 300); do
		[ -e "$DIR/$1/run/control/lamport_clock" ] && return
		kill -0 ${DAEMON[$1]} 2>/dev/null || fail "the daemon of $1 ended"
		sleep 0.1
	done
	fail "the daemon of $1 does not answer"
}

stop() {
	kill "${DAEMON[$1]}"
	wait "${DAEMON[$1]}"
	unset "DAEMON[$1]"
}

crash() {
	kill -9 "${DAEMON[$1]}"
	wait "${DAEMON[$1]}" 2>/dev/null
	unset "DAEMON[$1]"
	rm -rf "$DIR/$1/run/control"
}

link() { readlink "$DIR/$1/mars/$2"; }

nbd() { echo "nbd+unix:///r?socket=$DIR/$1/run/nbd/r.sock"; }

# fill HOST BYTE: writes one MiB of it, durably.
fill() {
	qemu-io -f raw -c "write -P $2 0 1M" -c flush "$(nbd "$1")" >/dev/null ||
		fail "cannot write on $1"
}

# holds HOST BYTE
holds() {
	OUT=$(qemu-io -f raw -r -c "read -P $2 0 1M" "$(nbd "$1")")
	[[ $OUT != *"verification failed"* ]] || fail "$1 holds other data: $OUT"
}

disk() {
	truncate -s $SIZE "$DIR/$1.disk"
	echo "$DIR/$1.disk"
}

# ---- the day ------------------------------------------------------------------

step "an empty tree: nothing is broken, nothing is there"
mkdir -p "$DIR"/hosta/{mars,run,etc}
ok hosta view all
no 3 "no cluster" hosta cron

step "create a cluster and a resource"
ok hosta create-cluster --ip=127.0.0.1
no 3 "belongs to" hosta create-cluster --ip=127.0.0.1
start hosta
no 2 "No resource" hosta view r
ok hosta create-resource r "$(disk hosta)"
no 3 "exists already" hosta create-resource r "$DIR/hosta.disk"
ok hosta wait-resource r is-device-on
until_view hosta "UpToDate Replicating DCASFR Primary hosta"
fill hosta 0x11

step "a second host joins, with a token"
start hostb
ok hosta token create --ip=127.0.0.1
token=$(grep -o 'mars[^ ]*' <<<"$OUT" | head -n 1)
[ -n "$token" ] || token=${OUT%%$'\n'*}
ok hostb join-cluster --token="$token" --ip=127.0.0.1
ok hostb wait-cluster
says "1/1"
ok hostb join-resource r "$(disk hostb)"
until_view hostb "UpToDate Replaying dCASFR Secondary hosta"
no 3 "member already" hostb join-resource r "$DIR/hostb.disk"

step "planned handover, there and back"
fill hosta 0x22
ok hostb primary r
until_view hostb "UpToDate Replicating DCASFR Primary hostb"
holds hostb 0x22
fill hostb 0x33
ok hosta primary all
until_view hosta "UpToDate Replicating DCASFR Primary hosta"
holds hosta 0x33
ok hosta primary r

step "a busy device is not handed over"
qemu-io -f raw -c "sleep 600000" "$(nbd hosta)" >/dev/null 2>&1 &
client=$!
ok hosta wait-resource r is-attach
for _ in $(seq 100); do
	[ "$(link hosta resource-r/actual-hosta/open-count)" = 1 ] && break
	sleep 0.1
done
no 3 "open" hostb primary r
no 3 "open" hosta detach r
kill $client
wait $client 2>/dev/null
ok hosta wait-umount r

step "pause and resume, alone and everywhere"
ok hostb pause-replay r
ok hostb wait-resource r todo-replay-off
ok hosta pause-fetch-global r
[ "$(link hosta resource-r/todo-hostb/connect)" = 0 ] || fail "fetch is on"
ok hosta resume-fetch-global r
ok hostb resume-replay r
ok hostb disconnect r
ok hostb connect r
until_view hostb "UpToDate Replaying dCASFR Secondary hosta"

step "cron: rotates, deletes, is silent; twice at once"
fill hosta 0x44
ok hosta cron --window=0
[ -z "$OUT" ] || fail "cron said: $OUT"
on hosta cron & first=$!
on hosta cron & second=$!
wait $first || fail "the first of two crons"
wait $second || fail "the second of two crons"
until_view hostb "UpToDate"
ok hosta log-rotate r
ok hosta log-delete-all all --window=0
[ ! -f "$DIR/hosta/mars/resource-r/log-000000001-hosta" ] ||
	fail "log 1 is still on hosta"
for _ in $(seq 100); do
	[ -f "$DIR/hostb/mars/resource-r/log-000000001-hosta" ] || break
	sleep 0.1
done
[ ! -f "$DIR/hostb/mars/resource-r/log-000000001-hosta" ] ||
	fail "log 1 is still on hostb"

step "macros, for scripts"
ok hosta view-is-primary r
says 1
ok hosta view-get-primary r
says hosta
ok hosta view-replstate r
says Replicating
ok hosta view all --macro='%{res} %todo-primary{}\n'
ok hosta view r --json
says '"schema": 1'
no 2 "nearest" hosta view-isprimary r

step "lists, --parallel and --dry-run"
ok hosta create-resource s "$(disk s)"
ok hosta wait-resource s is-device-on
ok hosta --parallel pause-sync r,s
ok hosta resume-sync all
ok hosta --dry-run down s
says "todo-hosta/attach -> 0"
[ "$(link hosta resource-s/todo-hosta/attach)" = 1 ] || fail "a dry run acted"
no 3 "" hosta leave-resource s
ok hosta secondary s
ok hosta down s
ok hosta leave-resource s
ok hosta delete-resource s

step "the old primary is dead: a planned handover gives up and puts back"
crash hosta
no 4 "hosta" hostb primary r --timeout=3
[ "$(link hostb resource-r/primary)" = hosta ] || fail "hosta is not designated"
ok hostb wait-cluster --window=2
says "0/1"
ok hostb wait-cluster --window=2 --force

step "forced failover"
no 3 "pause-fetch" hostb primary r --force
ok hostb pause-fetch r
ok hostb primary r --force
until_view hostb "Primary hostb"
holds hostb 0x44
fill hostb 0x55

step "the old primary returns, as a secondary or in split brain: invalidate"
start hosta
ok hosta wait-cluster
ok hosta invalidate r
until_view hosta "UpToDate Replaying dCASFR Secondary hostb"
ok hosta primary r
holds hosta 0x55

step "resize while it is in use"
truncate -s 32M "$DIR/hosta.disk" "$DIR/hostb.disk"
ok hostb detach r
ok hostb attach r
ok hosta secondary r
ok hosta detach r
ok hosta attach r
ok hosta primary r
ok hosta resize r
[ "$(link hosta resource-r/size)" = $((32 * 1024 * 1024)) ] ||
	fail "the size is $(link hosta resource-r/size): $OUT; $(ls -l $DIR/*.disk; ls -l $DIR/hosta/mars/resource-r | grep actsize)"
until_view hostb "UpToDate Replaying dCASFR Secondary hosta"

step "leave: refused while anything is on"
ok hostb set-emergency-limit r 10
no 3 "" hostb leave-resource r
ok hostb down r
no 3 "emergency-limit" hostb leave-resource r
ok hostb set-emergency-limit r 0
ok hostb leave-resource r
until_view hosta "[1/"

step "delete and begin again"
no 3 "" hosta delete-resource r
ok hosta secondary r
ok hosta down r
ok hosta leave-resource r
ok hosta delete-resource r
ok hosta create-resource r "$DIR/hosta.disk"
sequence=$(link hosta resource-r/replay-hosta | cut -c5-13)
[ $((10#$sequence)) -gt 100000 ] || fail "begins with log $sequence"
ok hosta wait-resource r is-device-on

step "names of DRBD, and what is no command"
ok hosta adjust r
no 3 "" hosta verify r
no 2 "nearest" hosta prymary r

step "leave the cluster"
ok hostb leave-cluster
[ "$(link hosta ips/ip-hostb)" = .deleted ] || [ ! -L "$DIR/hosta/mars/ips/ip-hostb" ] ||
	fail "hostb is still there"
stop hostb
stop hosta
ok hosta view all
says "ModuleNotLoaded"
echo "== the day is over, all is well"
