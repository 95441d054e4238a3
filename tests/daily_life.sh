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
. tests/two_hosts.sh

# ---- words of the script ------------------------------------------------------

fail() {
	echo "FAILED: $*"
	for host in hosta hostb; do
		echo "-- $host sees:"
		on $host view all 2>&1 | sed 's/^/   /'
		tail -n 15 "$DIR/$host/daemon.log" 2>/dev/null | sed 's/^/   /'
	done
	exit 1
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

start() { launch "$1"; }
stop() { end "$1" TERM; }

crash() {
	end "$1" KILL
	rm -rf "$DIR/$1/run/control"
}

link() { readlink "$DIR/$1/mars/$2"; }

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
ok hosta create-resource r "$(disk_of hosta)"
no 3 "exists already" hosta create-resource r "$DIR/hosta.disk"
ok hosta wait-resource r is-device-on
until_view hosta "UpToDate Replicating DCASFR Primary hosta"
write_on hosta 0x11

step "a second host joins, with a token"
start hostb
ok hosta token create --ip=127.0.0.1
token=$(grep -o 'mars[^ ]*' <<<"$OUT" | head -n 1)
[ -n "$token" ] || token=${OUT%%$'\n'*}
ok hostb join-cluster --token="$token" --ip=127.0.0.1
ok hostb wait-cluster
says "1/1"
ok hostb join-resource r "$(disk_of hostb)"
until_view hostb "UpToDate Replaying dCASFR Secondary hosta"
no 3 "member already" hostb join-resource r "$DIR/hostb.disk"

step "planned handover, there and back"
write_on hosta 0x22
ok hostb primary r
until_view hostb "UpToDate Replicating DCASFR Primary hostb"
read_on hostb 0x22
write_on hostb 0x33
ok hosta primary all
until_view hosta "UpToDate Replicating DCASFR Primary hosta"
read_on hosta 0x33
ok hosta primary r

step "a busy device is not handed over"
qemu-io -f raw -c "sleep 600000" "$(nbd_of hosta)" >/dev/null 2>&1 &
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
write_on hosta 0x44
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
ok hosta create-resource s "$(disk_of s)"
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
read_on hostb 0x44
write_on hostb 0x55

step "the old primary returns, as a secondary or in split brain: invalidate"
start hosta
ok hosta wait-cluster
ok hosta invalidate r
until_view hosta "UpToDate Replaying dCASFR Secondary hostb"
ok hosta primary r
read_on hosta 0x55

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
