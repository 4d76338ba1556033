#!/bin/sh
# Failure loops as a test: tests/failure/failure.test.sh BUILD. FAILURE_TRIES (default 40): points of each script and
# kind; FAILURE_FULL=1: all of them, every variant. TAP on stdout.
set -u
failure=$1/failure
dir=$(dirname "$0")/scripts
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" # a member that dies leaves its memory behind
if [ -n "${FAILURE_FULL:-}" ]; then set -- --full; else set -- --tries "${FAILURE_TRIES:-40}"; fi
plan=$(mktemp); trap 'rm -f "$plan"' EXIT
"$failure" --dir "$dir" --tap "$@" 2>&1 | tee "$plan"
n=$(grep -cE '^(not )?ok ' "$plan"); bad=$(grep -cE '^not ok ' "$plan")
for lie in sync sync-dir; do
    n=$((n + 1))
    if "$failure" --dir "$dir" --lie "$lie" --script mixed --kind crash --tries 40 >/dev/null 2>&1
    then echo "not ok $n - a_disk_that_lies_about_${lie}_is_found_out"; bad=1
    else echo "ok $n - a_disk_that_lies_about_${lie}_is_found_out"
    fi
done
echo "1..$n"
[ "$n" -gt 2 ] && [ "$bad" -eq 0 ]
