#!/bin/bash
# The original's admin tool, played by a shell, against our daemons.
#
#   tests/original_tool.sh [MARS COMMAND…]      default: build/mars
#
# Nothing here is done by our commands but starting daemons and trusting keys.
# Links are written as that tool writes them: `ln -s` to a temporary name,
# `touch -h` with one stamp from `lamport_clock` for all links of a flush,
# rename; then one trigger, `echo -n`, with paths below /mars. A state that is
# waited for must exist before, must come while that tool waits, and must be as
# fresh as it wants it. The first step that does not go as it should ends the
# script with exit code 1 and says what was expected.
#
# Source: behaviour of marsadm 2.9.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
if [ $# -gt 0 ]; then MARS=("$@"); else MARS=("$PWD/build/mars"); fi
. tests/two_hosts.sh
SIZE=$((16 * 1024 * 1024))
WINDOW=4
WAIT_S=${WAIT_S:-60}
ZERO=00000000000000000000000000000000
# Who acts, and its tree.
H= T=

# ---- the machine ------------------------------------------------------------

fail() {
	echo "FAILED on $H: $*"
	for host in hosta hostb; do
		echo "-- links of $host:"
		(cd "$DIR/$host/mars" && find . -type l -printf '   %P -> %l\n' -o \
			-type f -printf '   %P: %s bytes\n' | grep -v /cache- | sort)
		tail -n ${TRACES:-20} "$DIR/$host/daemon.log" 2>/dev/null | sed 's/^/   /'
	done
	exit 1
}

as() { H=$1 T=$DIR/$1/mars; }
peer() { [ "$H" = hosta ] && echo hostb || echo hosta; }
control() { echo "$DIR/$H/run/control"; }

# mars WORDS…: our program on that host, for what the tool has no command.
mars() { on "$H" "$@"; }

start() { launch "$H" --trace=debug; }

stop() {
	end "$H" TERM
	[ ! -e "$(control)" ] || fail "the control directory is still there"
}

crash() {
	end "$H" KILL
	until_true "no control directory" test ! -e "$(control)"
}

# until_true WHAT COMMAND…
until_true() {
	local what=$1 end=$((SECONDS + WAIT_S))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "waited for $what"
		sleep 0.1
	done
}

fill() { write_on "$H" "$1"; }
holds() { read_on "$H" "$1"; }

# ---- how the tool reads and writes ------------------------------------------

# get PATH: empty for a missing link and for a tombstone.
get() {
	local value
	value=$(readlink "$T/$1")
	[ "$value" = .deleted ] || echo "$value"
}

is() { [ "$(get "$1")" = "$2" ]; }
mtime() { stat -c %.9Y "$T/$1"; }
older() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }'; }

# Without a daemon there are whole seconds only.
now() {
	if [ -e "$(control)/lamport_clock" ]; then
		sed -n 's/^lamport_now=//p' "$(control)/lamport_clock"
	else
		date +%s.000000000
	fi
}

trigger() { sh -c "(echo -n '$1' > $(control)/trigger) >/dev/null 2>&1"; }

QUEUE=()
# put VALUE PATH: queued until the next flush.
put() {
	local temporary
	temporary="$T/$(dirname "$2")/.tmp.$$.$(basename "$2")"
	rm -f "$temporary"
	ln -s -- "$1" "$temporary" || fail "no link for $2"
	QUEUE+=("$2")
}
delete() { put .deleted "$1"; }

# flush [STAMP]
flush() {
	local stamp=${1:-$(now)} code=1 path temporary
	for path in "${QUEUE[@]}"; do
		temporary="$T/$(dirname "$path")/.tmp.$$.$(basename "$path")"
		[ -L "$temporary" ] || continue
		touch -h -d "@$stamp" "$temporary"
		[ -d "$T/$path" ] && [ ! -L "$T/$path" ] && rmdir "$T/$path" 2>/dev/null
		mv -T "$temporary" "$T/$path" 2>/dev/null # else it stays behind
		case /$path in */primary* | */todo-global* | */ip*) code=2 ;; esac
	done
	QUEUE=()
	trigger $code
}

# status KEY VALUE: what is missing is fatal at once.
status() {
	local path=resource-r/actual-$H/$1
	[ -L "$T/$path" ] || fail "no link $path"
	until_true "$path = $2, it is $(get "$path")" is "$path" "$2"
}

