#!/bin/bash
# Makes a tree of many small files, the same every time, and their checksums.
#
#   tests/vm/tree.sh DIRECTORY         makes tree.tar and tree.md5 in it
set -eu
mkdir -p "$1"
cd "$1"
[ -e tree.md5 ] && exit 0
rm -rf tree tree.tar
perl -e '
	srand 1;
	for my $d (0 .. 99) {
		mkdir $_ for "tree", "tree/d$d";
		for my $f (0 .. 99) {
			open my $out, ">", "tree/d$d/f$f" or die $!;
			my $line = pack "N*", map { rand 2**32 } 1 .. 16;
			print $out $line x int rand 64;
		}
	}'
tar -cf tree.tar tree
find tree -type f -print0 | sort -z | xargs -0 md5sum >tree.md5.tmp
rm -rf tree
mv tree.md5.tmp tree.md5
