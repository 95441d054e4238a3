#!/bin/sh
# Makes the one-file program: pack.sh OUTPUT LAUNCHER FILE=NAME...
#
# Appends the files, a table of their digests and a footer to the launcher;
# launch.c describes the format. The same input gives the same output.
set -eu

output=$1
launcher=$2
shift 2

work=$(mktemp "$output.XXXXXX")
table=$(mktemp "$output.XXXXXX")
trap 'rm -f "$work" "$table"' EXIT

cat "$launcher" > "$work"
total=0
for pair in "$@"; do
	file=${pair%%=*}
	name=${pair#*=}
	size=$(stat -L -c %s "$file")
	digest=$(sha256sum < "$file" | cut -d ' ' -f 1)
	cat "$file" >> "$work"
	printf '%s %s %s\n' "$digest" "$size" "$name" >> "$table"
	total=$((total + size))
done
build_id=$(sha256sum < "$table" | cut -d ' ' -f 1)
cat "$table" >> "$work"
printf '%s %010d %012d mars1\n' \
	"$build_id" "$(stat -c %s "$table")" "$total" >> "$work"
chmod 755 "$work"
mv -f "$work" "$output"