# cluster_wait CODE HOST…: as the tool knows who lives.
cluster_wait() {
	local code=$1 started host steps last next end=$((SECONDS + 30))
	shift
	started=$(now)
	trigger "$code"
	for host in "$@"; do
		last=$(get "actual-$host/time")
		steps=1
		[ "$code" = 8 ] && steps=2
		while [ $steps -gt 0 ]; do
			next=$(get "actual-$host/time")
			if older "${last:-0}" "${next:-0}" && older "$started" "$next"; then
				steps=$((steps - 1)) last=$next
				continue
			fi
			[ $SECONDS -lt $end ] || fail "$host counts as dead"
			sleep 0.3
			trigger "$code"
		done
	done
}

# Not primary, and for how long that has been known.
not_primary() {
	local half=$((WINDOW / 2))
	for _ in $(seq 16); do
		if is "resource-r/actual-$H/is-primary" 0 &&
			! is resource-r/primary "$H" &&
			older "$(($(date +%s) - half))" \
				"$(mtime "resource-r/actual-$H/is-primary")" &&
			older "$(mtime resource-r/primary)" "$(($(date +%s) - half))"; then
			return
		fi
		sleep $((WINDOW / 8 + 1)).5
	done
	fail "it is not known for sure that it is no primary"
}

number_in() { sed -E 's/^log-0*([0-9]+)-.*/\1/'; }
log_name() { printf 'log-%09d-%s' "$1" "$2"; }
version() { printf 'resource-r/version-%09d-%s' "$1" "$2"; }
newest_log() {
	(cd "$T/resource-r" && find . -name 'log-*' -type f -printf '%P\n') |
		sort | tail -n 1
}
highest_version() {
	(cd "$T/resource-r" && find . -name 'version-*' -lname '*,log-*' \
		-printf '%P\n') | sed -E 's/version-0*([0-9]+)-.*/\1/' | sort -n | tail -n 1
}

# ---- its commands -----------------------------------------------------------

make_dirs() { (cd "$T/$1" && mkdir -p "${@:2}"); }

create_cluster() {
	[ ! -e "$(control)" ] || fail "a daemon runs"
	make_dirs . ips userspace defaults "defaults-$H" todo-global "actual-$H"
	put 2.9 "actual-$H/marsadm-version"
	flush
	put "${H}_$(now)" uuid
	flush
	put 0 "defaults-$H/sync-limit"
	put "(none)" "defaults-$H/sync-pref-list"
	put "127.0.0.1:$(port_of "$H")" "ips/ip-$H"
	flush
}

# join_cluster: the new method, with a running daemon and without a uuid.
join_cluster() {
	local other round me
	other=$(peer) me=127.0.0.1:$(port_of "$H")
	[ -d "$T/actual-$H" ] || fail "no directory actual-$H"
	make_dirs . ips userspace defaults "defaults-$H" todo-global
	put 2.9 "actual-$H/marsadm-version"
	flush
	put "(any)" uuid
	put "$me" "ips/ip-$H"
	put "127.0.0.1:$(port_of "$other")" "ips/ip-$other"
	flush 1.000000000
	trigger 1
	cluster_wait 8 "$H"
	put "$me" "ips/ip-$H"
	put 0 "defaults-$H/sync-limit"
	put "(none)" "defaults-$H/sync-pref-list"
	flush
	trigger "p $other $me /mars/ips/ip-$H"
	for round in 1 2 3 4 5; do
		trigger 3
		until_or 3 uuid_is_known && break
		[ "$round" = 5 ] && fail "no uuid after five rounds"
		trigger "p $other $me /mars/ips/ip-$H"
	done
	cluster_wait 8 "$other"
}

