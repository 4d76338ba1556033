#!/bin/sh
# Keeps what fuzzing has learned: fuzz/keep.sh BUILD [TARGET ...]. Of BUILD/corpus/TARGET the fewest inputs that reach code
# which the kept ones do not (edges, not how often) go to fuzz/corpus/TARGET. The next `make cov` and every
# replay see them. One line a target; look at the diff before committing.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${1:?build folder}
shift
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's|fuzz/\(.*\)\.c|\1|')
for t; do
    [ -d "$B/corpus/$t" ] || continue
    before=$(find "fuzz/corpus/$t" -type f | wc -l)
    "$B/$t" -merge=1 -use_counters=0 -max_len=65536 -rss_limit_mb=512 "fuzz/corpus/$t" "$B/corpus/$t" \
        >"$B/logs/$t.keep.log" 2>&1 || { echo "$t: $B/logs/$t.keep.log"; exit 1; }
    after=$(find "fuzz/corpus/$t" -type f | wc -l)
    printf '%-24s %4d kept, %3d new\n' "$t" "$after" $((after - before))
done
