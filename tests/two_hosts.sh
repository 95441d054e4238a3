# Two hosts on one machine, for scripts of bash: directories and a daemon each.
#
# MARS is the command under test, an array. Who sources this has a function
# `fail WHY…`, which ends the script.

DIR=$(mktemp -d /tmp/mars-hosts-XXXXXX)
PORT=$((20000 + RANDOM % 20000))
declare -A DAEMON=()

cleanup() {
	for host in "${!DAEMON[@]}"; do
		kill -9 "${DAEMON[$host]}" 2>/dev/null
		wait "${DAEMON[$host]}" 2>/dev/null
	done
	rm -rf "$DIR"
}
trap cleanup EXIT

step() { echo "== $*"; }

port_of() { [ "$1" = hosta ] && echo $PORT || echo $((PORT + 1)); }

# become HOST WORDS…: mars on that host, in place of this shell.
become() {
	local host=$1
	shift
	exec "${MARS[@]}" --mars-dir="$DIR/$host/mars" --run-dir="$DIR/$host/run" \
		--etc-dir="$DIR/$host/etc" --host="$host" --port="$(port_of "$host")" \
		--logger= "$@"
}

# on HOST WORDS…: mars on that host.
on() { (become "$@"); }

# launch HOST WORDS…: its daemon; resolves when that answers.
launch() {
	local host=$1
	shift
	mkdir -p "$DIR/$host"/{mars,run,etc}
	become "$host" daemon --listen=127.0.0.1 --reserve=0 "$@" \
		>>"$DIR/$host/daemon.log" 2>&1 &
	DAEMON[$host]=$!
	for _ in $(seq 600); do
		[ -e "$DIR/$host/run/control/lamport_clock" ] && return
		kill -0 ${DAEMON[$host]} 2>/dev/null || fail "the daemon of $host ended"
		sleep 0.1
	done
	fail "the daemon of $host does not answer"
}

# end HOST SIGNAL: its daemon; resolves when it is gone.
end() {
	kill "-$2" "${DAEMON[$1]}"
	wait "${DAEMON[$1]}" 2>/dev/null
	unset "DAEMON[$1]"
}

# disk_of HOST: a new one.
disk_of() {
	truncate -s 16M "$DIR/$1.disk"
	echo "$DIR/$1.disk"
}

nbd_of() { echo "nbd+unix:///r?socket=$DIR/$1/run/nbd/r.sock"; }

# closed HOST: nobody has its device open, and both hosts know.
closed() {
	local link=resource-r/actual-$1/open-count
	for _ in $(seq 600); do
		[ -z "$(find "$DIR"/*/mars/$link ! -lname 0 2>/dev/null)" ] && return
		sleep 0.1
	done
	fail "the device on $1 stays open"
}

# write_on HOST BYTE: one MiB of it through the device, durably.
write_on() {
	qemu-io -f raw -c "write -P $2 0 1M" -c flush "$(nbd_of "$1")" >/dev/null ||
		fail "cannot write on $1"
	closed "$1"
}

# read_on HOST BYTE: one MiB of it is what the device holds.
read_on() {
	local said
	said=$(qemu-io -f raw -r -c "read -P $2 0 1M" "$(nbd_of "$1")" 2>&1) ||
		fail "cannot read on $1: $said"
	[[ $said != *"verification failed"* ]] || fail "$1 holds other data: $said"
	closed "$1"
}