leave_cluster() {
	local path
	cluster_wait 3 "$(peer)"
	for path in "$T"/actual-*/*-"$H"; do
		[ -L "$path" ] && delete "${path#"$T"/}"
	done
	delete "ips/ip-$H"
	flush
	trigger 3
	delete "todo-global/deleted-$H"
	flush
}

uuid_is_known() { [ -n "$(get uuid)" ] && ! is uuid "(any)"; }

# until_or SECONDS COMMAND…: the same as until_true, but may fail.
until_or() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# what create- and join-resource have in common: links of a member.
make_member() {
	local disk=$1 r=resource-r
	put "$disk" "$r/data-$H"
	put r "$r/device-$H"
	make_dirs $r userspace defaults "defaults-$H" "local-$H" "actual-$H" "todo-$H"
	put 0 "$r/actual-$H/if-on"
	put 0 "$r/todo-$H/attach"
	put 1 "$r/todo-$H/connect"
	put 1 "$r/todo-$H/sync"
	put 1 "$r/todo-$H/allow-replay"
}

create_resource() {
	local disk=$1 r=resource-r number=1 before
	make_dirs . $r
	before=$(get $r/maxnr)
	[ -z "$before" ] || number=$((before + 100000))
	put "$SIZE" $r/size
	flush
	make_member "$disk"
	put "$H" $r/primary
	put "$H" $r/userspace/last-primary
	put "$SIZE" "$r/syncstatus-$H"
	put "$(log_name $number "$H"),0,0" "$r/replay-$H"
	: >"$T/$r/$(log_name $number "$H")"
	put "$ZERO,$(log_name $((number - 1)) "$H"),0:" \
		"$(version $((number - 1)) "$H")"
	put "$ZERO,$(log_name $number "$H"),0:$ZERO,$(log_name $((number - 1)) "$H"),0" \
		"$(version $number "$H")"
	[ $number = 1 ] || put $number "$r/skip-check-$H"
	put $number $r/maxnr
	flush
	put 1 "$r/todo-$H/attach"
	flush
	trigger 3
}

activate_guest() {
	local r=resource-r
	until_true "the size of r" test -L "$T/$r/size"
	make_dirs $r "actual-$H"
	put r "$r/device-$H"
	put 0 "$r/actual-$H/if-on"
	flush
	cluster_wait 3 "$(peer)"
}

# where a copy begins that is made anew: at the log of the primary.
begin_anew() {
	local r=resource-r primary number part
	primary=$(get $r/primary)
	number=$(get "$r/replay-$primary" | number_in)
	[ -n "$number" ] || fail "no replay link of $primary"
	part=$(get "$r/replay-$primary")
	put "${part%%,*},0,0" "$r/replay-$H"
	for part in $((number - 1)) $number; do
		is_there "$(version "$part" "$primary")" || continue
		put "$(get "$(version "$part" "$primary")")" "$(version "$part" "$H")"
	done
	put "$number" "$r/skip-check-$H"
}

is_there() { [ -n "$(get "$1")" ]; }

join_resource() {
	local disk=$1 r=resource-r primary
	cluster_wait 8 "$(peer)"
	activate_guest
	primary=$(get $r/primary)
	is "$r/actual-$primary/has-emergency" 0 || fail "has $primary an emergency?"
	make_member "$disk"
	trigger "p $primary $disk /mars/$r/data-$H"
	trigger "p $primary r /mars/$r/device-$H"
	begin_anew
	put 0 "$r/syncstatus-$H"
	flush
	trigger "p $primary $(get "$r/replay-$H") /mars/$r/replay-$H"
	trigger 3
	cluster_wait 2 "$primary"
	put 1 "$r/todo-$H/attach"
	flush
	cluster_wait 2 "$primary"
	cluster_wait 2 "$primary"
	cluster_wait 2 "$primary"
}

up() {
	local name
	for name in attach connect sync allow-replay; do
		put 1 "resource-r/todo-$H/$name"
		flush
	done
	status is-attached 1
}

down() {
	local name
	is "resource-r/actual-$H/open-count" 0 || fail "is it open?"
	for name in allow-replay sync connect attach; do
		put 0 "resource-r/todo-$H/$name"
		flush
	done
	status is-attached 0
	status if-on 0
	status is-replaying 0
	status is-syncing 0
}

# weak: older than what anybody says at the same time.
designate_nobody() {
	local stamp
	stamp=$(mtime resource-r/primary)
	put "(none)" resource-r/primary
	flush "$((${stamp%.*} + 1)).000000000"
}

are_equal() {
	local number
	number=$(highest_version)
	is "resource-r/replay-$H" "$(get "resource-r/replay-$1")" &&
		is_there "$(version "$number" "$H")" &&
		is "$(version "$number" "$H")" "$(get "$(version "$number" "$1")")"
}

primary() {
	local force=${1-} r=resource-r old
	[ -e "$(control)" ] || fail "no daemon"
	old=$(get $r/primary)
	[ "$old" = "(none)" ] && old=$(get $r/userspace/last-primary)
	if [ -z "$force" ]; then
		cluster_wait 3 "$old"
	else
		is "$r/todo-$H/connect" 0 || fail "fetch is on"
	fi
	[ "$(get "$r/syncstatus-$H")" -ge "$(get $r/size)" ] || fail "not synced"
	[ "$(get "$r/actual-$H/replay-code" | cut -d, -f1)" -ge 0 ] || fail "replay"
	[ -n "$force" ] || is "$r/actual-$old/open-count" 0 || fail "$old is open"
	if [ -n "$force" ]; then
		status is-copying 0
	elif [ "$old" != "$H" ]; then
		until_true "equal histories" are_equal "$old"
		designate_nobody
		until_true "$old to give it up" is "$r/actual-$old/is-primary" 0
		until_true "equal histories" are_equal "$old"
		cluster_wait 3 "$old"
	fi
	put "$H" $r/primary
	put "$old" $r/userspace/prev-primary
	put "$H" $r/userspace/last-primary
	flush
	trigger 2
	status if-on 1
	up
	status is-primary 1
}

secondary() {
	is "resource-r/actual-$H/open-count" 0 || fail "is it open?"
	designate_nobody
	status is-primary 0
	status if-on 0
}

invalidate() {
	local r=resource-r name primary number path
	not_primary
	primary=$(get $r/primary)
	for name in attach sync connect allow-replay; do
		put 0 "$r/todo-$H/$name"
	done
	flush
	for name in is-syncing is-copying is-replaying is-attached; do
		status $name 0
	done
	put 0 "$r/syncstatus-$H"
	flush
	number=$(get "$r/replay-$primary" | number_in)
	for path in $(own_versions); do
		[ "$(number_of "$path")" -ge "$number" ] && delete "$r/$path"
	done
	delete "$r/replay-$H"
	flush
	purge_logs
	begin_anew
	flush
	trigger "p $primary $(get "$r/replay-$H") /mars/$r/replay-$H"
	for name in attach connect allow-replay; do
		put 1 "$r/todo-$H/$name"
	done
	flush
	put 1 "$r/todo-$H/sync"
	flush
}

own_versions() {
	(cd "$T/resource-r" && find . -name "version-*-$H" -printf '%P\n')
}
number_of() { sed -E 's/[a-z]+-0*([0-9]+)-.*/\1/' <<<"$1"; }

# own logs and version links that no replay link leads to.
purge_logs() {
	local path number lowest
	lowest=$(lowest_replay)
	[ -n "$lowest" ] || return
	for path in $(own_versions); do
		number=$(number_of "$path")
		[ "$number" -lt $((lowest - 1)) ] && delete "resource-r/$path"
	done
	flush
}

lowest_replay() {
	(cd "$T/resource-r" && find . -maxdepth 1 -name 'replay-*' -lname 'log-*' \
		-printf '%l\n') | number_in | sort -n | head -n 1
}

leave_resource() {
	local r=resource-r path
	cluster_wait 8 "$(peer)"
	not_primary
	for path in "$T/$r/todo-$H"/*; do
		[ "$(readlink "$path")" = 0 ] || [ "$(readlink "$path")" = .deleted ] ||
			fail "$path is on"
	done
	for path in "$T/$r/actual-$H"/is-*; do
		[ "$(readlink "$path")" = 0 ] || fail "$path is on"
	done
	status is-attached 0
	for path in replay data syncstatus syncpos skip-check verifystatus device \
		actsize; do
		[ -L "$T/$r/$path-$H" ] && delete "$r/$path-$H"
	done
	for path in "$T/$r"/*-"$H"; do
		[ -d "$path" ] && [ ! -L "$path" ] || continue
		find "$path" -type l -name '[!.]*' -printf '%f\n' | while read -r name; do
			echo "$r/${path##*/}/$name"
		done >"$DIR/names"
		while read -r name; do delete "$name"; done <"$DIR/names"
		delete "$r/${path##*/}"
	done
	flush
	purge_logs
}

