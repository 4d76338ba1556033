#!/bin/sh
# Plays every scenario and compares its trace with the one kept beside it: tests/scenario/run.test.sh BUILD
# A scenario of the store is played twice, the second time with a snapshot restored after every line: the
# trace must be the same. ACCEPT=1 keeps the traces as they are now (then read the diff). TAP on stdout.
set -u
player=$1/scenario
here=$(dirname "$0")
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0 bad=0

play() { # kind file trace [--restore]
    kind=$1 file=$2 trace=$3
    shift 3
    "$player" "$kind" "$@" "$file" >"$out" 2>&1 || { tail -3 "$out"; return 1; }
    diff -u "$trace" "$out"
}

for file in "$here"/*/*.scenario; do
    kind=$(basename "$(dirname "$file")")
    trace=${file%.scenario}.trace
    name=$(basename "$file" .scenario)
    n=$((n + 1))
    [ -z "${ACCEPT:-}" ] || { "$player" "$kind" "$file" >"$out" && cp "$out" "$trace"; }
    if diff=$(play "$kind" "$file" "$trace") &&
        { [ "$kind" != store ] || diff=$(play "$kind" "$file" "$trace" --restore); }; then
        echo "ok $n - $kind: $name"
    else
        echo "not ok $n - $kind: $name"
        bad=1
        printf '%s\n' "$diff" | sed 's/^/# /'
    fi
done
echo "1..$n"
exit $bad
