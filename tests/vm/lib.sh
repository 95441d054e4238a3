# Words of the scripts that run inside a virtual machine; sourced, not run.
#
# $BASE is the directory of daemon.log and of what a script notes. A script ends
# with "all is well", or with the first thing that is not, and exit code 1.
set -u -o pipefail
export MARS_LAUNCH_DIR=$PWD/build/vm-bin
BASE=/run/vm
HOST=${HOST:-alpha}
MARS=("$PWD/build/mars" "--host=$HOST" --logger=)
# Set by start.
daemon=

# Everything is 20 times slower under emulation. fast N M: N natively, else M.
fast() { if [ "$VMRUN_ENGINE" = uml ]; then echo "$1"; else echo "$2"; fi; }

step() { echo "== $*"; }

fail() {
	echo "FAILED: $*"
	[ -z "${SHARED:-}" ] || echo "$HOST" >"$SHARED/failed"
	tail -n 20 $BASE/daemon.log
	dmesg | tail -n 10
	exit 1
}

# until_true COMMAND…: it comes to succeed.
until_true() {
	local end=$((SECONDS + $(fast 60 300)))
	while [ $SECONDS -lt $end ]; do
		"$@" >/dev/null 2>&1 && return
		[ -n "${SHARED:-}" ] && [ -e "$SHARED/failed" ] &&
			fail "$(cat "$SHARED/failed") failed"
		sleep 0.05
	done
	fail "waited in vain: $*"
}

mars() { "${MARS[@]}" "$@"; }

# ok WORDS…: mars must succeed; OUT is what it said.
ok() { OUT=$(timeout $(fast 120 600) "${MARS[@]}" "$@" 2>&1) || fail "mars $* ended with $?: $OUT"; }

# no TEXT WORDS…: mars must fail and say this.
no() {
	local text=$1
	shift
	OUT=$(mars "$@" 2>&1) && fail "mars $* succeeded: $OUT"
	[[ $OUT == *"$text"* ]] || fail "mars $* did not say \"$text\": $OUT"
}

link() { readlink "/mars/$1"; }
# is LINK VALUE
is() { [ "$(link "$1")" = "$2" ]; }

sum() { md5sum <"$1" | cut -d' ' -f1; }

# What is in memory proves nothing.
forget() { echo 3 >/proc/sys/vm/drop_caches; }

# replayed NAME: no log is left to be replayed.
replayed() { [ "$(mars view-replay-rest "$1")" = 0 ]; }

# A device that the script holds open as 5 is not the daemon's.
start() {
	rm -f /run/mars/control/lamport_clock
	"${MARS[@]}" daemon --reserve=0 "$@" >>$BASE/daemon.log 2>&1 5<&- &
	daemon=$!
}

answers() { [ -e /run/mars/control/lamport_clock ]; }

crash() {
	kill -9 $daemon
	wait $daemon 2>/dev/null
}

stop() {
	kill $daemon
	wait $daemon || fail "the daemon did not end well"
}

# /mars is to be a mount point, as on a real host.
prepare() {
	mkdir -p $BASE /mars /run/mars /etc/mars
	: >$BASE/daemon.log
	mount -t tmpfs -o mode=700,size="${1:-50%}" none /mars ||
		fail "no place for logs"
}

# cluster: one host with a running daemon.
cluster() {
	prepare "$@"
	ok create-cluster --ip=127.0.0.1
	start
	until_true answers
}

# create NAME DISK: with its block device.
create() {
	ok create-resource "$1" "$2"
	ok wait-resource "$1" is-device-on
	[ -b "/dev/mars/$1" ] || fail "/dev/mars/$1 is no block device"
}

well() {
	echo "all is well"
	exit 0
}

# writer FILE: makes writes durable, one after the other; notes how many, and
# how long one took at most.
writer() {
	BASE=$BASE FILE=$1 perl -e '
		use IO::Handle; use Time::HiRes qw(time);
		my ($last, $most, $n) = (time, 0, 0);
		open my $file, ">", $ENV{FILE} or die "open";
		for (;;) {
			sysseek $file, ($n % 100) * 4096, 0;
			syswrite $file, chr(65 + $n % 26) x 4096 or die "write";
			$file->sync or die "fsync";
			my $now = time; my $gap = $now - $last; $last = $now; $n++;
			if (-e "$ENV{BASE}/reset") { unlink "$ENV{BASE}/reset"; $most = $gap = 0 }
			$most = $gap if $gap > $most;
			open my $out, ">", "$ENV{BASE}/gap.tmp";
			printf $out "%d %.0f\n", $n, $most * 1000;
			close $out; rename "$ENV{BASE}/gap.tmp", "$ENV{BASE}/gap";
		}' 2>$BASE/writer &
	writer=$!
}
writes() { cut -d' ' -f1 $BASE/gap 2>/dev/null || echo 0; }
more() { [ "$(writes)" -gt "$before" ]; }
# goes_on WHAT: it writes, without having seen an error; says the longest wait.
goes_on() {
	before=$(($(writes) + 20))
	until_true more
	[ -s $BASE/writer ] && fail "the writer: $(cat $BASE/writer)"
	echo "$1: a write took $(cut -d' ' -f2 $BASE/gap) ms at most"
	touch $BASE/reset
	before=$(($(writes) + 2))
	until_true more
}