delete_resource() {
	local path
	(cd "$T" && find resource-r -mindepth 1 \( -type l -o -type f \) \
		! -name '.*' ! -name maxnr -printf '%p\n' | sort) >"$DIR/names"
	while read -r path; do delete "$path"; done <"$DIR/names"
	(cd "$T" && find resource-r -mindepth 1 -type d) >"$DIR/names"
	while read -r path; do delete "$path"; done <"$DIR/names"
	flush
}

resize() {
	local r=resource-r new=$1
	is "$r/actual-$H/is-primary" 1 || fail "no primary"
	[ "$(get "$r/actsize-$H")" -ge "$new" ] || fail "the disk is too small"
	put "$new" "$r/syncstatus-$H"
	flush
	put "$new" $r/size
	flush
	SIZE=$new
}

log_rotate() {
	local r=resource-r newest number
	is "$r/actual-$H/is-primary" 1 || return 0
	put 2.9 "actual-$H/marsadm-version"
	newest=$(newest_log)
	[ -s "$T/$r/$newest" ] || return 0
	number=$(number_of "$newest")
	is_there "$(version "$number" "$H")" || fail "no version link of $newest"
	: >"$T/$r/$(log_name $((number + 1)) "$H")"
	put $((number + 1)) $r/maxnr
	flush
	trigger 3
}

