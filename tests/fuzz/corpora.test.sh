#!/bin/sh
# Replays every kept input of every fuzz target once, under ASan and UBSan. TAP on stdout, one line a target.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=build/fuzz
n=0 bad=0
unset MAKEFLAGS MFLAGS MAKELEVEL
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

if ! command -v clang >/dev/null 2>&1; then
    echo '1..1'
    echo 'ok 1 - fuzz_targets # SKIP clang is not installed'
    exit 0
fi
# Linked anew, so that one that no longer builds is missing; -k: it fails alone.
rm -f "$B"/fuzz_*
make -s -k -j"$jobs" fuzz-build 2>&1 | sed 's/^/# /'

for source in fuzz/fuzz_*.c; do
    t=$(basename "$source" .c)
    n=$((n + 1))
    inputs=$(find "fuzz/corpus/$t" -type f 2>/dev/null | wc -l)
    name="${t}_survives_its_$((inputs))_kept_inputs"
    if [ "$inputs" -gt 0 ] && [ -x "$B/$t" ] &&
        out=$("$B/$t" -runs=0 -timeout=5 -rss_limit_mb=512 "fuzz/corpus/$t" 2>&1); then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        bad=1
        [ -x "$B/$t" ] || echo "# $B/$t was not built"
        printf '%s\n' "${out:-}" | tail -40 | sed 's/^/# /'
    fi
    out=
done
echo "1..$n"
exit $bad
