#!/bin/sh
# Runs fuzz targets, as many at once as there are processors: fuzz/run.sh BUILD SECONDS [TARGET ...]
# SECONDS are of processor time, so that a busy machine takes longer and tests no less.
# Inputs that reach new code go to BUILD/corpus/TARGET, what fails to fuzz/crashes; fuzz/corpus is only read.
# One line a target, then `N passed, N failed`; exit 1 when one of them found something.
set -u
cd "$(dirname "$0")/.." || exit 1

# Sets `used` to the seconds of the children that have ended (a subshell would have none).
read_used() { # scratch file
    times >"$1"
    used=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); n += t[1] * 60 + t[2] } print int(n) }' "$1")
}

# libFuzzer's clock is the wall's: an input that took 2 seconds or hung for 5 is a fault only if it takes 2 of a processor,
# too. Those that do not are removed.
slow_alone() {
    slow=1
    for input in "fuzz/crashes/$t-timeout-"* "fuzz/crashes/$t-slow-unit-"*; do
        [ -f "$input" ] || continue
        before=$used
        "$B/$t" -timeout=300 "$input" >>"$log" 2>&1 || { slow=0; continue; }
        read_used "$log.times"
        echo "$input: $((used - before)) CPU s alone" >>"$log"
        if [ $((used - before)) -ge 2 ]; then slow=0; else rm -f "$input"; fi
    done
    return $slow
}

if [ "$1" = one ]; then
    B=$2 seconds=$3 t=$4
    log=$B/logs/$t.log
    mkdir -p "$B/corpus/$t" "$B/logs" fuzz/crashes "fuzz/corpus/$t"
    : >"$log"
    dict=
    [ ! -f "fuzz/dict/$t.dict" ] || dict=-dict=fuzz/dict/$t.dict
    rc=0 used=0
    while [ $rc -eq 0 ] && [ "$used" -lt "$seconds" ]; do
        # A smaller quarantine: by default freed memory alone may fill the limit.
        # shellcheck disable=SC2086
        ASAN_OPTIONS="quarantine_size_mb=64:${ASAN_OPTIONS:-}" \
        "$B/$t" -max_total_time=$((seconds - used)) -timeout=5 -report_slow_units=2 -rss_limit_mb=512 -print_final_stats=1 $dict \
            -artifact_prefix="fuzz/crashes/$t-" "$B/corpus/$t" "fuzz/corpus/$t" >>"$log" 2>&1
        rc=$?
        read_used "$log.times"
        case $rc in 0 | 70) if slow_alone; then rc=70; else rc=0; fi ;; esac
    done
    runs=$(awk '/number_of_executed_units/ { n += $2 } END { print n + 0 }' "$log")
    edges=$(awk '{ for (i = 1; i < NF; i++) if ($i == "cov:") n = $(i + 1) } END { print n + 0 }' "$log")
    if [ $rc -eq 0 ]; then
        printf 'ok   %-20s %10s runs %6s edges %6s CPU s\n' "$t" "$runs" "$edges" "$used"
    else
        printf 'FAIL %-20s exit %d, %s\n' "$t" $rc "$log"
        grep -E 'SUMMARY|ERROR|Test unit written|invariant|runtime error' "$log" | head -6 | sed 's/^/     /'
    fi
    exit $rc
fi

B=${1:?build folder} seconds=${2:?seconds}
shift 2
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's|fuzz/\(.*\)\.c|\1|')
jobs=${FUZZ_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
printf '%d fuzz targets, %d CPU s each, %d at once\n' $# "$seconds" "$jobs"
lines=$B/logs/lines
mkdir -p "$B/logs"
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 "$0" one "$B" "$seconds" | tee "$lines"
passed=$(grep -c '^ok ' "$lines")
failed=$(($# - passed))
[ "$failed" -eq 0 ] || echo 'inputs that fail are in fuzz/crashes: fix, then keep the input in fuzz/corpus/TARGET'
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