# logs that everybody has replayed, by links in their places.
log_delete() {
	local path number lowest r=resource-r
	lowest=$(lowest_replay)
	for path in $(cd "$T/$r" && find . -name 'log-*' -type f -printf '%P\n'); do
		[ "$(number_of "$path")" -lt "$lowest" ] && delete "$r/$path"
	done
	for path in $(cd "$T/$r" && find . -name 'version-*' -printf '%P\n'); do
		[ "$(number_of "$path")" -lt $((lowest - 1)) ] && delete "$r/$path"
	done
	flush
}

# tombstones and its own leftovers, as if they were old enough.
link_purge() {
	(cd "$T" && find . -mindepth 1 -maxdepth 3 \
		\( -name ".tmp.$$.*" -o -lname .deleted \) -delete)
}

# ---- what it is asked to do -------------------------------------------------

R=resource-r
both() { for host in hosta hostb; do as $host && "$@"; done; }

# is_in_sync: every host has all of the primary's log, on its disk.
in_sync() {
	local me=$H host
	for host in hosta hostb; do
		as $host
		[ "$(get "$R/syncstatus-$host")" = "$SIZE" ] && are_equal "$(peer)" &&
			[[ $(get "$R/replay-$host") == *,0 ]] || { as "$me" && return 1; }
	done
	as "$me"
}

holds_on_disk() {
	qemu-io -f raw -r -c "read -P $1 0 1M" "$DIR/$H.disk" 2>&1 |
		grep -q "verification failed" && fail "the disk holds other data"
	return 0
}

