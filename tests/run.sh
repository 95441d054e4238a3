#!/bin/bash
# The whole gate: layout, lint, types, then all tests in two passes.
#
# Every step runs, whatever became of the ones before. The last line counts
# tests: "N passed, N failed", and ", N skipped" where some were. A step that
# fails without a count of its own counts as one failure. Exit code 1 if
# anything failed.
#
# Tests of the first pass run in parallel. Those of tests/integration start,
# measure and kill processes, so they come one file after the other.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
export NO_COLOR=1

passed=0
failed=0
skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Runs one step that knows only good and bad.
step() {
	echo "==== $*"
	if ! "$@"; then
		echo "FAILED: $*"
		failed=$((failed + 1))
	fi
}

# Runs one pass of tests and adds up the counts of its summary line, which is
# "ok | 12 passed (3 steps) | 0 failed | 2 ignored (1 step) (4s)".
pass() {
	local code summary count before=$failed
	echo "==== deno test $*"
	deno test --no-check --allow-all "$@" 2>&1 | tee "$out"
	code=$?
	summary=$(grep -E '^(ok|FAILED) \| [0-9]+ passed' "$out" | tail -n 1)
	for count in passed failed ignored; do
		[[ $summary =~ ([0-9]+)\ $count ]] || continue
		case $count in
		passed) passed=$((passed + BASH_REMATCH[1])) ;;
		failed) failed=$((failed + BASH_REMATCH[1])) ;;
		ignored) skipped=$((skipped + BASH_REMATCH[1])) ;;
		esac
	done
	if [ $code -ne 0 ] && [ $failed -eq $before ]; then
		echo "FAILED: deno test $* ended with $code"
		failed=$((failed + 1))
	fi
}

step deno fmt --quiet --check
step deno lint --quiet
step deno check --quiet
pass --parallel src tests/*_test.ts
pass tests/integration

line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
