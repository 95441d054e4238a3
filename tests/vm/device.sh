#!/bin/bash
# Runs inside a virtual machine: what the device says of itself, and fio at
# every block size and depth, direct and through the page cache, with discard
# and zeroes. In the end the disk below holds what the device held.
source tests/vm/lib.sh

# shows COLUMN VALUE: what lsblk says of the device.
shows() {
	local seen
	seen=$(lsblk -dbno "$1" /dev/mars/r | tr -d ' ')
	[ "$seen" = "$2" ] || fail "lsblk: $1 is $seen, not $2"
}

# below DISK: the primary ends, and DISK has what the device had.
below() {
	local sum
	forget
	sum=$(sum /dev/mars/r)
	ok secondary r
	until_true replayed r
	ok down r
	[ "$(sum "$1")" = "$sum" ] || fail "$1 is not what the device was"
	ok leave-resource r
	ok delete-resource r
}

FIO="fio --name=v --filename=/dev/mars/r --size=16M --verify=crc32c
	--verify_fatal=1 --randrepeat=1 --output-format=terse --terse-version=5"

# direct SIZE DEPTH: written and read back.
direct() {
	$FIO --rw=randwrite --bs="$1" --iodepth="$2" --direct=1 --ioengine=libaio \
		--number_ios="$ios" >$BASE/fio 2>&1 || fail "fio $*: $(cat $BASE/fio)"
}

# buffered SIZE DEPTH: written through the page cache, and read when that has
# forgotten all.
buffered() {
	local words="--rw=randwrite --bs=$1 --iodepth=$2 --ioengine=psync
		--number_ios=$ios"
	$FIO $words --do_verify=0 --end_fsync=1 >$BASE/fio 2>&1 ||
		fail "fio $*: $(cat $BASE/fio)"
	forget
	$FIO $words --verify_only >$BASE/fio 2>&1 ||
		fail "fio, read again, $*: $(cat $BASE/fio)"
}

cluster
create r /dev/ram0

step "what it says of itself"
bytes=$((64 << 20))
shows SIZE $bytes
shows LOG-SEC 512
shows PHY-SEC 4096
shows DISC-MAX $((64 << 20))
shows RO 0
shows TYPE disk
[ "$(blockdev --getsize64 --getss --getpbsz --getro /dev/mars/r | tr '\n' ' ')" \
	= "$bytes 512 4096 0 " ] || fail "blockdev: $(blockdev --report /dev/mars/r)"
blockdev --report /dev/mars/r
lsblk -o NAME,LOG-SEC,PHY-SEC,DISC-MAX,RO /dev/mars/r
queue=/sys/block/$(basename "$(readlink /dev/mars/r)")/queue
[ "$(cat "$queue/write_cache")" = "write back" ] || fail "no volatile cache"
[ "$(cat "$queue/fua")" = 1 ] || fail "no FUA"
[ "$(cat "$queue/write_zeroes_max_bytes")" = $((64 << 20)) ] ||
	fail "zeroes: $(cat "$queue/write_zeroes_max_bytes")"

step "zeroes and discard"
pattern=$(head -c 1M /dev/urandom | tee $BASE/random | md5sum)
for at in 0 8 16 63; do
	dd if=$BASE/random of=/dev/mars/r bs=1M seek=$at oflag=direct status=none ||
		fail "dd"
done
blkdiscard -z -o 1M -l 8M /dev/mars/r || fail "write zeroes"
blkdiscard -z -o $(((17 << 20) - 512)) -l 512 /dev/mars/r || fail "one sector"
blkdiscard -o 63M -l 1M /dev/mars/r || fail "discard"
blkdiscard -o $((32 << 20)) -l 512 /dev/mars/r || fail "discard of a sector"
forget
part() { dd if=/dev/mars/r bs=512 skip=$1 count=$2 status=none | md5sum; }
zeroes() { head -c $(($1 * 512)) /dev/zero | md5sum; }
[ "$(part 0 2048)" = "$pattern" ] || fail "the block before the zeroes"
[ "$(part 2048 16384)" = "$(zeroes 16384)" ] || fail "zeroes are none"
[ "$(part 32768 2047)" = "$(head -c $((2047 * 512)) $BASE/random | md5sum)" ] ||
	fail "beside a sector of zeroes"
[ "$(part 34815 1)" = "$(zeroes 1)" ] || fail "a sector of zeroes is none"
# A range beyond the largest request is cut into several.
blkdiscard /dev/mars/r || fail "discard of all"
blkdiscard -z /dev/mars/r || fail "zeroes everywhere"
[ "$(part 0 131072)" = "$(zeroes 131072)" ] || fail "not all is zero"

# Each time udev sees that a device was written to, it does this; meanwhile
# nobody else can open the device, and the daemon must not wait for that.
step "the partition table is read again and again"
for _ in $(seq $(fast 1500 100)); do
	timeout 60 blockdev --rereadpt /dev/mars/r || fail "rereadpt"
done

ios=$(fast 200 60)
sizes=$(fast "512 1k 2k 4k 8k 16k 32k 64k 128k 256k 512k 1M" "512 4k 128k 1M")
for size in $sizes; do
	step "fio, blocks of $size"
	for depth in 1 16 64; do
		direct "$size" $depth
	done
	buffered "$size" 1
done

# Discard is advice: what lies beside it must not suffer.
step "fio with discard"
beside=$(part 0 32768)
fio --name=t --filename=/dev/mars/r --offset=16M --size=16M --rw=randtrimwrite \
	--bs=8k --iodepth=8 --direct=1 --ioengine=libaio --number_ios="$ios" \
	>$BASE/fio 2>&1 ||
	fail "fio trim and write: $(cat $BASE/fio)"
forget
[ "$(part 0 32768)" = "$beside" ] || fail "discard changed what lies beside it"
step "the disk holds what the device held"
below /dev/ram0

step "blocks of 4096 bytes"
truncate -s 32M $BASE/image
loop=$(losetup -b 4096 --direct-io=off --show -f $BASE/image) || fail "losetup"
create r "$loop"
shows LOG-SEC 4096
shows SIZE $((32 << 20))
dd if=/dev/zero of=/dev/mars/r bs=512 count=1 oflag=direct 2>/dev/null &&
	fail "half a block was taken"
for depth in 1 16; do direct 4k $depth; done
buffered 16k 1
below "$loop"
stop
dmesg | grep -i "i/o error\|buffer i/o" && fail "the kernel saw errors"
well