# every link that some command or macro of the tool reads.
check_states() {
	local name
	for name in is-attached is-primary if-on open-count is-replaying is-copying \
		is-syncing has-emergency is-emergency replay-code disk-error \
		ops-replay_rate amount-replay_rate ops-file_rate amount-file_rate \
		ops-sync_rate amount-sync_rate; do
		is_there "$R/actual-$H/$name" || fail "no link $R/actual-$H/$name"
	done
	for name in time alive tree features usable buildtag emergency rest-space \
		total-space used-log-digest used-net-digest used-log-compression \
		used-net-compression; do
		is_there "actual-$H/$name" || fail "no link actual-$H/$name"
	done
	# An older one would make the tool look for block devices itself.
	[[ ! $(get "actual-$H/buildtag") =~ (^|[^0-9])([0-9]|[0-8][0-9]|9[0-7])(\(|$) ]] ||
		fail "the build tag looks like an old one: $(get "actual-$H/buildtag")"
	is "actual-$H/tree" 0.1 || fail "another tree"
}

step "hosta: create-cluster before there is a daemon, then start it"
as hosta
mkdir -p "$T"
create_cluster
start
until_true "all links of the host" is_there actual-hosta/alive

step "hosta: create-resource"
create_resource "$(disk_of "$H")"
until_true "the state of the attachment" is_there $R/actual-hosta/is-attached
status is-attached 1
status if-on 1
status is-primary 1
check_states
fill 0x11
until_true "an own version link" test "$ZERO" != "$(get "$(version 1 hosta)" | cut -d, -f1)"

step "hostb: join-cluster, new method"
as hostb
start
until_true "a directory of its own" test -d "$T/actual-hostb"
both eval 'mars key show >"$DIR/$H.key" || fail "no key"'
as hosta
mars key trust "$(grep ^ssh- "$DIR/hostb.key")" >/dev/null || fail "no trust"
as hostb
mars key trust "$(grep ^ssh- "$DIR/hosta.key")" >/dev/null || fail "no trust"
join_cluster
as hosta
is ips/ip-hostb "127.0.0.1:$(port_of hostb)" || fail "it does not know hostb"
[ "$(get uuid)" = "$(as hostb && get uuid)" ] || fail "two clusters"

step "hostb: join-resource"
as hostb
join_resource "$(disk_of "$H")"
status is-attached 1
until_true "a copy" is $R/syncstatus-hostb $SIZE
until_true "all of the log" in_sync
check_states
holds_on_disk 0x11

step "hostb: down, up, detach, attach, pause, resume"
down
as hosta
until_true "hosta to hear of it" is $R/actual-hostb/is-attached 0
fill 0x12
as hostb
up
until_true "all of the log" in_sync
put 0 $R/todo-hostb/allow-replay
flush
as hosta
fill 0x13
as hostb
until_true "the log, not replayed" test -s "$T/$R/log-000000001-hosta"
put 1 $R/todo-hostb/allow-replay
flush
until_true "all of the log" in_sync
holds_on_disk 0x13

step "hosta: log-rotate, then log-delete; hostb: the same logs"
as hosta
log_rotate
until_true "a new log" is_there "$(version 2 hosta)"
fill 0x14
until_true "all of the log" in_sync
log_delete
[ -L "$T/$R/log-000000001-hosta" ] || fail "the log is still there"
as hostb
until_true "no log 1 on hostb" test ! -f "$T/$R/log-000000001-hosta"
until_true "no version link 0 on hostb" is "$(version 0 hostb)" ""
both link_purge
both cluster_wait 3 hosta hostb
both eval '[ ! -e "$T/$R/log-000000001-hosta" ] && [ ! -L "$T/$R/log-000000001-hosta" ] || fail "a log is back"'

step "planned handover, there and back"
as hostb
primary
holds 0x14
fill 0x21
as hosta
until_true "hosta to follow" is $R/actual-hosta/is-primary 0
primary
holds 0x21
until_true "all of the log" in_sync

step "secondary, and primary again"
secondary
as hostb
until_true "nobody to be primary" is $R/primary "(none)"
primary
as hosta
primary

step "resize"
until_true "all of the log" in_sync
both eval 'truncate -s 32M "$DIR/$H.disk"'
as hosta
both eval 'until_true "a larger disk" eval "trigger 1; is $R/actsize-$H $((32 * 1024 * 1024))"'
as hosta
resize $((32 * 1024 * 1024))
until_true "the new size" eval \
	'qemu-io -f raw -r -c length "$(nbd_of "$H")" | grep -q "^32 MiB"'
until_true "a copy of the rest" in_sync

step "forced handover to hostb, while hosta is dead; then invalidate"
as hosta
fill 0x31
crash
as hostb
put 0 $R/todo-hostb/connect
flush
primary force
fill 0x32
as hosta
start
until_true "the newer decision" is $R/primary hostb
invalidate
status is-attached 1
until_true "all of the log" in_sync
holds_on_disk 0x32
primary
holds 0x32

step "hostb: leave-resource"
as hostb
until_true "hostb to follow" is $R/actual-hostb/is-primary 0
down
leave_resource
cluster_wait 3 hosta
both eval 'find "$T/$R" -name "*hostb*" -type l ! -lname .deleted ! -name "version-*" ! -name "log-*" | grep . && fail "links of hostb are left"'

step "delete-resource and create it again"
as hosta
secondary
down
leave_resource
delete_resource
cluster_wait 3 hostb
both eval 'find "$T/$R" -type l ! -lname .deleted ! -name maxnr | grep . && fail "links are left"'
both link_purge
as hosta
create_resource "$DIR/hosta.disk"
until_true "the state of the attachment" is_there $R/actual-hosta/is-attached
status is-attached 1
status is-primary 1
[ "$(get $R/replay-hosta | number_in)" -gt 100000 ] || fail "too low a number"
as hostb
join_resource "$DIR/hostb.disk"
until_true "all of the log" in_sync

step "signs of life come unasked"
for name in time alive; do
	before=$(mtime actual-hosta/$name)
	until_or 6 eval "older $before \$(mtime actual-hosta/$name)" ||
		fail "no newer actual-hosta/$name from the other host"
done

step "hostb: leave-cluster, and join again with an empty tree"
down
leave_resource
leave_cluster
as hosta
until_true "hosta to forget it" is ips/ip-hostb ""
as hostb
stop
rm -rf "${T:?}"
start
until_true "a directory of its own" test -d "$T/actual-hostb"
join_cluster
as hosta
is ips/ip-hostb "127.0.0.1:$(port_of hostb)" || fail "it does not know hostb"
as hostb
join_resource "$DIR/hostb.disk"
until_true "all of the log" in_sync

echo "== the tool is content"
