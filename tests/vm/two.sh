# Words of scripts that run in two machines at once, host node1 and host node2;
# sourced, not run.
#
# The machines talk through files of $SHARED, a directory of the real host: what
# is there outlives a machine whose power is cut.
SHARED=$PWD/build/vm/shared
HOST=node$NODE
source tests/vm/lib.sh
other=node$((3 - NODE))

# tell NAME [TEXT]: to the other machine.
tell() {
	echo "${2:-}" >"$SHARED/$1.tmp"
	mv "$SHARED/$1.tmp" "$SHARED/$1"
}

# await NAME: the other one has told it; OUT is the text.
await() {
	until_true test -e "$SHARED/$1"
	OUT=$(cat "$SHARED/$1")
}

# two_hosts: both in one cluster. /mars and /etc/mars are there already.
two_hosts() {
	local address=10.77.0.$NODE
	if [ "$NODE" = 1 ]; then
		ok create-cluster --ip=$address
		start
		until_true answers
		ok token create --ip=$address
		tell token "$(grep -o 'mars[^ ]*' <<<"$OUT" | head -n 1)"
	else
		await token
		start
		until_true answers
		ok join-cluster --token="$OUT" --ip=$address
	fi
	ok wait-cluster
}

# says TEXT COUNT: view says it so often.
says() { [ "$(mars view all | grep -c -e "$1")" = "$2" ]; }
