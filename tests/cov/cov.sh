#!/bin/sh
# The tables of `make cov`: tests/cov/cov.sh BUILD [FOLDER | FILE.c]. Counts each source file of a folder by what its
# own objects say (headers' inline functions are left out); with a folder, a row a file; with a file, each
# line of it that has a branch which was not taken, with their number and how often the line ran.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${1:?build folder} only=${2:-}

# Several objects may be made of one file, in builds of their own: only the folder's own counts.
case $only in *.c)
    gcov -b -c -t -o "$B/$(dirname "$only")" "$B/${only%.c}.gcno" 2>/dev/null | awk -v want="$only" '
        /-:    0:Source:/ { on = index($0, want) > 0 }
        !on { next }
        /^branch/ { n++; if ($0 ~ /taken 0( |$)|never executed/) missed++; next }
        /^(call|function|unconditional)/ { next }
        { if (missed) printf "%d of %d %s\n", missed, n, line
          missed = n = 0; line = $0 }'
    exit ;;
esac

# One line a file: "lines covered, lines, branches taken, branches, file"; a file no test linked has no counts.
for notes in $(cd "$B" && find . -name '*.gcno' | sed 's|^\./||' | grep -vE '^(tests|gen|fuzz)/' | sort); do
    source=${notes%.gcno}.c
    [ -f "$source" ] || continue
    gcov -b -n -o "$(dirname "$B/$notes")" "$B/$notes" 2>/dev/null | awk -v want="$source" '
        /^File / { file = $2; gsub(/\047/, "", file); sub(/.*\/\.\//, "", file) }
        file == want && /^Lines executed:/ { split($0, a, /[:% ]+/); lines = $NF; line_pc = a[3] }
        file == want && /^Taken at least once:/ { split($0, a, /[:% ]+/); br = $NF; br_pc = a[5] }
        END { printf "%d %d %d %d %s\n", lines * line_pc / 100 + 0.5, lines, br * br_pc / 100 + 0.5, br, want }'
done | awk -v only="$only" '
    function percent(part, whole) { return whole ? 100 * part / whole : 100 }
    function row(name, l, ln, b, bn) {
        printf "%-28s %6d of %6d  %5.1f %%   %6d of %6d  %5.1f %%\n", name, l, ln, percent(l, ln),
               b, bn, percent(b, bn) }
    BEGIN { printf "%-28s %18s %8s   %18s\n", "", "lines reached", "", "branches taken" }
    { name = $5; if (only == "") sub(/\/[^\/]*$/, "", name); else if (index($5, only "/") != 1) next
      if (!(name in ln)) order[++n] = name
      l[name] += $1; ln[name] += $2; b[name] += $3; bn[name] += $4
      L += $1; LN += $2; B += $3; BN += $4 }
    END { for (i = 1; i <= n; i++) row(order[i], l[order[i]], ln[order[i]], b[order[i]], bn[order[i]])
          row("all", L, LN, B, BN) }'
